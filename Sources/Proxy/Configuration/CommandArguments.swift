public import IO
public import Upstream

/// What `larder check` is told: everything that `serve` is, and whether to show it.
public struct CheckArguments: Sendable, Equatable {
  public var configuration: Configuration
  public var isPrinting = false

  public init(machine: Machine = .current()) { configuration = Configuration(machine: machine) }

  public static let options = OptionTable<CheckArguments>(
    [
      .toggle(
        OptionText(
          "print", "", in: "Checking", "Print every value in effect, as flags that can be given again."),
        \.isPrinting)
    ] + Configuration.options.options.map { $0.within(\.configuration) })

  public static func parse(
    _ arguments: [String], machine: Machine = .current()
  ) throws(UsageError) -> CheckArguments {
    var result = CheckArguments(machine: machine)
    let (given, _) = try options.apply(arguments, to: &result)
    try result.configuration.complete(given: given)
    return result
  }
}

/// What `larder demo-origin` is told.
public struct DemoOriginArguments: Sendable, Equatable {
  public var listen = [SocketAddress(ipv4: 0x7f00_0001, port: 3000)]

  public init() {}

  public static let options = OptionTable<DemoOriginArguments>([
    .list(
      OptionText(
        "listen", "ADDR", in: "Listening",
        "Address for the proxy: :3000, 127.0.0.1:3000, [::1]:3000 or unix:/path. Port 0 takes any free one."),
      \.listen, expected: "an address such as :3000, 127.0.0.1:3000, [::1]:3000 or unix:/path", empty: nil,
      read: ValueText.address, write: \.description)
  ])

  public static func parse(_ arguments: [String]) throws(UsageError) -> DemoOriginArguments {
    var result = DemoOriginArguments()
    _ = try options.apply(arguments, to: &result)
    return result
  }
}

/// What `larder purge` is told.
public struct PurgeArguments: Sendable, Equatable {
  /// As given: `http://example.com/path?query`, or the same without a scheme.
  public var url = ""
  /// The admin listener of a running Larder.
  public var destination = BackendAddress(fixed: SocketAddress(ipv4: 0x7f00_0001, port: 8081))
  public var adminToken: String?

  public init() {}

  public static let options = OptionTable<PurgeArguments>([
    .value(
      OptionText("to", "ADDR", in: "Admin listener", "Where it is: HOST:PORT or unix:/path."),
      \.destination, expected: "an address such as 127.0.0.1:8081 or unix:/path", read: ValueText.destination,
      write: \.description),
    .value(
      OptionText(
        "admin-token", "TOKEN|none", in: "Admin listener",
        "The token that it was started with. On the same machine none is needed."),
      \.adminToken, expected: "none or a token of letters, digits and -._~+/=", read: ValueText.token,
      write: { $0 ?? "none" }),
  ])

  public static func parse(_ arguments: [String]) throws(UsageError) -> PurgeArguments {
    var result = PurgeArguments()
    let expected = "a URL such as http://example.com/path or example.com/path"
    let (_, operands) = try options.apply(arguments, to: &result, operandLimit: 1)
    guard let url = operands.first else { throw .missingArgument("URL", expected: expected) }
    guard isURL(url) else { throw .badValue(flag: "URL", value: url, expected: expected) }
    result.url = url
    return result
  }

  /// Enough for a clear answer to a slip of the pen; the listener reads the URL for itself.
  private static func isURL(_ text: String) -> Bool {
    var rest = text[...]
    for scheme in ["http://", "https://"] where text.lowercased().hasPrefix(scheme) {
      rest = text.dropFirst(scheme.count)
    }
    guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }), let first = rest.utf8.first else { return false }
    return first == UInt8(ascii: "[") || ValueText.isAlphanumeric(first)
  }
}

/// What `larder upgrade` is told.
public struct UpgradeArguments: Sendable, Equatable {
  public var process: Int?
  public var pidFile: String?

  public init() {}

  public static let options = OptionTable<UpgradeArguments>([
    .value(
      OptionText("pid", "N|none", in: "Process", "Id of the process that was started as larder serve."),
      \.process, expected: "none or the id of a process", read: ValueText.process,
      write: { $0.map { "\($0)" } ?? "none" }),
    .value(
      OptionText("pid-file", "PATH|none", in: "Process", "The file that its --pid-file names."),
      \.pidFile, expected: "none or a file's path", read: ValueText.path, write: { $0 ?? "none" }),
  ])

  public static func parse(_ arguments: [String]) throws(UsageError) -> UpgradeArguments {
    var result = UpgradeArguments()
    _ = try options.apply(arguments, to: &result)
    guard (result.process == nil) != (result.pidFile == nil) else {
      throw .missingArgument("the process", expected: "either --pid N or --pid-file PATH")
    }
    return result
  }
}

extension Option {
  /// The same flag for a command whose target holds this one's.
  func within<Outer: Sendable>(_ field: OptionField<Outer, Target>) -> Option<Outer> {
    let inner = self
    return Option<Outer>(
      name: name, placeholder: placeholder, arity: arity, group: group, summary: summary, expected: expected,
      apply: { (target: inout Outer, given: [String]) throws(Rejection) in
        try inner.apply(&target[keyPath: field], given)
      },
      values: { inner.values($0[keyPath: field]) })
  }
}
