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
      guard NumericAddress.ipv6(bytes.extracting(1..<close)) != nil else { return false }
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
}
