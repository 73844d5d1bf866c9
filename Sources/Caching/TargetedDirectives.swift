import Bytes
import HTTP

/// `CDN-Cache-Control`, RFC 9213: a dictionary of structured fields (RFC 8941 §3.2). A field that is no such
/// dictionary, or that gives a directive a value of the wrong type, is ignored whole, and so is an empty one.
extension ResponseDirectives {
  /// The directives of `CDN-Cache-Control`; `nil` when it is absent or to be ignored.
  static func targeted(from response: borrowing Head) -> ResponseDirectives? {
    var directives = ResponseDirectives()
    directives.isTargeted = true
    var members = 0
    for line in response.lines where line.known == .other {
      guard response.name(line).equalsIgnoringCase("cdn-cache-control") else { continue }
      guard let added = directives.addDictionary(response.value(line)) else { return nil }
      members += added
    }
    return members > 0 ? directives : nil
  }

  /// Adds the members of one line. Returns how many there are; `nil`: the line is not a dictionary.
  private mutating func addDictionary(_ value: Span<UInt8>) -> Int? {
    var reader = ItemReader()
    var members = 0
    reader.skipSpaces(in: value)
    while reader.at < value.count {
      guard let key = reader.key(in: value) else { return nil }
      var item = Item.boolean(true)
      if reader.skip(.equals, in: value) {
        guard let read = reader.item(in: value) else { return nil }
        item = read
      }
      guard reader.skipParameters(in: value), add(value.extracting(key), item, of: value) else { return nil }
      members += 1
      reader.skipSpaces(in: value)
      if reader.at == value.count { return members }
      guard reader.skip(.comma, in: value) else { return nil }
      reader.skipSpaces(in: value)
      // A comma must be followed by a member.
      if reader.at == value.count { return nil }
    }
    return members
  }

  /// Takes up one member; false when its value has the wrong type for its name.
  private mutating func add(_ key: Span<UInt8>, _ item: Item, of value: Span<UInt8>) -> Bool {
    if key.equals("max-age") { return Self.set(&maxAge, item) }
    if key.equals("s-maxage") { return Self.set(&sMaxAge, item) }
    if key.equals("stale-while-revalidate") { return Self.set(&staleWhileRevalidate, item) }
    if key.equals("stale-if-error") { return Self.set(&staleIfError, item) }
    if key.equals("no-store") { return Self.set(&noStore, item) }
    if key.equals("public") { return Self.set(&isPublic, item) }
    if key.equals("must-revalidate") { return Self.set(&mustRevalidate, item) }
    if key.equals("proxy-revalidate") { return Self.set(&proxyRevalidate, item) }
    if key.equals("must-understand") { return Self.set(&mustUnderstand, item) }
    if key.equals("no-cache") { return setQualified(\.noCache, item, of: value) }
    if key.equals("private") { return setQualified(\.isPrivate, item, of: value) }
    return true
  }

  private static func set(_ seconds: inout UInt32?, _ item: Item) -> Bool {
    guard case .integer(let number) = item else { return false }
    seconds = UInt32(min(max(number, 0), Int64(Freshness.ceiling)))
    return true
  }

  private static func set(_ flag: inout Bool, _ item: Item) -> Bool {
    guard case .boolean(let isSet) = item else { return false }
    flag = isSet
    return true
  }

  private mutating func setQualified(
    _ flag: WritableKeyPath<ResponseDirectives, Bool>, _ item: Item, of value: Span<UInt8>
  ) -> Bool {
    switch item {
    case .boolean(let isSet):
      self[keyPath: flag] = isSet
      return true
    case .string(let names):
      if !withhold(value.extracting(names)) { self[keyPath: flag] = true }
      return true
    case .integer, .otherType: return false
    }
  }
}

/// A bare item of RFC 8941 §3.3.
private enum Item {
  case integer(Int64)
  case boolean(Bool)
  /// The bytes between the quotes.
  case string(ByteRange)
  /// A decimal, token or byte sequence, which no directive takes.
  case otherType
}

/// Reads keys and bare items. Inner lists, which no directive takes, count as errors.
private struct ItemReader {
  private(set) var at = 0

  mutating func skipSpaces(in value: Span<UInt8>) {
    while at < value.count, value[at] == .space || value[at] == .tab { at += 1 }
  }

  mutating func skip(_ byte: UInt8, in value: Span<UInt8>) -> Bool {
    guard at < value.count, value[at] == byte else { return false }
    at += 1
    return true
  }

  mutating func key(in value: Span<UInt8>) -> ByteRange? {
    let start = at
    while at < value.count, Self.isKeyByte(value[at], isFirst: at == start) { at += 1 }
    return at > start ? ByteRange(start, at) : nil
  }

  private static func isKeyByte(_ byte: UInt8, isFirst: Bool) -> Bool {
    if byte.isLower || byte == UInt8(ascii: "*") { return true }
    return !isFirst && (byte.isDigit || byte == UInt8(ascii: "_") || byte == .dash || byte == .dot)
  }

  mutating func skipParameters(in value: Span<UInt8>) -> Bool {
    while skip(.semicolon, in: value) {
      while skip(.space, in: value) {}
      guard key(in: value) != nil else { return false }
      if skip(.equals, in: value), item(in: value) == nil { return false }
    }
    return true
  }

  mutating func item(in value: Span<UInt8>) -> Item? {
    guard at < value.count else { return nil }
    switch value[at] {
    case .quote: return string(in: value)
    case .question: return boolean(in: value)
    case .colon: return byteSequence(in: value)
    case .dash: return number(in: value)
    case let byte where byte.isDigit: return number(in: value)
    case let byte where byte.isLower || byte.isUpper || byte == UInt8(ascii: "*"):
      while at < value.count, isTokenByte(value[at]) || value[at] == .colon || value[at] == .slash { at += 1 }
      return .otherType
    default: return nil
    }
  }

  private mutating func number(in value: Span<UInt8>) -> Item? {
    let isNegative = skip(.dash, in: value)
    let start = at
    while at < value.count, value[at].isDigit { at += 1 }
    guard at > start, at - start <= 15, let number = value.extracting(start..<at).decimal else { return nil }
    guard skip(.dot, in: value) else { return .integer(isNegative ? -Int64(number) : Int64(number)) }
    let fraction = at
    while at < value.count, value[at].isDigit { at += 1 }
    return at > fraction && at - fraction <= 3 ? .otherType : nil
  }

  private mutating func string(in value: Span<UInt8>) -> Item? {
    at += 1
    let start = at
    while at < value.count {
      switch value[at] {
      case .quote:
        at += 1
        return .string(ByteRange(start, at - 1))
      case .backslash: at += 2
      case 32...126: at += 1
      default: return nil
      }
    }
    at = value.count
    return nil
  }

  private mutating func boolean(in value: Span<UInt8>) -> Item? {
    guard at + 1 < value.count else { return nil }
    let digit = value[at + 1]
    at += 2
    switch digit {
    case UInt8(ascii: "0"): return .boolean(false)
    case UInt8(ascii: "1"): return .boolean(true)
    default: return nil
    }
  }

  private mutating func byteSequence(in value: Span<UInt8>) -> Item? {
    guard let end = value.firstIndex(of: .colon, from: at + 1) else { return nil }
    at = end + 1
    return .otherType
  }
}
