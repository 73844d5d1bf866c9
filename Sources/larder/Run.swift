import Glibc
import Proxy

let version = "0.1.0"

/// - Parameter arguments: Those after the program's name.
func run(_ arguments: [String]) -> ExitStatus {
  do throws(CommandError) {
    guard let name = arguments.first else { throw .noCommand }
    let rest = Array(arguments.dropFirst())
    guard let command = command(named: name) else { throw .unknownCommand(name) }
    if command != .help, rest.contains(where: isHelpFlag) {
      Output.standard.write(command.help)
    } else {
      try command.run(rest)
    }
    return .success
  } catch {
    Output.error.write("larder: \(error.message)\n")
    return error.status
  }
}

private func command(named name: String) -> Command? {
  if isHelpFlag(name) { return .help }
  if name == "--version" { return .version }
  return Command(rawValue: name)
}

private func isHelpFlag(_ argument: String) -> Bool { argument == "--help" || argument == "-h" }

func runServe(_ arguments: [String]) throws(CommandError) {
  let configuration = try understood { () throws(UsageError) in try Configuration.parse(arguments) }
  let status: Int32
  do { status = try Service.run(configuration) } catch { throw .service(error) }
  // A child's own, which has said why.
  if status != 0 { exit(status) }
}

func runCheck(_ arguments: [String]) throws(CommandError) {
  let check = try understood { () throws(UsageError) in try CheckArguments.parse(arguments) }
  if check.isPrinting {
    Output.standard.write(check.configuration.flagLines.map { $0 + "\n" }.joined())
  } else {
    Output.standard.write("larder: the flags are good\n")
  }
}

func runDemoOrigin(_ arguments: [String]) throws(CommandError) {
  let origin = try understood { () throws(UsageError) in try DemoOriginArguments.parse(arguments) }
  do { try DemoOrigin.run(listen: origin.listen) } catch { throw .service(error) }
}

func runPurge(_ arguments: [String]) throws(CommandError) {
  let purge = try understood { () throws(UsageError) in try PurgeArguments.parse(arguments) }
  do {
    Output.standard.write(
      try AdminClient(purge.destination, token: purge.adminToken, flag: "--to").purge(purge.url) + "\n")
  } catch {
    throw .admin(error)
  }
}

func runUpgrade(_ arguments: [String]) throws(CommandError) {
  let upgrade = try understood { () throws(UsageError) in try UpgradeArguments.parse(arguments) }
  do {
    let process = try RunningLarder(upgrade)
    try process.askToUpgrade()
    Output.standard.write("larder: process \(process.id) was asked; its log says how it went\n")
  } catch {
    throw .upgrade(error)
  }
}

func runVersion(_ arguments: [String]) throws(CommandError) {
  if let extra = arguments.first { throw .usage(.unexpectedArgument(extra)) }
  Output.standard.write("larder \(version)\n")
}

func runHelp(_ arguments: [String]) throws(CommandError) {
  if let extra = arguments.dropFirst().first { throw .usage(.unexpectedArgument(extra)) }
  if let name = arguments.first, !isHelpFlag(name) {
    guard let command = Command(rawValue: name) else { throw .unknownCommand(name) }
    Output.standard.write(command.help)
    return
  }
  var text =
    "Larder is a caching reverse proxy and load balancer.\n\nUsage: larder COMMAND [flags]\n\nCommands:\n"
  for command in Command.inOrderOfHelp {
    let padding = String(repeating: " ", count: 14 - command.rawValue.utf8.count)
    text += "  \(command.rawValue)\(padding)\(command.summary)\n"
  }
  Output.standard.write(text + "\nEach takes --help. To try it: larder serve, then curl -i localhost:8080/\n")
}

func understood<Value>(_ parse: () throws(UsageError) -> Value) throws(CommandError) -> Value {
  do { return try parse() } catch { throw .usage(error) }
}
