/// Why a JSON text was refused, and at which byte.
public enum JSONError: Error, Equatable, Sendable {
  /// Longer than the limit, in bytes.
  case tooLong(limit: Int)
  case tooDeep(at: Int)
  /// The text ends where something more must come.
  case unexpectedEnd(at: Int)
  case unexpectedByte(at: Int)
  /// Not of RFC 8259 §6: a leading zero, or no digit where one must be.
  case badNumber(at: Int)
  case badEscape(at: Int)
  /// `\uD800` to `\uDFFF` without its other half.
  case loneSurrogate(at: Int)
  /// A byte below 32 inside a string.
  case controlByte(at: Int)
  case badUTF8(at: Int)
  case duplicateMember(at: Int)
  /// More than white space after the value.
  case trailingBytes(at: Int)

  /// Byte offset of the fault.
  public var offset: Int {
    switch self {
    case .tooLong(let limit): limit
    case .tooDeep(let at), .unexpectedEnd(let at), .unexpectedByte(let at), .badNumber(let at),
      .badEscape(let at), .loneSurrogate(let at), .controlByte(let at), .badUTF8(let at),
      .duplicateMember(let at), .trailingBytes(let at):
      at
    }
  }

  public var text: StaticString {
    switch self {
    case .tooLong: "the JSON text is too long"
    case .tooDeep: "arrays and objects are nested too deeply"
    case .unexpectedEnd: "the JSON text ends too early"
    case .unexpectedByte: "not JSON"
    case .badNumber: "not a JSON number"
    case .badEscape: "not an escape of JSON"
    case .loneSurrogate: "half of a surrogate pair"
    case .controlByte: "a control character in a string must be escaped"
    case .badUTF8: "not UTF-8"
    case .duplicateMember: "a member occurs twice"
    case .trailingBytes: "something follows the JSON text"
    }
  }
}

/// Bounds on a JSON text from outside. Both are checked before memory is taken.
public struct JSONLimits: Sendable {
  public var bytes: Int
  /// Arrays and objects inside each other; the parser recurses this deep.
  public var depth: Int

  public init(bytes: Int = 1 << 20, depth: Int = 16) {
    self.bytes = bytes
    self.depth = depth
  }
}
