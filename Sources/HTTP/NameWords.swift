import Bytes

/// 2 to 19 bytes as three words, which may overlap. Equal lengths and equal words mean equal bytes.
struct NameWords {
  private let first: UInt64
  private let middle: UInt64
  private let last: UInt64

  @inline(__always) init(_ base: UnsafePointer<UInt8>, count: Int) {
    let raw = unsafe UnsafeRawPointer(base)
    // SAFETY: each branch loads within `count` bytes.
    if count >= 8 {
      unsafe first = raw.loadUnaligned(fromByteOffset: 0, as: UInt64.self)
      unsafe last = raw.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self)
      unsafe middle = count > 16 ? raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self) : last
    } else if count >= 4 {
      unsafe first = UInt64(raw.loadUnaligned(fromByteOffset: 0, as: UInt32.self))
      unsafe last = UInt64(raw.loadUnaligned(fromByteOffset: count &- 4, as: UInt32.self))
      middle = last
    } else {
      unsafe first = UInt64(raw.loadUnaligned(fromByteOffset: 0, as: UInt16.self))
      unsafe last = UInt64(raw.loadUnaligned(fromByteOffset: count &- 2, as: UInt16.self))
      middle = last
    }
  }

  /// Equal to `text`, ASCII case ignored. The caller has compared the lengths; `text` must hold nothing but
  /// lower-case letters, digits and dashes. Written so that the optimiser turns `text` into constants.
  @inline(__always) func matches(_ text: StaticString) -> Bool {
    // SAFETY: a static string's bytes live as long as the program.
    let other = unsafe NameWords(text.utf8Start, count: text.utf8CodeUnitCount)
    let difference =
      NameWords.difference(first, other.first) | NameWords.difference(middle, other.middle)
      | NameWords.difference(last, other.last)
    return difference == 0
  }

  /// A letter may differ in its bit of case, no other byte in any bit: a plain `| 0x20` would take a carriage
  /// return for a dash. Bit 6 tells letters from digits and dashes.
  @inline(__always) private static func difference(_ word: UInt64, _ lower: UInt64) -> UInt64 {
    let caseBits = lower &>> 1 & 0x2020_2020_2020_2020
    return (word ^ lower) & ~caseBits
  }

  /// `bytes` is `text`, case ignored: for short keywords in values. `text` as above, of 2 to 19 bytes.
  @inline(__always) static func areEqual(_ bytes: Span<UInt8>, _ text: StaticString) -> Bool {
    guard bytes.count == text.utf8CodeUnitCount else { return false }
    return unsafe bytes.withUnsafeBufferPointer { buffer in
      // SAFETY: as many bytes as `text` has, so at least 2.
      unsafe NameWords(buffer.baseAddress!, count: buffer.count).matches(text)
    }
  }
}
