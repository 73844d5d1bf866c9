import Bytes
import HTTP
import Testing

/// Version 2, section 2.2: signature, version and command, family and transport, length, the rest.
private func binary(_ command: UInt8, _ family: UInt8, _ rest: [UInt8], length: Int? = nil) -> [UInt8] {
  let signature: [UInt8] = [
    0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,
  ]
  let length = length ?? rest.count
  return signature + [command, family, UInt8(length >> 8), UInt8(length & 255)] + rest
}

/// 203.0.113.7 to 198.51.100.1, ports 5555 and 80.
private let ipv4: [UInt8] = [203, 0, 113, 7, 198, 51, 100, 1, 0x15, 0xb3, 0, 80]

/// 2001:db8::7 to 2001:db8::1, ports 5555 and 80.
private let ipv6: [UInt8] =
  [0x20, 0x01, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11) + [7]
  + [0x20, 0x01, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11) + [1] + [0x15, 0xb3, 0, 80]

/// PP2_TYPE_NOOP (section 2.2.4) with three bytes.
private let tlv: [UInt8] = [4, 0, 3, 1, 2, 3]

private let sevenOfIPv4 = ProxyHeader.Source.ipv4(0xcb00_7107, port: 5555)
private let sevenOfIPv6 = ProxyHeader.Source.ipv6(high: 0x2001_0db8_0000_0000, low: 7, port: 5555)

private struct Good: Sendable, CustomTestStringConvertible {
  var bytes: [UInt8]
  var source: ProxyHeader.Source
  var testDescription: String { "\(text(bytes.span).debugDescription) \(source)" }

  init(_ line: String, _ source: ProxyHeader.Source) { self.init(octets(line), source) }

  init(_ bytes: [UInt8], _ source: ProxyHeader.Source) {
    self.bytes = bytes
    self.source = source
  }
}

/// PP2_TYPE_SSL (section 2.2.6): what the client did, no verification, and a version in it.
private func ssl(_ client: UInt8) -> [UInt8] {
  [0x20, 0, 15, client, 0, 0, 0, 1, 0x21, 0, 7] + octets("TLSv1.3")
}

private struct Bad: Sendable, CustomTestStringConvertible {
  var bytes: [UInt8]
  var error: ProxyHeaderError
  var testDescription: String { "\(text(bytes.span).debugDescription) \(error)" }

  init(_ line: String, _ error: ProxyHeaderError) { self.init(octets(line), error) }

  init(_ bytes: [UInt8], _ error: ProxyHeaderError) {
    self.bytes = bytes
    self.error = error
  }
}

private let ignored = String(repeating: "\u{ff}", count: 91)
private let whole = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

private let goodLines = [
  Good("PROXY TCP4 203.0.113.7 198.51.100.1 5555 80\r\n", sevenOfIPv4),
  Good("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", .ipv4(0, port: 0)),
  Good("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", .ipv4(0xffff_ffff, port: 65535)),
  Good("PROXY TCP6 2001:db8::7 2001:db8::1 5555 80\r\n", sevenOfIPv6),
  Good("PROXY TCP6 2001:0DB8:0:0:0:0:0:0007 :: 5555 80\r\n", sevenOfIPv6),
  Good("PROXY TCP6 \(whole) \(whole) 65535 65535\r\n", .ipv6(high: .max, low: .max, port: 65535)),
  Good(
    "PROXY TCP6 1:2:3:4:5:6:7:: ::1 1 2\r\n",
    .ipv6(high: 0x1_0002_0003_0004, low: 0x5_0006_0007_0000, port: 1)),
  // As C libraries write such an address.
  Good("PROXY TCP6 ::ffff:203.0.113.7 ::1 5555 80\r\n", .ipv6(high: 0, low: 0xffff_cb00_7107, port: 5555)),
  Good("PROXY UNKNOWN\r\n", .unknown),
  Good("PROXY UNKNOWN \(whole) \(whole) 65535 65535\r\n", .unknown),  // the longest, 107 bytes
  Good("PROXY UNKNOWN \(ignored)\r\n", .unknown),
  Good("PROXY UNKNOWN  \0 nothing of this matters\r\n", .unknown),
]

