public import Bytes

/// A parsed JSON value with the place it had in its text. For the admin API: it allocates.
public struct JSON: Equatable, Sendable {
  /// Offset of the value's first byte.
  public var offset: Int
  public var value: JSONValue

  public init(offset: Int, value: JSONValue) {
    self.offset = offset
    self.value = value
  }

  /// Parses a whole JSON text, strictly: RFC 8259 with nothing added, UTF-8 without a byte order mark, no
  /// member twice (two parsers would read that differently), nothing but white space after the value.
  public static func parse(_ bytes: Span<UInt8>, limits: JSONLimits = JSONLimits()) throws(JSONError) -> JSON
  {
    guard bytes.count <= limits.bytes else { throw .tooLong(limit: limits.bytes) }
    var parser = JSONParser(bytes, depthLeft: limits.depth)
    let value = try parser.value()
    parser.skipSpace()
    guard parser.isAtEnd else { throw .trailingBytes(at: parser.at) }
    return value
  }
}

public enum JSONValue: Equatable, Sendable {
  case null
  case bool(Bool)
  /// Where the number stands in the text. It has been checked, but not turned into a number.
  case number(ByteRange)
  /// UTF-8, escapes resolved.
  case string([UInt8])
  case array([JSON])
  case object([JSONMember])
}

public struct JSONMember: Equatable, Sendable {
  /// Offset of the name's quote.
  public var nameOffset: Int
  /// UTF-8, escapes resolved.
  public var name: [UInt8]
  public var content: JSON
}

/// One pass over the bytes; `at` is the next one to look at.
struct JSONParser: ~Escapable {
  let bytes: Span<UInt8>
  var at = 0
  private var depthLeft: Int

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, depthLeft: Int) {
    self.bytes = bytes
    self.depthLeft = depthLeft
  }

  var isAtEnd: Bool { at == bytes.count }

  /// The byte to come; it is not taken.
  func peek() throws(JSONError) -> UInt8 {
    guard at < bytes.count else { throw .unexpectedEnd(at: at) }
    return bytes[at]
  }

  @_lifetime(self: copy self)
  mutating func skipSpace() {
    while at < bytes.count {
      switch bytes[at] {
      case .space, .tab, .lineFeed, .carriageReturn: at += 1
      default: return
      }
    }
  }

  @_lifetime(self: copy self)
  mutating func value() throws(JSONError) -> JSON {
    skipSpace()
    let start = at
    let value: JSONValue
    switch try peek() {
    case .quote: value = .string(try string())
    case UInt8(ascii: "{"): value = .object(try members())
    case UInt8(ascii: "["): value = .array(try elements())
    case UInt8(ascii: "t"): value = try literal("true", .bool(true))
    case UInt8(ascii: "f"): value = try literal("false", .bool(false))
    case UInt8(ascii: "n"): value = try literal("null", .null)
    case .dash, UInt8(ascii: "0")...UInt8(ascii: "9"): value = .number(try number())
    default: throw .unexpectedByte(at: at)
    }
    return JSON(offset: start, value: value)
  }

  @_lifetime(self: copy self)
  private mutating func literal(_ text: String, _ value: JSONValue) throws(JSONError) -> JSONValue {
    for byte in text.utf8 { try take(byte) }
    return value
  }

  @_lifetime(self: copy self)
  private mutating func take(_ byte: UInt8) throws(JSONError) {
    guard try peek() == byte else { throw .unexpectedByte(at: at) }
    at += 1
  }

  @_lifetime(self: copy self)
  private mutating func goDeeper() throws(JSONError) {
    guard depthLeft > 0 else { throw .tooDeep(at: at) }
    depthLeft -= 1
    at += 1
    skipSpace()
  }

  /// After an element or member: a comma, so that there is another one, or the end of the array or object.
  @_lifetime(self: copy self)
  private mutating func isFollowed(orEndedBy end: UInt8) throws(JSONError) -> Bool {
    skipSpace()
    if try peek() == .comma {
      at += 1
      skipSpace()
      return true
    }
    try take(end)
    depthLeft += 1
    return false
  }

  @_lifetime(self: copy self)
  private mutating func isEmpty(_ end: UInt8) throws(JSONError) -> Bool {
    guard try peek() == end else { return false }
    at += 1
    depthLeft += 1
    return true
  }

  @_lifetime(self: copy self)
  private mutating func elements() throws(JSONError) -> [JSON] {
    try goDeeper()
    var elements: [JSON] = []
    if try isEmpty(UInt8(ascii: "]")) { return elements }
    repeat { elements.append(try value()) } while try isFollowed(orEndedBy: UInt8(ascii: "]"))
    return elements
  }

  @_lifetime(self: copy self)
  private mutating func members() throws(JSONError) -> [JSONMember] {
    try goDeeper()
    var members: [JSONMember] = []
    if try isEmpty(UInt8(ascii: "}")) { return members }
    var names: Set<[UInt8]> = []
    repeat {
      let nameOffset = at
      guard try peek() == .quote else { throw .unexpectedByte(at: at) }
      let name = try string()
      guard names.insert(name).inserted else { throw .duplicateMember(at: nameOffset) }
      skipSpace()
      try take(.colon)
      members.append(JSONMember(nameOffset: nameOffset, name: name, content: try value()))
    } while try isFollowed(orEndedBy: UInt8(ascii: "}"))
    return members
  }

  /// RFC 8259 §6: `-`? int frac? exp?
  @_lifetime(self: copy self)
  private mutating func number() throws(JSONError) -> ByteRange {
    let start = at
    if try peek() == .dash { at += 1 }
    if at < bytes.count, bytes[at] == UInt8(ascii: "0") {
      at += 1
      if at < bytes.count, bytes[at].isDigit { throw .badNumber(at: at) }
    } else {
      try digits()
    }
    if at < bytes.count, bytes[at] == .dot {
      at += 1
      try digits()
    }
    if at < bytes.count, bytes[at] | 0x20 == UInt8(ascii: "e") {
      at += 1
      if at < bytes.count, bytes[at] == UInt8(ascii: "+") || bytes[at] == .dash { at += 1 }
      try digits()
    }
    return ByteRange(start, at)
  }

  /// One or more.
  @_lifetime(self: copy self)
  private mutating func digits() throws(JSONError) {
    let start = at
    while at < bytes.count, bytes[at].isDigit { at += 1 }
    guard at > start else { throw at < bytes.count ? .badNumber(at: at) : .unexpectedEnd(at: at) }
  }
}
