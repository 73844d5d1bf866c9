/// 128-bit keyed hash of a cache key. The seed is random per store, so that a client who does not know it
/// cannot aim many keys at one place of the index.
public struct KeyHash: Hashable, Sendable {
  public var low: UInt64
  public var high: UInt64

  @inlinable public init(low: UInt64, high: UInt64) {
    self.low = low
    self.high = high
  }
}

/// SipHash-1-3 with 128 bits of output.
///
/// Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012), with the 128-bit finalisation of
/// the authors' reference code; 1 round a block and 3 at the end, as hash tables use it.
public struct HashSeed: Sendable {
  @usableFromInline let k0: UInt64
  @usableFromInline let k1: UInt64

  @inlinable public init(_ k0: UInt64, _ k1: UInt64) {
    self.k0 = k0
    self.k1 = k1
  }

  @inlinable public func hash(_ bytes: Span<UInt8>) -> KeyHash {
    var state = SipState(k0, k1)
    let raw = unsafe bytes.bytes
    let whole = bytes.count & ~7
    var i = 0
    while i < whole {
      // SAFETY: the load is bounds-checked; any bits are a UInt64.
      state.absorb(unsafe raw.unsafeLoadUnaligned(fromByteOffset: i, as: UInt64.self))
      i &+= 8
    }
    var last = UInt64(truncatingIfNeeded: bytes.count) << 56
    while i < bytes.count {
      last |= UInt64(bytes[i]) << UInt64((i & 7) &* 8)
      i &+= 1
    }
    state.absorb(last)
    return state.finish()
  }

  /// The hash of a list's member that begins at `start`, lower-cased and without spaces and tabs: it ends at
  /// a comma or with the list. Differs from `hash` of the same text.
  @inlinable public func hashMember(of list: Span<UInt8>, from start: Int) -> MemberHash {
    var state = SipState(k0, ~k1)
    var word: UInt64 = 0
    var count = 0
    var i = start
    while i < list.count, list[i] != .comma {
      let byte = list[i]
      i &+= 1
      if byte == .space || byte == .tab { continue }
      word |= UInt64(byte.lowered) << UInt64((count & 7) &* 8)
      count &+= 1
      if count & 7 == 0 {
        state.absorb(word)
        word = 0
      }
    }
    state.absorb(word | UInt64(truncatingIfNeeded: count) << 56)
    return MemberHash(hash: state.finish(), end: i, isEmpty: count == 0)
  }
}

public struct MemberHash: Sendable {
  public let hash: KeyHash
  /// Offset of the comma, or of the list's end.
  public let end: Int
  public let isEmpty: Bool

  @inlinable init(hash: KeyHash, end: Int, isEmpty: Bool) {
    self.hash = hash
    self.end = end
    self.isEmpty = isEmpty
  }
}

@usableFromInline struct SipState {
  @usableFromInline var v0: UInt64
  @usableFromInline var v1: UInt64
  @usableFromInline var v2: UInt64
  @usableFromInline var v3: UInt64

  @inlinable init(_ k0: UInt64, _ k1: UInt64) {
    v0 = 0x736f_6d65_7073_6575 ^ k0
    v1 = 0x646f_7261_6e64_6f6d ^ k1 ^ 0xee
    v2 = 0x6c79_6765_6e65_7261 ^ k0
    v3 = 0x7465_6462_7974_6573 ^ k1
  }

  @inlinable mutating func absorb(_ word: UInt64) {
    v3 ^= word
    round()
    v0 ^= word
  }

  @inlinable mutating func finish() -> KeyHash {
    v2 ^= 0xee
    round()
    round()
    round()
    let low = v0 ^ v1 ^ v2 ^ v3
    v1 ^= 0xdd
    round()
    round()
    round()
    return KeyHash(low: low, high: v0 ^ v1 ^ v2 ^ v3)
  }

  @inlinable @inline(__always) mutating func round() {
    v0 &+= v1
    v1 = v1 &<< 13 | v1 &>> 51
    v1 ^= v0
    v0 = v0 &<< 32 | v0 &>> 32
    v2 &+= v3
    v3 = v3 &<< 16 | v3 &>> 48
    v3 ^= v2
    v0 &+= v3
    v3 = v3 &<< 21 | v3 &>> 43
    v3 ^= v0
    v2 &+= v1
    v1 = v1 &<< 17 | v1 &>> 47
    v1 ^= v2
    v2 = v2 &<< 32 | v2 &>> 32
  }
}
