import Bytes

extension JSONParser {
  /// The string that starts at the quote `at`, its escapes resolved.
  @_lifetime(self: copy self)
  mutating func string() throws(JSONError) -> [UInt8] {
    at += 1
    var text: [UInt8] = []
    while true {
      let byte = try peek()
      switch byte {
      case .quote:
        at += 1
        return text
      case .backslash: try escape(into: &text)
      case 0..<32: throw .controlByte(at: at)
      case 32..<128:
        text.append(byte)
        at += 1
      default:
        let length = utf8Length(at: at, in: bytes)
        guard length > 0 else { throw .badUTF8(at: at) }
        for i in at..<at + length { text.append(bytes[i]) }
        at += length
      }
    }
  }

  @_lifetime(self: copy self)
  private mutating func escape(into text: inout [UInt8]) throws(JSONError) {
    let start = at
    at += 1
    let letter = try peek()
    at += 1
    switch letter {
    case .quote, .backslash, .slash: text.append(letter)
    case UInt8(ascii: "b"): text.append(8)
    case UInt8(ascii: "f"): text.append(12)
    case UInt8(ascii: "n"): text.append(.lineFeed)
    case UInt8(ascii: "r"): text.append(.carriageReturn)
    case UInt8(ascii: "t"): text.append(.tab)
    case UInt8(ascii: "u"): text.append(contentsOf: String(try scalar(start)).utf8)
    default: throw .badEscape(at: start)
    }
  }

  /// What follows `\u`; a pair of surrogates makes one scalar. `start` is the offset of the backslash.
  @_lifetime(self: copy self)
  private mutating func scalar(_ start: Int) throws(JSONError) -> Unicode.Scalar {
    let first = try fourDigits(start)
    if let scalar = Unicode.Scalar(first) { return scalar }
    guard first < 0xDC00, at < bytes.count, bytes[at] == .backslash else { throw .loneSurrogate(at: start) }
    guard at + 1 < bytes.count, bytes[at + 1] == UInt8(ascii: "u") else { throw .loneSurrogate(at: start) }
    let secondStart = at
    at += 2
    let second = try fourDigits(secondStart)
    let isLow = second >= 0xDC00 && second < 0xE000
    guard isLow, let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)) else {
      throw .loneSurrogate(at: start)
    }
    return scalar
  }

  @_lifetime(self: copy self)
  private mutating func fourDigits(_ start: Int) throws(JSONError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = try peek().hexValue else { throw .badEscape(at: start) }
      value = value << 4 | UInt32(digit)
      at += 1
    }
    return value
  }
}

/// Length in bytes of the UTF-8 sequence at `start`; 0 when none stands there: cut short, overlong, a
/// surrogate, or above U+10FFFF.
///
/// Source: RFC 3629 §4.
func utf8Length(at start: Int, in bytes: Span<UInt8>) -> Int {
  let first = bytes[start]
  let length: Int
  // The second byte alone tells overlong forms, surrogates and what lies above U+10FFFF.
  var second: ClosedRange<UInt8> = 0x80...0xBF
  switch first {
  case 0..<0x80: return 1
  case 0xC2...0xDF: length = 2
  case 0xE0: (length, second) = (3, 0xA0...0xBF)
  case 0xED: (length, second) = (3, 0x80...0x9F)
  case 0xE1...0xEF: length = 3
  case 0xF0: (length, second) = (4, 0x90...0xBF)
  case 0xF1...0xF3: length = 4
  case 0xF4: (length, second) = (4, 0x80...0x8F)
  default: return 0
  }
  guard bytes.count - start >= length, second.contains(bytes[start + 1]) else { return 0 }
  for i in 2..<max(length, 2) where bytes[start + i] & 0xC0 != 0x80 { return 0 }
  return length
}
