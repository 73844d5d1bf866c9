import Bytes

/// `host [":" port]` of a request, RFC 3986 §3.2 and RFC 9110 §4.2.
///
/// Narrower than the grammar, since two parsers must not read one authority differently: no user information,
/// no percent-encoding and none of `!$&'()*+,;=` in a name, IP literals only of version 6, and a port that is
/// there has 1 to 5 digits, is at most 65535 and has no leading zero.
public enum Authority {
  public static func isValid(_ bytes: Span<UInt8>) -> Bool {
    guard bytes.count > 0 else { return false }
    var i = 0
    if bytes[0] == UInt8(ascii: "[") {
      guard let close = bytes.firstIndex(of: UInt8(ascii: "]")) else { return false }
      guard isIPv6(bytes.extracting(1..<close)) else { return false }
      i = close + 1
    } else {
      while i < bytes.count, ByteClass.isHost(bytes[i]) { i += 1 }
      guard i > 0 else { return false }
    }
    if i == bytes.count { return true }
    return bytes[i] == .colon && isPort(bytes.extracting((i + 1)..<bytes.count))
  }

  private static func isPort(_ bytes: Span<UInt8>) -> Bool {
    guard bytes.count <= 5, let port = bytes.decimal else { return false }
    return port <= 65535 && bytes[0] != UInt8(ascii: "0")
  }

  /// RFC 3986 §3.2.2: eight groups of up to four hexadecimal digits, one run of which may be left out as
  /// `::`; the last two may be written as an IPv4 address. No zone.
  private static func isIPv6(_ bytes: Span<UInt8>) -> Bool {
    var groups = 0
    var isShortened = false
    var i = 0
    if bytes.count >= 2, bytes[0] == .colon {
      guard bytes[1] == .colon else { return false }
      isShortened = true
      i = 2
    }
    while i < bytes.count {
      let start = i
      while i < bytes.count, bytes[i].hexValue != nil { i += 1 }
      if i < bytes.count, bytes[i] == .dot {
        guard isIPv4(bytes.extracting(start..<bytes.count)) else { return false }
        groups += 2
        break
      }
      guard i > start, i - start <= 4 else { return false }
      groups += 1
      if i == bytes.count { break }
      guard bytes[i] == .colon, i + 1 < bytes.count else { return false }
      i += 1
      if bytes[i] == .colon {
        if isShortened { return false }
        isShortened = true
        i += 1
      }
    }
    return isShortened ? groups < 8 : groups == 8
  }

  private static func isIPv4(_ bytes: Span<UInt8>) -> Bool {
    var parts = 0
    var i = 0
    while true {
      let start = i
      while i < bytes.count, bytes[i].isDigit { i += 1 }
      guard i - start <= 3, let part = bytes.extracting(start..<i).decimal, part < 256 else { return false }
      guard i - start == 1 || bytes[start] != UInt8(ascii: "0") else { return false }
      parts += 1
      if i == bytes.count { return parts == 4 }
      guard parts < 4, bytes[i] == .dot else { return false }
      i += 1
    }
  }
}
