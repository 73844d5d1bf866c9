import Bytes
import HTTP

/// One directive of a `Cache-Control` field, RFC 9111 §5.2, as offsets into the field's value.
struct Directive {
  var name: ByteRange
  var argument: Argument

  enum Argument {
    case none
    case token(ByteRange)
    /// The bytes between the quotes.
    case quoted(ByteRange)
    /// Something stands there that the grammar does not allow, such as `max-age= 60` or `private; x`.
    case malformed
  }
}

/// Walks the directives of a `Cache-Control` value. Does not allocate.
///
/// A name ends at the first byte that no token has, and what follows makes its argument malformed: so
/// `no-store max-age=0`, which lacks a comma, still says `no-store`.
struct DirectiveScanner {
  private var members = ListMembers()

  /// A quoted string did not end: restrictive directives may be hidden in it.
  var isUnclosed: Bool { members.isUnclosed }

  mutating func next(in value: Span<UInt8>) -> Directive? {
    guard let member = members.next(in: value) else { return nil }
    var nameEnd = member.lower
    while nameEnd < member.upper, isTokenByte(value[nameEnd]) { nameEnd += 1 }
    let name = ByteRange(member.lower, nameEnd)
    if nameEnd == member.upper { return Directive(name: name, argument: .none) }
    guard value[nameEnd] == .equals else { return Directive(name: name, argument: .malformed) }
    let argument = Self.argument(ByteRange(nameEnd + 1, member.upper), in: value)
    return Directive(name: name, argument: argument)
  }

  private static func argument(_ range: ByteRange, in value: Span<UInt8>) -> Directive.Argument {
    guard !range.isEmpty else { return .malformed }
    if value[range.lower] == .quote {
      return isQuotedString(range, in: value)
        ? .quoted(ByteRange(range.lower + 1, range.upper - 1)) : .malformed
    }
    for i in range.lower..<range.upper where !isTokenByte(value[i]) { return .malformed }
    return .token(range)
  }

  /// Whether the whole range, which begins with a quote, is one quoted string.
  private static func isQuotedString(_ range: ByteRange, in value: Span<UInt8>) -> Bool {
    var i = range.lower + 1
    while i < range.upper {
      if value[i] == .quote { return i == range.upper - 1 }
      i += value[i] == .backslash ? 2 : 1
    }
    return false
  }
}

extension Directive.Argument {
  /// A number of seconds, RFC 9111 §1.2.2: saturates at 2³¹; `nil` when it is not one.
  func seconds(in value: Span<UInt8>) -> UInt32? {
    switch self {
    case .token(let range), .quoted(let range): deltaSeconds(value.extracting(range))
    case .none, .malformed: nil
    }
  }
}

/// `delta-seconds` of RFC 9111 §1.2.2: digits only, saturating at 2³¹; `nil` for anything else.
func deltaSeconds(_ digits: Span<UInt8>) -> UInt32? {
  guard digits.count > 0 else { return nil }
  var value: UInt64 = 0
  for i in digits.indices {
    guard digits[i].isDigit else { return nil }
    value = min(value * 10 + UInt64(digits[i] &- 48), UInt64(Freshness.ceiling))
  }
  return UInt32(value)
}

/// `tchar` of RFC 9110 §5.6.2.
func isTokenByte(_ byte: UInt8) -> Bool {
  if byte.isDigit || byte.isUpper || byte.isLower { return true }
  switch byte {
  case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"),
    UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
    UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
    return true
  default: return false
  }
}
