import Bytes

/// Searches over bytes, 16 at a time. The spelling matters: comparisons of values of declared type
/// `SIMD16<UInt8>` are one instruction each, other spellings become loops.
enum ByteScan {
  /// Offset of the first control byte (below 32, or 127), `limit` if there is none.
  @inline(__always)
  static func firstControl(_ base: UnsafePointer<UInt8>, from start: Int, limit: Int) -> Int {
    var i = start
    while i &+ 16 <= limit {
      // SAFETY: 16 bytes before `limit`.
      let block = unsafe load(base, i)
      let control = block .< SIMD16<UInt8>(repeating: 32)
      let delete = block .== SIMD16<UInt8>(repeating: 127)
      let found = firstSet(bits(control) | bits(delete))
      if found < 16 { return i &+ found }
      i &+= 16
    }
    while i < limit, unsafe base[i] >= 32 && base[i] != 127 { i &+= 1 }
    return i
  }

  /// Offset of the first byte that no request target has: outside of visible ASCII, or `#`.
  @inline(__always)
  static func firstNonTarget(_ base: UnsafePointer<UInt8>, from start: Int, limit: Int) -> Int {
    var i = start
    while i &+ 16 <= limit {
      // SAFETY: 16 bytes before `limit`.
      let block = unsafe load(base, i)
      let low = block .< SIMD16<UInt8>(repeating: 33)
      let high = block .> SIMD16<UInt8>(repeating: 126)
      let fragment = block .== SIMD16<UInt8>(repeating: 35)
      let found = firstSet(bits(low) | bits(high) | bits(fragment))
      if found < 16 { return i &+ found }
      i &+= 16
    }
    while i < limit, unsafe base[i] > 32 && base[i] < 127 && base[i] != 35 { i &+= 1 }
    return i
  }

  /// Offset of the first colon among the next 32 bytes, if so many have arrived and one is there.
  @inline(__always)
  static func firstColon(_ base: UnsafePointer<UInt8>, from start: Int, limit: Int) -> Int? {
    guard start &+ 16 <= limit else { return nil }
    let colon = SIMD16<UInt8>(repeating: 58)
    // SAFETY: 16 bytes before `limit`, here and below.
    let first = unsafe load(base, start) .== colon
    let found = firstSet(bits(first))
    if found < 16 { return start &+ found }
    guard start &+ 32 <= limit else { return nil }
    let second = unsafe load(base, start &+ 16) .== colon
    let later = firstSet(bits(second))
    return later < 16 ? start &+ 16 &+ later : nil
  }

  @inline(__always) private static func load(_ base: UnsafePointer<UInt8>, _ offset: Int) -> SIMD16<UInt8> {
    unsafe UnsafeRawPointer(base).loadUnaligned(fromByteOffset: offset, as: SIMD16<UInt8>.self)
  }

  @inline(__always) private static func bits(_ mask: SIMDMask<SIMD16<Int8>>) -> SIMD2<UInt64> {
    // SAFETY: both are 16 bytes without padding; there is no other way from a mask to its bits.
    unsafe unsafeBitCast(mask, to: SIMD2<UInt64>.self)
  }

  /// Index of the first byte that is not 0; 16 if there is none.
  @inline(__always) private static func firstSet(_ bits: SIMD2<UInt64>) -> Int {
    if bits[0] != 0 { return bits[0].trailingZeroBitCount &>> 3 }
    if bits[1] != 0 { return 8 &+ bits[1].trailingZeroBitCount &>> 3 }
    return 16
  }
}
