import Bytes
public import Storage
import Telemetry

/// A page of `CacheReport`, as the command shows it.
public struct ReportedPage: Sendable {
  /// Where the store lies, without symbolic links.
  public var directory = ""
  public var entries: [ReportedEntry] = []
  public var unusable = 0
  public var result = StoreVerification()
  public var findings: [(file: String, text: String)] = []
  public var isComplete = true
  /// The cursor of the next page.
  public var next: UInt32?

  /// - Parameter json: As `CacheReport` writes it; `nil`: it is something else.
  public init?(_ json: [UInt8]) {
    guard let parsed = try? JSON.parse(json.span, limits: JSONLimits(bytes: json.count)),
      case .object(let members) = parsed.value
    else { return nil }
    for member in members {
      let name = String(decoding: member.name, as: UTF8.self)
      let text = plainText(member.content, json)
      switch (name, member.content.value) {
      case ("directory", _): directory = text ?? ""
      case ("complete", .bool(let flag)): isComplete = flag
      case ("next", _): next = text.flatMap { UInt32($0) }
      case ("unusable", _): unusable = text.flatMap { Int($0) } ?? 0
      case ("entries", .array(let items)): entries = items.map { ReportedEntry($0, json) }
      case ("findings", .array(let items)):
        findings = items.map { ReportedEntry($0, json) }.map { ($0["file"], $0["text"]) }
      default:
        if let count = VerifiedFiles.counts.first(where: { $0.0 == name }) {
          result[keyPath: count.1] = text.flatMap { Int($0) } ?? 0
        }
      }
    }
    if directory.isEmpty { return nil }
  }
}

/// What is said of one entry, each field as text.
public struct ReportedEntry: Sendable {
  private var fields: [String: String] = [:]

  fileprivate init(_ item: JSON, _ json: [UInt8]) {
    guard case .object(let members) = item.value else { return }
    for member in members {
      fields[String(decoding: member.name, as: UTF8.self)] = plainText(member.content, json)
    }
  }

  /// Empty: there is none.
  public subscript(_ name: String) -> String { fields[name] ?? "" }
}

/// A string, number or truth value as text.
private func plainText(_ item: JSON, _ json: [UInt8]) -> String? {
  switch item.value {
  case .string(let bytes): String(decoding: bytes, as: UTF8.self)
  case .number(let range): String(decoding: json[range.lower..<range.upper], as: UTF8.self)
  case .bool(let flag): "\(flag)"
  case .null, .array, .object: nil
  }
}