private let goodBinary = [
  Good(binary(0x21, 0x11, ipv4), sevenOfIPv4),
  Good(binary(0x21, 0x12, ipv4), sevenOfIPv4),  // the client came over UDP, as HTTP/3 does
  Good(binary(0x21, 0x11, ipv4 + tlv), sevenOfIPv4),
  Good(binary(0x21, 0x11, ipv4 + [UInt8](repeating: 0, count: 4096 - 12)), sevenOfIPv4),
  Good(binary(0x21, 0x21, ipv6), sevenOfIPv6),
  Good(binary(0x21, 0x22, ipv6 + tlv), sevenOfIPv6),
  Good(binary(0x21, 0x31, [UInt8](repeating: 47, count: 216)), .unknown),
  Good(binary(0x21, 0x32, [UInt8](repeating: 47, count: 216) + tlv), .unknown),
  Good(binary(0x21, 0x00, []), .unknown),
  Good(binary(0x21, 0x01, ipv4), .unknown),
  Good(binary(0x21, 0x10, [1]), .unknown),
  Good(binary(0x20, 0x00, []), .proxy),
  Good(binary(0x20, 0x11, ipv4 + tlv), .proxy),
  Good(binary(0x20, 0xff, [1, 2, 3]), .proxy),  // the family is to be ignored
]

