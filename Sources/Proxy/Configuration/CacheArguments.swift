import Caching
import IO
public import Upstream

/// What `larder cache` is told.
public struct CacheArguments: Sendable, Equatable {
  public var task = CacheTask.list
  /// The store's directory; `nil`: that of the server behind the admin listener.
  public var directory: String?
  /// Which URLs are listed; `nil`: all.
  public var pattern: String?
  /// The URL that is shown, as given.
  public var url = ""
  public var isRepairing = false
  public var isJSON = false
  public var destination = BackendAddress(fixed: SocketAddress(ipv4: 0x7f00_0001, port: 8081))
  public var adminToken: String?

  public init() {}

  public static let options = OptionTable<CacheArguments>([
    .value(
      OptionText(
        "url", "PATTERN|all", in: "Listing (ls [DIR])",
        "Only these URLs: http://host/path, with * for any text; http:// may be left out."),
      \.pattern, expected: expectedPattern,
      read: { (text: String) throws(Rejection) in
        if text == "all" { return nil }
        guard URLPattern(text) != nil else { throw Rejection(text) }
        return text
      }, write: { $0 ?? "all" }),
    .toggle(
      OptionText("json", "", in: "Listing (ls [DIR])", "JSON, a line per page. For show too."), \.isJSON),
    .toggle(
      OptionText(
        "repair", "", in: "Verifying (verify [DIR])",
        "Remove bad files, and files that were left half-written. A server always removes the bad ones."),
      \.isRepairing),
    .value(
      OptionText(
        "admin", "ADDR", in: "While a server has the directory",
        "Its admin listener: HOST:PORT or unix:/path. Asked also where no directory is named."),
      \.destination, expected: "an address such as 127.0.0.1:8081 or unix:/path", read: ValueText.destination,
      write: \.description),
    .value(
      OptionText(
        "admin-token", "TOKEN|none", in: "While a server has the directory",
        "The token that it was started with. On the same machine none is needed."),
      \.adminToken, expected: "none or a token of letters, digits and -._~+/=", read: ValueText.token,
      write: { $0 ?? "none" }),
  ])

  private static let expectedPattern = "all or a URL such as http://example.com/img/*, with * for any text"

  public static func parse(_ arguments: [String]) throws(UsageError) -> CacheArguments {
    var result = CacheArguments()
    let (given, operands) = try options.apply(arguments, to: &result, operandLimit: 3)
    let tasks = "ls, show or verify"
    guard let name = operands.first else { throw .missingArgument("what to do", expected: tasks) }
    guard let task = CacheTask(rawValue: name) else {
      throw .badValue(flag: "cache", value: name, expected: tasks)
    }
    result.task = task
    for flag in given where !task.flags.contains(flag) { throw .unexpectedArgument("--\(flag)") }
    var rest = operands.dropFirst()
    if task == .show {
      let expected = "a URL such as http://example.com/path or example.com/path"
      guard let url = rest.popFirst() else { throw .missingArgument("URL", expected: expected) }
      guard canonicalURL(from: Array(url.utf8).span) != nil else {
        throw .badValue(flag: "URL", value: url, expected: expected)
      }
      result.url = url
    }
    result.directory = rest.popFirst()
    if let extra = rest.first { throw .unexpectedArgument(extra) }
    return result
  }
}

public enum CacheTask: String, Sendable, CaseIterable {
  case list = "ls"
  case show, verify

  var flags: Set<String> {
    switch self {
    case .list: ["url", "json", "admin", "admin-token"]
    case .show: ["json", "admin", "admin-token"]
    case .verify: ["repair", "admin", "admin-token"]
    }
  }
}
