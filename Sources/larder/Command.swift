import Proxy
import Storage

enum ExitStatus: Int32 {
  case success = 0
  /// The command line was understood; what it asked for did not work.
  case failure = 1
  /// The command line was not understood. Nothing was done.
  case usage = 2
}

enum Command: String, CaseIterable {
  case serve, check, purge, cache, upgrade, version, help
  case demoOrigin = "demo-origin"

  static let inOrderOfHelp: [Command] = [
    .serve, .check, .demoOrigin, .purge, .cache, .upgrade, .version, .help,
  ]

  var synopsis: String {
    switch self {
    case .serve: "larder serve [flags]"
    case .check: "larder check [--print] [flags of serve]"
    case .demoOrigin: "larder demo-origin [--listen ADDR]..."
    case .purge: "larder purge URL [--to ADDR] [--admin-token TOKEN]"
    case .cache: "larder cache ls|show|verify [URL] [DIR] [flags]"
    case .upgrade: "larder upgrade --pid N | --pid-file PATH"
    case .version: "larder version"
    case .help: "larder help [command]"
    }
  }

  var summary: String {
    switch self {
    case .serve: "Serve clients from the cache and from the servers behind it."
    case .check: "Say whether serve would take these flags, and with --print which values are in effect."
    case .demoOrigin: "Serve a few example pages, to try the proxy with."
    case .purge: "Remove a URL, with every variant of it, from the cache of a running Larder."
    case .cache:
      "Say what a cache directory holds, or which of its files are bad, with or without a Larder on it."
    case .upgrade: "Have a running Larder go over to the program that is now in its place, without a gap."
    case .version: "Print the version."
    case .help: "Describe a command."
    }
  }

  /// Everything that `--help` prints.
  var help: String {
    let flags =
      switch self {
      case .serve: Configuration.options.help(defaults: Configuration())
      case .check: CheckArguments.options.help(defaults: CheckArguments())
      case .demoOrigin: DemoOriginArguments.options.help(defaults: DemoOriginArguments())
      case .purge: PurgeArguments.options.help(defaults: PurgeArguments())
      case .cache: CacheArguments.options.help(defaults: CacheArguments())
      case .upgrade: UpgradeArguments.options.help(defaults: UpgradeArguments())
      case .version, .help: ""
      }
    let amounts =
      switch self {
      case .serve, .check:
        """

        A SIZE is a number of bytes or of units (64k, 512MiB, 1GiB), in powers of 1024. A DURATION is a
        number of seconds or of units (500ms, 90s, 10m, 2h, 1d). Flags may be written --flag VALUE or
        --flag=VALUE.

        """
      case .demoOrigin, .purge, .cache, .upgrade, .version, .help: ""
      }
    return "Usage: \(synopsis)\n\n\(summary)\n\(flags)\(amounts)"
  }

  func run(_ arguments: [String]) throws(CommandError) {
    switch self {
    case .serve: try runServe(arguments)
    case .check: try runCheck(arguments)
    case .demoOrigin: try runDemoOrigin(arguments)
    case .purge: try runPurge(arguments)
    case .cache: try runCache(arguments)
    case .upgrade: try runUpgrade(arguments)
    case .version: try runVersion(arguments)
    case .help: try runHelp(arguments)
    }
  }
}

/// Why a command ended without doing what it was for.
enum CommandError: Error {
  case usage(UsageError)
  case unknownCommand(String)
  case noCommand
  case service(ServiceError)
  case admin(AdminError)
  case upgrade(UpgradeError)
  case store(StoreDirectoryError)
  /// A server has the directory, and is no help.
  case storeInUse(StoreDirectoryError, AdminError)
  /// A server has the directory, and it is not the one that was asked.
  case otherStore(StoreDirectoryError, served: String)
  case nothingStored(url: String)
  /// So many files of a store are bad or cannot be read.
  case badFiles(Int)

  var status: ExitStatus {
    switch self {
    case .usage, .unknownCommand, .noCommand: .usage
    case .service, .admin, .upgrade, .store, .storeInUse, .otherStore, .nothingStored, .badFiles: .failure
    }
  }

  var message: String {
    switch self {
    case .usage(let error): error.message
    case .unknownCommand(let name): Self.unknown(name)
    case .noCommand: "no command, expected \(Self.commands)"
    case .service(let error): error.message
    case .admin(let error): error.message
    case .upgrade(let error): error.message
    case .store(let error): error.message
    case .storeInUse(let store, let admin): "\(store.message); \(admin.message)"
    case .otherStore(let store, let served):
      "\(store.message), which is not that behind --admin: it serves \(served)"
    case .nothingStored(let url): "nothing is stored for \(quoted(url))"
    case .badFiles(let count): "\(count) bad files are left"
    }
  }

  private static var commands: String {
    let names = Command.inOrderOfHelp.map(\.rawValue)
    return names.dropLast().joined(separator: ", ") + " or " + names.last!
  }

  private static func unknown(_ name: String) -> String {
    let start = "unknown command \(quoted(name))"
    guard let nearest = Suggestion.nearest(to: name, among: Command.inOrderOfHelp.map(\.rawValue)) else {
      return "\(start), expected \(commands)"
    }
    return "\(start), did you mean \(nearest)?"
  }
}
