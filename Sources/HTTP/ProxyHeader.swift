import Bytes

/// The header with which a proxy begins a connection that it relays: whose connection it is.
///
/// Source: HAProxy, `doc/proxy-protocol.txt`, sections 2.1 (version 1, a line of text) and 2.2 (version 2,
/// binary). Strict where it says who somebody is and whether over TLS; what it says besides is measured and
/// skipped.
public struct ProxyHeader: Equatable, Sendable {
  public var source: Source
  /// The client came to the proxy over TLS, by PP2_TYPE_SSL of version 2.
  public var isEncrypted: Bool
  /// Offset of the first byte behind the header.
  public var end: Int

  public enum Source: Equatable, Sendable {
    /// The connection is the proxy's own, such as a health check (`LOCAL`).
    case proxy
    /// It is somebody's whose address was not said: `UNKNOWN`, no family or transport, a Unix socket.
    case unknown
    /// The four bytes as a big-endian number: 0xcb007107 is 203.0.113.7.
    case ipv4(UInt32, port: UInt16)
    /// The first and last 8 bytes as big-endian numbers.
    case ipv6(high: UInt64, low: UInt64, port: UInt16)
  }

  /// Longest line of version 1, in bytes, CRLF included.
  public static let lineLimit = 107
  /// Most bytes behind the first 16 of version 2.
  public static let lengthLimit = 4096

  public init(source: Source, isEncrypted: Bool = false, end: Int) {
    self.source = source
    self.isEncrypted = isEncrypted
    self.end = end
  }

  /// Parses the header at the start of `bytes`, which begin with the connection's first byte and may grow
  /// between calls.
  ///
  /// - Returns: `nil`: not all of it has arrived yet.
  /// - Throws: Final: more bytes change nothing.
  public static func parse(_ bytes: Span<UInt8>) throws(ProxyHeaderError) -> ProxyHeader? {
    guard bytes.count > 0 else { return nil }
    if bytes[0] == .carriageReturn {
      guard begins(bytes, "\r\n\r\n\0\r\nQUIT\n") else { throw .notProxyProtocol }
      return try parseBinary(bytes)
    }
    guard begins(bytes, "PROXY ") else { throw .notProxyProtocol }
    guard let end = try lineEnd(bytes) else { return nil }
    return ProxyHeader(source: try source(inLine: bytes.extracting(6..<(end - 2))), end: end)
  }

  /// Whether what has arrived is `text`, begins with it, or could yet become it.
  private static func begins(_ bytes: Span<UInt8>, _ text: StaticString) -> Bool {
    // SAFETY: a static string's bytes live as long as the program.
    let wanted = unsafe Span<UInt8>(_unsafeStart: text.utf8Start, count: text.utf8CodeUnitCount)
    for i in 0..<min(bytes.count, wanted.count) where bytes[i] != wanted[i] { return false }
    return true
  }
}

/// Why a connection does not begin with a PROXY header.
public enum ProxyHeaderError: Error, Equatable, Sendable {
  /// Neither `PROXY` and a space, nor the signature of version 2.
  case notProxyProtocol
  case lineTooLong
  /// CR or LF without the other.
  case badLineEnd
  case badFamily
  /// The source's or the destination's is missing, or not of the family.
  case badAddress
  /// One of them is missing or no number from 0 to 65535, or something stands behind the last.
  case badPort
  case badVersion
  case badCommand
  case badTransport
  /// The addresses of the family need more bytes than there are.
  case tooShort
  /// What follows the addresses is not made of types, lengths and as many bytes.
  case badExtension
  case tooLong
}

// MARK: - Version 1

extension ProxyHeader {
  /// Offset of the first byte behind the line.
  private static func lineEnd(_ bytes: Span<UInt8>) throws(ProxyHeaderError) -> Int? {
    var i = 0
    while i < bytes.count, i < lineLimit - 1 {
      if bytes[i] == .lineFeed { throw .badLineEnd }
      if bytes[i] == .carriageReturn {
        guard i + 1 < bytes.count else { return nil }
        guard bytes[i + 1] == .lineFeed else { throw .badLineEnd }
        return i + 2
      }
      i += 1
    }
    if i < bytes.count { throw .lineTooLong }
    return nil
  }

  /// `FAMILY SOURCE DESTINATION PORT PORT`, one space between two.
  private static func source(inLine line: Span<UInt8>) throws(ProxyHeaderError) -> Source {
    let familyEnd = line.firstIndex(of: .space) ?? line.count
    let family = line.extracting(0..<familyEnd)
    if family.equals("UNKNOWN") { return .unknown }
    let isIPv4 = family.equals("TCP4")
    guard isIPv4 || family.equals("TCP6") else { throw .badFamily }
    var fields = LineFields(end: familyEnd)
    guard let from = fields.next(in: line), let source = address(line.extracting(from), isIPv4),
      let to = fields.next(in: line), address(line.extracting(to), isIPv4) != nil
    else { throw .badAddress }
    guard let portRange = fields.next(in: line), fields.end < line.count,
      let port = portNumber(line.extracting(portRange)),
      portNumber(line.extracting((fields.end + 1)..<line.count)) != nil
    else { throw .badPort }
    let low = UInt64(truncatingIfNeeded: source)
    return isIPv4
      ? .ipv4(UInt32(truncatingIfNeeded: low), port: port)
      : .ipv6(high: UInt64(truncatingIfNeeded: source >> 64), low: low, port: port)
  }

