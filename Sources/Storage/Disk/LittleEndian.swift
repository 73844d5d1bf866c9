import Bytes

// Numbers as the store's files hold them: little-endian, at any offset.

extension OutputBuffer {
  mutating func append<Number: FixedWidthInteger>(little value: Number) {
    var rest = value
    for _ in 0..<(Number.bitWidth / 8) {
      append(UInt8(truncatingIfNeeded: rest))
      rest >>= 8
    }
  }

  mutating func append(_ hash: KeyHash) {
    append(little: hash.low)
    append(little: hash.high)
  }
}

/// Walks the numbers of a header whose length was checked before.
struct NumberReader: ~Escapable {
  private let bytes: Span<UInt8>
  private(set) var offset: Int

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>, at offset: Int = 0) {
    self.bytes = bytes
    self.offset = offset
  }

  @_lifetime(self: copy self)
  mutating func next<Number: FixedWidthInteger>(_: Number.Type = Number.self) -> Number {
    let count = Number.bitWidth / 8
    var value: UInt64 = 0
    for i in 0..<count { value |= UInt64(bytes[offset + i]) << UInt64(8 * i) }
    offset += count
    return Number(truncatingIfNeeded: value)
  }

  @_lifetime(self: copy self)
  mutating func nextHash() -> KeyHash {
    let low = next(UInt64.self)
    return KeyHash(low: low, high: next())
  }
}