private let refused = [
  Bad("G", .notProxyProtocol),
  Bad("POST / HTTP/1.1\r\n", .notProxyProtocol),
  Bad("proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n", .notProxyProtocol),
  Bad(" PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n", .notProxyProtocol),
  Bad("PROXY\tTCP4 1.2.3.4 1.2.3.4 1 2\r\n", .notProxyProtocol),
  Bad("PROXY\r\n", .notProxyProtocol),
  Bad("\n", .notProxyProtocol),
  Bad("\0", .notProxyProtocol),
  Bad("\r\nPROXY", .notProxyProtocol),
  Bad("\r\n\r\n\0\r\nQUIT\r", .notProxyProtocol),
  Bad("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", .badLineEnd),
  Bad("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rG", .badLineEnd),
  Bad("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n", .badLineEnd),
  Bad("PROXY UNKNOWN a\nb\r\n", .badLineEnd),
  Bad("PROXY UNKNOWN \(ignored)x\r", .lineTooLong),
  Bad("PROXY UNKNOWN \(ignored)xyz", .lineTooLong),
  Bad("PROXY TCP4 \(String(repeating: "0", count: 200))", .lineTooLong),
  Bad("PROXY \r\n", .badFamily),
  Bad("PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", .badFamily),
  Bad("PROXY TCP9 1.2.3.4 1.2.3.4 1 2\r\n", .badFamily),
  Bad("PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n", .badFamily),
  Bad("PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", .badFamily),
  Bad("PROXY UNKNOWNS\r\n", .badFamily),
  Bad("PROXY UNKNOWN\t\r\n", .badFamily),
  Bad("PROXY TCP4\r\n", .badAddress),
  Bad("PROXY TCP4 1.2.3.4\r\n", .badAddress),
  Bad("PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n", .badAddress),
  Bad("PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n", .badAddress),
  Bad("PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n", .badAddress),
  Bad("PROXY TCP4 1.2.3.4 1.2.3.256 1 2\r\n", .badAddress),
  Bad("PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n", .badAddress),
  Bad("PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n", .badAddress),
  Bad("PROXY TCP4 1.2.3.4.5 1.2.3.4 1 2\r\n", .badAddress),
  Bad("PROXY TCP4 1.2.3. 1.2.3.4 1 2\r\n", .badAddress),
  Bad("PROXY TCP4 +1.2.3.4 1.2.3.4 1 2\r\n", .badAddress),
  Bad("PROXY TCP4 0x1.2.3.4 1.2.3.4 1 2\r\n", .badAddress),
  Bad("PROXY TCP4 a.test 1.2.3.4 1 2\r\n", .badAddress),
  Bad("PROXY TCP4 ::1 ::1 1 2\r\n", .badAddress),
  Bad("PROXY TCP4 1.2.3.4 ::1 1 2\r\n", .badAddress),
  Bad("PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", .badAddress),
  Bad("PROXY TCP6 [::1] ::1 1 2\r\n", .badAddress),
  Bad("PROXY TCP6 ::1%eth0 ::1 1 2\r\n", .badAddress),
  Bad("PROXY TCP6 1::2::3 ::1 1 2\r\n", .badAddress),
  Bad("PROXY TCP6 ::: ::1 1 2\r\n", .badAddress),
  Bad("PROXY TCP6 12345:: ::1 1 2\r\n", .badAddress),
  Bad("PROXY TCP6 1:2:3:4:5:6:7 ::1 1 2\r\n", .badAddress),
  Bad("PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 2\r\n", .badAddress),
  Bad("PROXY TCP6 1:2:3:4:5:6:7::8 ::1 1 2\r\n", .badAddress),
  Bad("PROXY TCP6 1:2:3:4:5:6:7: ::1 1 2\r\n", .badAddress),
  Bad("PROXY TCP6 1:2:3:4:5:6:7:1.2.3.4 ::1 1 2\r\n", .badAddress),
  Bad("PROXY TCP6 ::1.2.3.256 ::1 1 2\r\n", .badAddress),
  Bad("PROXY TCP6 ::g ::1 1 2\r\n", .badAddress),
  Bad("PROXY TCP4 1.2.3.4 1.2.3.4\r\n", .badPort),
  Bad("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", .badPort),
  Bad("PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n", .badPort),
  Bad("PROXY TCP4 1.2.3.4 1.2.3.4  1 2\r\n", .badPort),
  Bad("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", .badPort),
  Bad("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", .badPort),
  Bad("PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n", .badPort),
  Bad("PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", .badPort),
  Bad("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", .badPort),
  Bad("PROXY TCP4 1.2.3.4 1.2.3.4 1 00\r\n", .badPort),
  Bad("PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n", .badPort),
  Bad("PROXY TCP4 1.2.3.4 1.2.3.4 1 99999999999999999999\r\n", .badPort),
  Bad(binary(0x11, 0x11, ipv4), .badVersion),
  Bad(binary(0x31, 0x11, ipv4), .badVersion),
  Bad(binary(0x01, 0x11, ipv4), .badVersion),
  Bad(binary(0x22, 0x11, ipv4), .badCommand),
  Bad(binary(0x2f, 0x11, ipv4), .badCommand),
  Bad(binary(0x21, 0x41, ipv4), .badFamily),
  Bad(binary(0x21, 0xf1, ipv4), .badFamily),
  Bad(binary(0x21, 0x13, ipv4), .badTransport),
  Bad(binary(0x21, 0x0f, []), .badTransport),
  Bad(binary(0x21, 0x11, ipv4, length: 11), .tooShort),
  Bad(binary(0x21, 0x11, [], length: 0), .tooShort),
  Bad(binary(0x21, 0x21, ipv6, length: 35), .tooShort),
  Bad(binary(0x21, 0x31, ipv6, length: 215), .tooShort),
  Bad(binary(0x21, 0x11, ipv4 + [4, 0, 3, 1, 2]), .badExtension),
  Bad(binary(0x21, 0x11, ipv4 + tlv + [4, 255, 255]), .badExtension),
  Bad(binary(0x21, 0x21, ipv6 + [0x20, 0, 4, 1, 0, 0, 0]), .badExtension),
  Bad(binary(0x21, 0x31, [UInt8](repeating: 47, count: 216) + [4, 0, 1]), .badExtension),
  Bad(binary(0x21, 0x11, ipv4, length: 4097), .tooLong),
  Bad(binary(0x20, 0x00, [], length: 65535), .tooLong),
]

private enum HeaderOutcome: Equatable {
  case incomplete
  case complete(ProxyHeader)
  case refused(ProxyHeaderError)

  /// In memory of exactly its size.
  init(_ bytes: some Collection<UInt8>) {
    let arrived = Arrived(bytes)
    defer { withExtendedLifetime(arrived) {} }
    do {
      let header = try ProxyHeader.parse(unsafe Span(_unsafeStart: arrived.base, count: bytes.count))
      self = header.map { .complete($0) } ?? .incomplete
    } catch {
      self = .refused(error)
    }
  }
}

@Suite("PROXY header, proxy-protocol.txt sections 2.1 and 2.2")
struct ProxyHeaderTests {
  @Test(arguments: goodLines + goodBinary)
  private func `a good header says whose connection it is, and where it ends`(_ good: Good) {
    let expected = ProxyHeader(source: good.source, end: good.bytes.count)
    #expect(HeaderOutcome(good.bytes) == .complete(expected))
    #expect(HeaderOutcome(good.bytes + octets("GET / HTTP/1.1\r\n")) == .complete(expected))
    #expect(HeaderOutcome(good.bytes + good.bytes) == .complete(expected))
  }

