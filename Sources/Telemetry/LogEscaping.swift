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
      case 0..<32, 127:
        append("\\u00")
        append(lowerHexDigit(byte >> 4))
        append(lowerHexDigit(byte & 15))
      default:
        length = utf8Length(at: i, in: value)
        // The controls of C1 (U+0080 to U+009F) are for terminals too.
        let isControl = length == 2 && byte == 0xC2 && value[i + 1] < 0xA0
        if length == 0 || isControl {
          append("\\ufffd")
          length = max(length, 1)
        } else {
          append(value.extracting(i..<i + length))
        }
      }
      i += length
    }
    return true
  }

  /// Copies what needs no escape, up to the first byte that does. False: that was too much.
  private mutating func appendPlainRun(of value: Span<UInt8>, from i: inout Int, end: Int) -> Bool {
    let runEnd = firstUnplain(in: value, from: i)
    let fits = min(runEnd, i + max(end - count, 0))
    append(value.extracting(i..<fits))
    i = fits
    return fits == runEnd || cut()
  }

  private mutating func cut() -> Bool {
    append("...")
    return false
  }
}

/// Offset of the first byte that is not printable ASCII, or is a quote or a backslash; `value.count` if there
/// is none. The spelling matters: comparisons of values of declared type `SIMD16<UInt8>` are one instruction
/// each, other spellings become loops.
private func firstUnplain(in value: Span<UInt8>, from start: Int) -> Int {
  let raw = unsafe value.bytes
  var i = start
  while i &+ 16 <= value.count {
    // SAFETY: the load is bounds-checked; any bits are a SIMD16<UInt8>.
    let block = unsafe raw.unsafeLoadUnaligned(fromByteOffset: i, as: SIMD16<UInt8>.self)
    let low = block .< SIMD16<UInt8>(repeating: 32)
    let high = block .> SIMD16<UInt8>(repeating: 126)
    let quote = block .== SIMD16<UInt8>(repeating: 34)
    let backslash = block .== SIMD16<UInt8>(repeating: 92)
    let found = bits(low) | bits(high) | bits(quote) | bits(backslash)
    if found[0] != 0 { return i &+ found[0].trailingZeroBitCount &>> 3 }
    if found[1] != 0 { return i &+ 8 &+ found[1].trailingZeroBitCount &>> 3 }
    i &+= 16
  }
  while i < value.count {
    let byte = value[i]
    if byte &- 32 > 94 || byte == .quote || byte == .backslash { return i }
    i &+= 1
  }
  return i
}

@inline(__always) private func bits(_ mask: SIMDMask<SIMD16<Int8>>) -> SIMD2<UInt64> {
  // SAFETY: both are 16 bytes without padding; there is no other way from a mask to its bits.
  unsafe unsafeBitCast(mask, to: SIMD2<UInt64>.self)
}

private func upperHexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 48 + value : 55 + value }
private func lowerHexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 48 + value : 87 + value }
