import Bytes

/// IP addresses in numbers, as they stand in a request's authority and in a PROXY header. Strict: what two
/// parsers could read differently is no address.
enum NumericAddress {
  /// Four decimal numbers up to 255 without leading zeros.
  ///
  /// - Returns: The four bytes as a big-endian number: 0x7f000001 is 127.0.0.1.
  static func ipv4(_ bytes: Span<UInt8>) -> UInt32? {
    var value: UInt32 = 0
    var parts = 0
    var i = 0
    while true {
      let start = i
      while i < bytes.count, bytes[i].isDigit { i += 1 }
      guard i - start <= 3, let part = bytes.extracting(start..<i).decimal, part < 256 else { return nil }
      guard i - start == 1 || bytes[start] != UInt8(ascii: "0") else { return nil }
      value = value << 8 | UInt32(part)
      parts += 1
      if i == bytes.count { return parts == 4 ? value : nil }
      guard parts < 4, bytes[i] == .dot else { return nil }
      i += 1
    }
  }

  /// RFC 3986 §3.2.2: eight groups of up to four hexadecimal digits, one run of which may be left out as
  /// `::`; the last two may be written as an IPv4 address. No brackets, no zone.
  ///
  /// - Returns: The 16 bytes as a big-endian number.
  static func ipv6(_ bytes: Span<UInt8>) -> UInt128? {
    var value: UInt128 = 0
    var groups = 0
    /// What stands before `::`, with its place.
    var beforeGap: UInt128?
    var i = 0
    if bytes.count >= 2, bytes[0] == .colon {
      guard bytes[1] == .colon else { return nil }
      beforeGap = 0
      i = 2
    }
    while i < bytes.count {
      let start = i
      var group: UInt128 = 0
      while i < bytes.count, i - start <= 4, let digit = bytes[i].hexValue {
        group = group << 4 | UInt128(digit)
        i += 1
      }
      if i < bytes.count, bytes[i] == .dot {
        guard let last = ipv4(bytes.extracting(start..<bytes.count)) else { return nil }
        value = value << 32 | UInt128(last)
        groups += 2
        break
      }
      guard i > start, i - start <= 4, groups < 8 else { return nil }
      value = value << 16 | group
      groups += 1
      if i == bytes.count { break }
      guard bytes[i] == .colon, i + 1 < bytes.count else { return nil }
      i += 1
      if bytes[i] == .colon {
        if beforeGap != nil { return nil }
        beforeGap = value << UInt128(16 * (8 - groups))
        value = 0
        i += 1
      }
    }
    guard let beforeGap else { return groups == 8 ? value : nil }
    return groups < 8 ? beforeGap | value : nil
  }
}
