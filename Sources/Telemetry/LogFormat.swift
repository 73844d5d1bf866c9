public import Bytes

/// How values are made harmless: no byte of a peer can end its value, its line, or reach a terminal.
public enum LogEscaping: Sendable {
  /// As nginx does by default: quote, backslash, controls and what is not ASCII as `\xNN`. What is not there
  /// is `-`.
  case hexadecimal
  /// JSON's, RFC 8259 §7. Text that is not there is empty, a number that is not there `null`.
  case json
}

/// One step of writing a line: text, then a variable.
public struct LogPart: Sendable, Equatable {
  /// Offsets into the format's `text`.
  public let literal: ByteRange
  /// `nil`: the line ends with the literal.
  public let variable: LogVariable?
  /// Of a field that the variable names, in lower case with dashes: offsets into `text`.
  public let name: ByteRange
}

/// What a line of the access log looks like, in the terms of nginx's `log_format`. Compiled once: a line is
/// written by going through `parts`.
public struct LogFormat: Sendable, Equatable {
  /// As it was given.
  public let source: String
  public let escaping: LogEscaping
  public let parts: [LogPart]
  /// Literals and names, one after the other.
  public let text: [UInt8]
  /// Longest escaped form of one value, in bytes; more is cut and ends in `...`. So small that every line
  /// fits into a chunk of the log: nobody can make a line too long to be written.
  let valueLimit: Int

  public static let lengthLimit = 4096
  public static let variableLimit = 64

  /// Everything there is to say, a member for each, one object a line.
  static let jsonText = """
    {"time":"$time_iso8601","client":"$remote_addr","method":"$request_method","host":"$host",\
    "path":"$request_uri","status":$status,"bytes":$body_bytes_sent,"cache":"$upstream_cache_status",\
    "decision":"$decision","key_hash":"$key_hash","upstream":"$upstream_addr","attempts":$attempts,\
    "wait_seconds":$wait_time,"connect_seconds":$upstream_connect_time,\
    "first_byte_seconds":$upstream_header_time,"total_seconds":$request_time,"request_id":"$request_id",\
    "referer":"$http_referer","user_agent":"$http_user_agent"}
    """

  /// nginx's `combined`, byte for byte: there are programs that read it.
  static let combinedText =
    #"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "#
    + #""$http_user_agent""#

  /// Everything that a line can say, by name: the default.
  public static let json: LogFormat = {
    guard let format = try? LogFormat("json") else { fatalError("a format of our own is not one") }
    return format
  }()

  /// - Parameter source: `json`, `combined`, or text with variables; before it, `escape=json` and a space
  ///   ask for JSON's escaping.
  public init(_ source: String) throws(LogFormatError) {
    let prefix = "escape=json "
    switch source {
    case "json": try self.init(source, .json, Self.jsonText)
    case "combined": try self.init(source, .hexadecimal, Self.combinedText)
    default:
      let isJSON = source.hasPrefix(prefix)
      try self.init(
        source, isJSON ? .json : .hexadecimal, isJSON ? String(source.dropFirst(prefix.count)) : source)
    }
  }

  private init(_ source: String, _ escaping: LogEscaping, _ template: String) throws(LogFormatError) {
    guard template.utf8.count <= Self.lengthLimit else { throw .tooLong }
    var text: [UInt8] = []
    var parts: [LogPart] = []
    var literal = ByteRange.empty
    for part in try Self.variableText(template) {
      switch part {
      case .literal(let bytes):
        literal = ByteRange(text.count, text.count + bytes.count)
        text += bytes
      case .variable(let written):
        let (variable, name) = try Self.variable(String(decoding: written, as: UTF8.self))
        parts.append(
          LogPart(
            literal: literal, variable: variable, name: ByteRange(text.count, text.count + name.count)))
        text += name
        literal = .empty
      }
    }
    guard !parts.isEmpty else { throw .withoutVariable }
    guard parts.count <= Self.variableLimit else { throw .tooLong }
    parts.append(LogPart(literal: literal, variable: nil, name: .empty))
    self.source = source
    self.escaping = escaping
    self.text = text
    let unbounded = parts.count { $0.variable?.isUnbounded ?? false }
    let room = LogRing.chunkBytes - Self.lengthLimit - 512 * parts.count
    valueLimit = min(16 << 10, room / max(1, unbounded))
    self.parts = parts
  }

  /// Whether a line has something of the response's head.
  public var readsResponseHead: Bool { parts.contains { $0.variable == .responseField } }

  /// The name of the field that each part asks for, empty where it asks for none.
  public var fieldNames: [[UInt8]] { parts.map { Array(text[$0.name.lower..<$0.name.upper]) } }

  private static func variableText(_ template: String) throws(LogFormatError) -> [VariableText] {
    do {
      return try VariableText.parts(of: template)
    } catch {
      switch error {
      case .malformedVariable: throw .malformedVariable
      case .controlCharacter: throw .controlCharacter
      }
    }
  }

  private static func variable(_ text: String) throws(LogFormatError) -> (LogVariable, name: [UInt8]) {
    for variable in LogVariable.allCases where variable.takesName && text.hasPrefix(variable.rawValue) {
      let name = text.utf8.dropFirst(variable.rawValue.utf8.count)
      guard !name.isEmpty else { throw .unknownVariable(text) }
      return (variable, name.map { $0 == UInt8(ascii: "_") ? .dash : $0.lowered })
    }
    guard let variable = LogVariable(rawValue: text) else { throw .unknownVariable(text) }
    return (variable, [])
  }
}

/// Why a log format was refused.
public enum LogFormatError: Error, Equatable {
  /// Its name, without the dollar sign.
  case unknownVariable(String)
  /// `${` without `}`, or `$` without a name.
  case malformedVariable
  case controlCharacter
  case withoutVariable
  case tooLong
}