  private static func address(_ text: Span<UInt8>, _ isIPv4: Bool) -> UInt128? {
    isIPv4 ? NumericAddress.ipv4(text).map { UInt128($0) } : NumericAddress.ipv6(text)
  }

  private static func portNumber(_ digits: Span<UInt8>) -> UInt16? {
    guard digits.count == 1 || digits.count <= 5 && digits.count > 0 && digits[0] != UInt8(ascii: "0") else {
      return nil
    }
    return digits.decimal.flatMap { UInt16(exactly: $0) }
  }

  private struct LineFields {
    /// Where the last field ended: at a space or the line's end.
    var end: Int

    mutating func next(in line: Span<UInt8>) -> ByteRange? {
      guard end < line.count else { return nil }
      let start = end + 1
      end = line.firstIndex(of: .space, from: start) ?? line.count
      return ByteRange(start, end)
    }
  }
}

// MARK: - Version 2

extension ProxyHeader {
  /// Signature (12 bytes), version and command, family and transport, length (2), then as many bytes.
  private static func parseBinary(_ bytes: Span<UInt8>) throws(ProxyHeaderError) -> ProxyHeader? {
    guard bytes.count > 12 else { return nil }
    guard bytes[12] >> 4 == 2 else { throw .badVersion }
    let command = bytes[12] & 15
    guard command <= 1 else { throw .badCommand }
    guard bytes.count > 13 else { return nil }
    let isRelayed = command == 1
    let (family, transport) = (bytes[13] >> 4, bytes[13] & 15)
    // With `LOCAL` everything that follows is to be discarded, whatever it says.
    if isRelayed, family > 3 { throw .badFamily }
    if isRelayed, transport > 2 { throw .badTransport }
    guard bytes.count >= 16 else { return nil }
    let length = Int(number(bytes, at: 14, count: 2))
    if length > lengthLimit { throw .tooLong }
    let isKnown = isRelayed && family > 0 && transport > 0
    if isKnown, length < addressBytes(family) { throw .tooShort }
    guard bytes.count >= 16 + length else { return nil }
    let end = 16 + length
    guard isKnown else { return ProxyHeader(source: isRelayed ? .unknown : .proxy, end: end) }
    let isEncrypted = try saysEncrypted(bytes, from: 16 + addressBytes(family), to: end)
    return ProxyHeader(source: addressedSource(bytes, family), isEncrypted: isEncrypted, end: end)
  }

  /// PP2_TYPE_SSL and in it PP2_CLIENT_SSL, section 2.2.6. Fewer bytes at the end than a type and a length
  /// have are padding, as for HAProxy.
  private static func saysEncrypted(
    _ bytes: Span<UInt8>, from start: Int, to end: Int
  ) throws(ProxyHeaderError) -> Bool {
    var at = start
    var isEncrypted = false
    while at + 3 <= end {
      let length = Int(number(bytes, at: at + 1, count: 2))
      guard length <= end - at - 3 else { throw .badExtension }
      if bytes[at] == 0x20 {
        guard length >= 5 else { throw .badExtension }
        isEncrypted = isEncrypted || bytes[at + 3] & 1 != 0
      }
      at += 3 + length
    }
    return isEncrypted
  }

  /// Two addresses, and two ports but for Unix sockets.
  private static func addressBytes(_ family: UInt8) -> Int {
    switch family {
    case 1: 12
    case 2: 36
    default: 216
    }
  }

  private static func addressedSource(_ bytes: Span<UInt8>, _ family: UInt8) -> Source {
    switch family {
    case 1:
      .ipv4(
        UInt32(truncatingIfNeeded: number(bytes, at: 16, count: 4)),
        port: UInt16(truncatingIfNeeded: number(bytes, at: 24, count: 2)))
    case 2:
      .ipv6(
        high: number(bytes, at: 16, count: 8), low: number(bytes, at: 24, count: 8),
        port: UInt16(truncatingIfNeeded: number(bytes, at: 48, count: 2)))
    default: .unknown
    }
  }

  /// A big-endian number of at most 8 bytes.
  private static func number(_ bytes: Span<UInt8>, at start: Int, count: Int) -> UInt64 {
    var value: UInt64 = 0
    for i in start..<(start + count) { value = value << 8 | UInt64(bytes[i]) }
    return value
  }
}
