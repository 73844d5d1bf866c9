import Bytes

/// Values of peers in a line. Both keep the rest of the text as it is, and cut between escapes only, where
/// the escaped form would pass `end`, an offset in the buffer; it then ends in `...`.
extension OutputBuffer {
  /// As nginx escapes logged values: quote, backslash, everything below 32 and above 126 as `\xNN`, upper
  /// case.
  ///
  /// Source: `ngx_http_log_escape` of nginx.
  ///
  /// - Returns: false when the value was cut.
  @discardableResult
  mutating func append(hexEscaped value: Span<UInt8>, end: Int) -> Bool {
    var i = 0
    while i < value.count {
      guard appendPlainRun(of: value, from: &i, end: end) else { return false }
      guard i < value.count else { return true }
      guard count + 4 <= end else { return cut() }
      let byte = value[i]
      append("\\x")
      append(upperHexDigit(byte >> 4))
      append(upperHexDigit(byte & 15))
      i += 1
    }
    return true
  }

  /// The inside of a JSON string. What is not UTF-8 becomes U+FFFD, so that it is JSON whatever a peer sent.
  ///
  /// - Returns: false when the value was cut.
  @discardableResult
  mutating func append(jsonEscaped value: Span<UInt8>, end: Int = .max) -> Bool {
    var i = 0
    while i < value.count {
      guard appendPlainRun(of: value, from: &i, end: end) else { return false }
      guard i < value.count else { return true }
      // The longest escape.
      guard count <= end - 6 else { return cut() }
      let byte = value[i]
      var length = 1
      switch byte {
      case .quote: append("\\\"")
      case .backslash: append("\\\\")
      case .lineFeed: append("\\n")
      case .carriageReturn: append("\\r")
      case .tab: append("\\t")
      // DEL is allowed in JSON, but no terminal should meet it.
      case 0..<32, 127: append(control: byte)
      default:
        length = utf8Length(at: i, in: value)
        if length == 0 {
          append("\\ufffd")
          length = 1
        } else if length == 2, byte == 0xC2, value[i + 1] < 0xA0 {
          // The controls of C1 (U+0080 to U+009F) are for terminals too.
          append(control: value[i + 1])
        } else {
          append(value.extracting(i..<i + length))
        }
      }
      i += length
    }
    return true
  }

  private mutating func append(control code: UInt8) {
    append("\\u00")
    append(lowerHexDigit(code >> 4))
    append(lowerHexDigit(code & 15))
  }

  /// Copies what needs no escape, up to the first byte that does. False: that was too much.
  private mutating func appendPlainRun(of value: Span<UInt8>, from i: inout Int, end: Int) -> Bool {
    let left = value.count - i
    let most = min(left, max(end - count, 0))
    let before = count
    let start = i
    unsafe value.withUnsafeBufferPointer { bytes in
      guard let base = bytes.baseAddress else { return }
      // SAFETY: `most` bytes from `start` on are within the value; there is room for a block more than those.
      unsafe append(room: most + 16) { unsafe copyPlainRun(base + start, most, to: $0) }
    }
    let copied = count - before
    i = start + copied
    return copied < most || most == left || cut()
  }

  private mutating func cut() -> Bool {
    append("...")
    return false
  }
}

/// Copies printable ASCII other than quotes and backslashes, up to the first byte that is none. Blocks of 16
/// bytes first, so that up to 15 bytes behind the last one are written to. The spelling matters: comparisons
/// of values of declared type `SIMD16<UInt8>` are one instruction each, other spellings become loops.
///
/// - Returns: The number of bytes, at most `count`.
private func copyPlainRun(
  _ source: UnsafePointer<UInt8>, _ count: Int, to target: UnsafeMutablePointer<UInt8>
) -> Int {
  let from = unsafe UnsafeRawPointer(source)
  let to = UnsafeMutableRawPointer(target)
  var i = 0
  while i &+ 16 <= count {
    // SAFETY: here and below, reads stay within `count` bytes, and writes within 16 more.
    let block = unsafe from.loadUnaligned(fromByteOffset: i, as: SIMD16<UInt8>.self)
    let low = block .< SIMD16<UInt8>(repeating: 32)
    let high = block .> SIMD16<UInt8>(repeating: 126)
    let quote = block .== SIMD16<UInt8>(repeating: 34)
    let backslash = block .== SIMD16<UInt8>(repeating: 92)
    let found = bits(low) | bits(high) | bits(quote) | bits(backslash)
    guard found[0] | found[1] == 0 else { break }
    unsafe to.storeBytes(of: block, toByteOffset: i, as: SIMD16<UInt8>.self)
    i &+= 16
  }
  if i &+ 8 <= count {
    let word = unsafe from.loadUnaligned(fromByteOffset: i, as: UInt64.self)
    if isPlain(word) {
      unsafe to.storeBytes(of: word, toByteOffset: i, as: UInt64.self)
      i &+= 8
    }
  }
  if i &+ 4 <= count {
    let word = unsafe from.loadUnaligned(fromByteOffset: i, as: UInt32.self)
    if isPlain(UInt64(word) | 0x2020_2020 << 32) {
      unsafe to.storeBytes(of: word, toByteOffset: i, as: UInt32.self)
      i &+= 4
    }
  }
  while i < count {
    let byte = unsafe source[i]
    if byte &- 32 > 94 || byte == .quote || byte == .backslash { return i }
    unsafe target[i] = byte
    i &+= 1
  }
  return i
}

/// Whether all eight bytes are printable ASCII other than quotes and backslashes: what is not sets the
/// highest bit of its byte in one of the terms.
@inline(__always) private func isPlain(_ word: UInt64) -> Bool {
  let ones: UInt64 = 0x0101_0101_0101_0101
  let low = word &- 0x2020_2020_2020_2020
  let quote = (word ^ 0x2222_2222_2222_2222) &- ones
  let backslash = (word ^ 0x5C5C_5C5C_5C5C_5C5C) &- ones
  let high = word | (word &+ ones)
  return (low | quote | backslash | high) & 0x8080_8080_8080_8080 == 0
}

@inline(__always) private func bits(_ mask: SIMDMask<SIMD16<Int8>>) -> SIMD2<UInt64> {
  // SAFETY: both are 16 bytes without padding; there is no other way from a mask to its bits.
  unsafe unsafeBitCast(mask, to: SIMD2<UInt64>.self)
}

private func upperHexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 48 + value : 55 + value }
private func lowerHexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 48 + value : 87 + value }