  @Test(arguments: goodLines + goodBinary)
  private func `every prefix of a good header is incomplete`(_ good: Good) {
    for size in 0..<good.bytes.count {
      #expect(HeaderOutcome(good.bytes.prefix(size)) == .incomplete, "\(size)")
    }
  }

  @Test(arguments: refused)
  private func `what is no header is refused, and no more bytes change that`(_ bad: Bad) {
    #expect(HeaderOutcome(bad.bytes) == .refused(bad.error))
    #expect(HeaderOutcome(bad.bytes + octets("\r\nGET / HTTP/1.1\r\n\r\n")) == .refused(bad.error))
    let outcomes = (0..<bad.bytes.count).map { HeaderOutcome(bad.bytes.prefix($0)) }
    let refusals = outcomes.drop { $0 == .incomplete }
    #expect(refusals.allSatisfy { $0 == .refused(bad.error) })
  }

  @Test(arguments: [
    (ssl(1), true), (ssl(7), true), (ssl(0), false), (ssl(6), false), (tlv, false),
    (tlv + ssl(1) + tlv, true),
    (ssl(1) + [4, 0], true),  // padding
  ])
  private func `L24 the record of TLS says whether the client came encrypted`(
    _ records: [UInt8], _ isEncrypted: Bool
  ) {
    for (family, addresses, source) in [(0x11, ipv4, sevenOfIPv4), (0x21, ipv6, sevenOfIPv6)] {
      let bytes = binary(0x21, UInt8(family), addresses + records)
      let expected = ProxyHeader(source: source, isEncrypted: isEncrypted, end: bytes.count)
      #expect(HeaderOutcome(bytes) == .complete(expected))
    }
    // Of its own connections a proxy may say what it likes.
    let own = binary(0x20, 0x11, ipv4 + records)
    #expect(HeaderOutcome(own) == .complete(ProxyHeader(source: .proxy, end: own.count)))
  }

  private static let oneOfIPv4 = ProxyHeader.Source.ipv4(0xc633_6401, port: 80)
  private static let oneOfIPv6 = ProxyHeader.Source.ipv6(high: 0x2001_0db8_0000_0000, low: 1, port: 80)
  private static let mapped = [UInt8](repeating: 0, count: 10) + [0xff, 0xff, 203, 0, 113, 7]

  @Test(
    arguments: [
      (sevenOfIPv4, oneOfIPv4, "TCP4 203.0.113.7 198.51.100.1 5555 80", binary(0x21, 0x11, ipv4)),
      (
        sevenOfIPv6, oneOfIPv6, "TCP6 2001:db8:0:0:0:0:0:7 2001:db8:0:0:0:0:0:1 5555 80",
        binary(0x21, 0x21, ipv6)
      ),
      (
        sevenOfIPv4, oneOfIPv6, "TCP6 0:0:0:0:0:ffff:cb00:7107 2001:db8:0:0:0:0:0:1 5555 80",
        binary(0x21, 0x21, mapped + ipv6.dropFirst(16))
      ),
      (.unknown, oneOfIPv4, "UNKNOWN", binary(0x21, 0, [])),
      (sevenOfIPv4, .unknown, "UNKNOWN", binary(0x21, 0, [])),
      (.proxy, oneOfIPv4, "UNKNOWN", binary(0x20, 0, [])),
    ] as [(ProxyHeader.Source, ProxyHeader.Source, String, [UInt8])])
  func `a header of our own is written as the specification has it`(
    _ source: ProxyHeader.Source, _ destination: ProxyHeader.Source, _ line: String, _ bytes: [UInt8]
  ) {
    let ends = RelayedEnds(source: source, destination: destination)
    var output = OutputBuffer(capacity: 8)
    ends.writeLine(to: &output)
    #expect(text(output.bytes) == "PROXY \(line)\r\n")
    output.removeAll()
    ends.writeBinary(to: &output)
    #expect(output.bytes.array == bytes)
  }

  @Test func `the limits are those of the specification and ours`() {
    #expect(octets("PROXY UNKNOWN \(ignored)\r\n").count == ProxyHeader.lineLimit)
    #expect(ProxyHeader.lengthLimit == 4096)
  }
}
