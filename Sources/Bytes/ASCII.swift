public import Glibc

/// Names for the bytes that protocols are made of.
extension UInt8 {
  @inlinable public static var tab: UInt8 { 9 }
  @inlinable public static var lineFeed: UInt8 { 10 }
  @inlinable public static var carriageReturn: UInt8 { 13 }
  @inlinable public static var space: UInt8 { 32 }
  @inlinable public static var quote: UInt8 { 34 }
  @inlinable public static var comma: UInt8 { 44 }
  @inlinable public static var dash: UInt8 { 45 }
  @inlinable public static var dot: UInt8 { 46 }
  @inlinable public static var slash: UInt8 { 47 }
  @inlinable public static var colon: UInt8 { 58 }
  @inlinable public static var semicolon: UInt8 { 59 }
  @inlinable public static var equals: UInt8 { 61 }
  @inlinable public static var question: UInt8 { 63 }
  @inlinable public static var backslash: UInt8 { 92 }

  @inlinable public var isDigit: Bool { self &- 48 < 10 }
  @inlinable public var isUpper: Bool { self &- 65 < 26 }
  @inlinable public var isLower: Bool { self &- 97 < 26 }
  @inlinable public var lowered: UInt8 { isUpper ? self | 0x20 : self }

  /// The value of a hexadecimal digit; `nil` for any other byte.
  @inlinable public var hexValue: UInt8? {
    if isDigit { return self &- 48 }
    let letter = self | 0x20
    return letter &- 97 < 6 ? letter &- 87 : nil
  }
}

extension UInt64 {
  /// Eight bytes at once, their ASCII letters in lower case: in each, whether it is at least `A` and at most
  /// `Z` shows in its top bit, which carries cannot reach from below.
  @inlinable var lowered: UInt64 {
    let low = self & 0x7F7F_7F7F_7F7F_7F7F
    let isFromA = low &+ 0x3F3F_3F3F_3F3F_3F3F
    let isAboveZ = low &+ 0x2525_2525_2525_2525
    let isUpper = (isFromA ^ isAboveZ) & ~self & 0x8080_8080_8080_8080
    return self | isUpper &>> 2
  }
}

extension Span where Element == UInt8 {
  /// Equal to `text`, byte for byte.
  @inlinable public func equals(_ text: StaticString) -> Bool {
    guard count == text.utf8CodeUnitCount else { return false }
    // SAFETY: a static string's bytes live as long as the program, `utf8CodeUnitCount` of them.
    let other = unsafe text.utf8Start
    for i in 0..<count where unsafe self[i] != other[i] { return false }
    return true
  }

  /// Equal to `text`, which must be lower case, without regard to ASCII case.
  @inlinable public func equalsIgnoringCase(_ text: StaticString) -> Bool {
    guard count == text.utf8CodeUnitCount else { return false }
    // SAFETY: as above.
    let other = unsafe text.utf8Start
    for i in 0..<count where unsafe self[i].lowered != other[i] { return false }
    return true
  }

  @inlinable public func equals(_ other: Span<UInt8>) -> Bool {
    guard count == other.count else { return false }
    return unsafe withUnsafeBufferPointer { mine in
      unsafe other.withUnsafeBufferPointer { theirs in
        // SAFETY: both hold `count` bytes; an empty span may have no address, so it is not compared.
        unsafe mine.count == 0 || memcmp(mine.baseAddress!, theirs.baseAddress!, mine.count) == 0
      }
    }
  }

  /// Equal without regard to ASCII case.
  @inlinable public func equalsIgnoringCase(_ other: Span<UInt8>) -> Bool {
    guard count == other.count else { return false }
    for i in 0..<count where self[i].lowered != other[i].lowered { return false }
    return true
  }

  /// The bytes without leading and trailing spaces and tabs, as offsets into this span.
  @inlinable public func trimmed(_ range: ByteRange) -> ByteRange {
    var start = range.lower
    var end = range.upper
    while start < end, self[start] == .space || self[start] == .tab { start += 1 }
    while end > start, self[end - 1] == .space || self[end - 1] == .tab { end -= 1 }
    return ByteRange(start, end)
  }

  @_lifetime(copy self)
  @inlinable public func extracting(_ range: ByteRange) -> Span<UInt8> {
    extracting(range.lower..<range.upper)
  }

  /// A copy.
  @inlinable public var array: [UInt8] {
    unsafe withUnsafeBufferPointer { unsafe Array($0) }
  }

  @inlinable public func firstIndex(of byte: UInt8, from start: Int = 0) -> Int? {
    var i = start
    while i < count {
      if self[i] == byte { return i }
      i += 1
    }
    return nil
  }

  /// The decimal number that all of these bytes write; `nil` for none, a sign, or more than 2⁶³ - 1.
  @inlinable public var decimal: Int? {
    guard count > 0, count <= 19 else { return nil }
    var value = 0
    for i in indices {
      guard self[i].isDigit else { return nil }
      let (tenfold, over) = value.multipliedReportingOverflow(by: 10)
      let (sum, over2) = tenfold.addingReportingOverflow(Int(self[i] &- 48))
      guard !over, !over2 else { return nil }
      value = sum
    }
    return value
  }
}
