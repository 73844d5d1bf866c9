import HTTP
import Testing

/// One refused request: the head, why it is refused, and at which byte that is seen.
struct Refusal: Sendable, CustomTestStringConvertible {
  var head: String
  var error: RequestError
  var position: Int
  var testDescription: String { head.debugDescription }

  init(_ head: String, _ error: RequestError, at position: Int) {
    self.head = head
    self.error = error
    self.position = position
  }

  /// The fault is in the meaning: it is seen at the end of the head.
  init(_ head: String, _ error: RequestError) {
    self.init(head, error, at: head.unicodeScalars.count)
  }

  /// A fault in a field line behind a good request line with Host, which is 27 bytes.
  static func line(_ line: String, _ fault: FieldFault, at offset: Int) -> Refusal {
    Refusal("GET / HTTP/1.1\r\nHost: a.b\r\n" + line + "\r\n\r\n", .field(fault), at: 27 + offset)
  }

  static func fields(_ lines: String, _ error: RequestError) -> Refusal {
    Refusal("POST / HTTP/1.1\r\nHost: a.b\r\n" + lines + "\r\n\r\n", error)
  }

  static func framing(_ lines: String, _ fault: FramingFault) -> Refusal { fields(lines, .framing(fault)) }

  static func target(_ target: String, _ error: RequestError, method: String = "GET") -> Refusal {
    let line = "\(method) \(target) HTTP/1.1\r\n"
    return Refusal(line + "Host: a.b\r\n\r\n", error, at: line.unicodeScalars.count)
  }

  static func host(_ value: String) -> Refusal {
    Refusal("GET / HTTP/1.1\r\nHost: \(value)\r\n\r\n", .badAuthority)
  }
}

@Suite("Refused requests, RFC 9110 and 9112")
struct RequestRefusalTests {
  static let requestLines: [Refusal] = [
    Refusal(" GET / HTTP/1.1\r\n", .badMethod, at: 0),
    Refusal("/ HTTP/1.1\r\n", .badMethod, at: 0),
    Refusal("G@T / HTTP/1.1\r\n", .badMethod, at: 1),
    Refusal("GET\t/ HTTP/1.1\r\n", .badMethod, at: 3),
    Refusal("GET\r\n", .badMethod, at: 3),
    Refusal("GET\n", .badMethod, at: 3),
    Refusal("\0GET / HTTP/1.1\r\n", .badMethod, at: 0),
    Refusal("G\u{80}T / HTTP/1.1\r\n", .badMethod, at: 1),
    Refusal("\nGET / HTTP/1.1\r\n", .badMethod, at: 0),  // a bare LF is no empty line
    Refusal("\rGET / HTTP/1.1\r\n", .badMethod, at: 1),
    Refusal("\r\n\r\nGET / HTTP/1.1\r\n", .badMethod, at: 2),  // one empty line at most
    Refusal("\u{16}\u{3}\u{1}", .badMethod, at: 0),  // TLS on a plain port
    Refusal("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n", .methodTooLong, at: 32),
    Refusal("GET  / HTTP/1.1\r\n", .badTarget, at: 4),
    Refusal("GET \r\n", .badTarget, at: 4),
    Refusal("GET /\r\n", .badTarget, at: 5),  // HTTP/0.9
    Refusal("GET /a\tb HTTP/1.1\r\n", .badTarget, at: 6),
    Refusal("GET /a\0b HTTP/1.1\r\n", .badTarget, at: 6),
    Refusal("GET /a\u{7f}b HTTP/1.1\r\n", .badTarget, at: 6),
    Refusal("GET /a\u{e4}b HTTP/1.1\r\n", .badTarget, at: 6),
    Refusal("GET /a#b HTTP/1.1\r\n", .badTarget, at: 6),  // a fragment is not sent, RFC 9112 §3.2
    Refusal("GET /a\nHost: a HTTP/1.1\r\n", .badTarget, at: 6),
    Refusal("GET /a b HTTP/1.1\r\n", .badVersion, at: 7),  // a space in the target
    Refusal("GET /  HTTP/1.1\r\n", .badVersion, at: 6),
    Refusal("GET / http/1.1\r\n", .badVersion, at: 6),
    Refusal("GET / HTTP/1.1 \r\n", .badVersion, at: 14),
    Refusal("GET / HTTP/1.1\n", .badVersion, at: 14),
    Refusal("GET / HTTP/1.1\r\r\n", .badVersion, at: 15),
    Refusal("GET / HTTP/1.10\r\n", .badVersion, at: 14),
    Refusal("GET / HTTP/11.1\r\n", .badVersion, at: 12),
    Refusal("GET / HTTP/1,1\r\n", .badVersion, at: 12),
    Refusal("GET / HTTP/1.x\r\n", .badVersion, at: 13),
    Refusal("GET / HTTP/x.1\r\n", .badVersion, at: 11),
    Refusal("GET / HTTPS/1.1\r\n", .badVersion, at: 10),
    Refusal("GET / HTTP/1.\r\n", .badVersion, at: 13),
    Refusal("GET / \r\n", .badVersion, at: 6),
    Refusal("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .unsupportedVersion, at: 11),  // the preface of HTTP/2
    Refusal("GET / HTTP/0.9\r\n", .unsupportedVersion, at: 11),
    Refusal("GET / HTTP/3.0\r\n", .unsupportedVersion, at: 11),
  ]

  static let targets: [Refusal] = [
    .target("a.b:443", .connectRefused, method: "CONNECT"),
    .target("/", .connectRefused, method: "CONNECT"),
    .target("*", .badTarget),  // asterisk form is for OPTIONS
    .target("**", .badTarget, method: "OPTIONS"),
    .target("a.b:80", .badTarget),  // authority form is for CONNECT
    .target("a.b", .badTarget),
    .target("a", .badTarget),
    .target(":", .badTarget),
    .target("?a", .badTarget),
    .target("ftp://a.b/", .badTarget),
    .target("http:", .badTarget),
    .target("http:/a.b/", .badTarget),
    .target("http:a.b", .badTarget),
    .target("://a.b/", .badTarget),
    .target("httpx://a.b/", .badTarget),
    .target("javascript:alert(1)", .badTarget),
    .target("http://", .badAuthority),
    .target("http:///", .badAuthority),
    .target("http://?a", .badAuthority),
    .target("http://u@a.b/", .badAuthority),  // user information, RFC 9110 §4.2.4
    .target("http://u:p@a.b/", .badAuthority),
    .target("http://a.b:/", .badAuthority),
    .target("http://a.b:99999/", .badAuthority),
    .target("http://a.b\\c/", .badAuthority),
    .target("http://[::1/", .badAuthority),
  ]

  static let fieldLines: [Refusal] = [
    .line("A : b", .spaceBeforeColon, at: 1),
    .line("A\t: b", .spaceBeforeColon, at: 1),
    .line("Content-Length : 5", .spaceBeforeColon, at: 14),
    .line(" A: b", .foldedLine, at: 0),
    .line("\tA: b", .foldedLine, at: 0),
    .line("A: b\r\n c", .foldedLine, at: 6),
    .line("A: b\r\n\tc", .foldedLine, at: 6),
    .line("A: b\r\n ", .foldedLine, at: 6),
    .line(": b", .emptyName, at: 0),
    .line("A", .badNameByte, at: 1),
    .line("A\r\nB: c", .badNameByte, at: 1),
    .line("A\nB: c", .bareLineFeed, at: 1),
    .line("\nB: c", .bareLineFeed, at: 0),
    .line("A\0: b", .badNameByte, at: 1),
    .line("A\u{e4}: b", .badNameByte, at: 1),
    .line("A(: b", .badNameByte, at: 1),
    .line("\"A\": b", .badNameByte, at: 0),
    .line("A/B: c", .badNameByte, at: 1),
    .line("A@: b", .badNameByte, at: 1),
    .line("[A]: b", .badNameByte, at: 0),
    .line("A,B: c", .badNameByte, at: 1),
    .line("A;B: c", .badNameByte, at: 1),
    .line("A=B: c", .badNameByte, at: 1),
    .line("{A}: c", .badNameByte, at: 0),
    .line("A\\: c", .badNameByte, at: 1),
    .line("A\u{7f}: c", .badNameByte, at: 1),
    .line("Content\rLength: 5", .badNameByte, at: 7),  // CR is a dash but for one bit
    .line("A: b\0c", .badValueByte, at: 4),
    .line("A: \u{1}", .badValueByte, at: 3),
    .line("A: b\u{7f}", .badValueByte, at: 4),
    .line("A: b\u{b}", .badValueByte, at: 4),
    .line("A: b\u{c}c", .badValueByte, at: 4),
    .line("A: 0123456789abcdef\u{1b}", .badValueByte, at: 19),
    .line("A: b\nB: c", .bareLineFeed, at: 4),
    .line("A:\n", .bareLineFeed, at: 2),
    .line("A: b\rB: c", .bareCarriageReturn, at: 4),
    .line("A: b\r\r\n", .bareCarriageReturn, at: 4),
    .line("A: b\r\n\rx", .bareCarriageReturn, at: 7),
    Refusal("GET / HTTP/1.1\r\n Host: a\r\n\r\n", .field(.foldedLine), at: 16),
    Refusal("GET / HTTP/1.1\r\nHost: a\n\n", .field(.bareLineFeed), at: 23),
    Refusal("GET / HTTP/1.1\r\n\n", .field(.bareLineFeed), at: 16),
    Refusal("GET / HTTP/1.1\r\n\r\r\n", .field(.bareCarriageReturn), at: 17),
  ]

  static let hosts: [Refusal] = [
    Refusal("GET / HTTP/1.1\r\n\r\n", .missingHost),
    Refusal("GET http://a.b/ HTTP/1.1\r\n\r\n", .missingHost),  // RFC 9112 §3.2: in every HTTP/1.1 request
    Refusal("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", .repeatedHost),
    Refusal("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", .repeatedHost),
    Refusal("GET / HTTP/1.0\r\nHost: a\r\nX: y\r\nHOST: a\r\n\r\n", .repeatedHost),
    Refusal("GET http://a.b/ HTTP/1.1\r\nHost: a b\r\n\r\n", .badAuthority),
    .host(""), .host(" "), .host("a b"), .host("a, b"), .host("a/b"), .host("a?b"), .host("a#b"),
    .host("u@a"), .host("u:p@a"), .host("http://a"), .host("a\\b"), .host("a%2eb"), .host("a'b"),
    .host("a;b"),
    .host("a\u{e4}"), .host("\"a\""), .host(":80"), .host("a:"), .host("a:x"), .host("a:80:80"),
    .host("a:65536"), .host("a:0"), .host("a:080"), .host("a:+80"), .host("a:-1"), .host("a: 80"),
    .host("[]"), .host("[:]"), .host("[:::]"), .host("[1:2]"), .host("[::1"), .host("::1"), .host("[::1]x"),
    .host("[::1]:"), .host("[1:2:3:4:5:6:7:8:9]"), .host("[1:2:3:4:5:6:7:8::]"), .host("[1::2::3]"),
    .host("[12345::]"), .host("[g::]"), .host("[1:2:3:4:5:6:7:]"), .host("[::1.2.3]"), .host("[::1.2.3.256]"),
    .host("[::1.2.3.4.5]"), .host("[::01.2.3.4]"), .host("[1.2.3.4]"), .host("[v1.a]"),
    .host("[fe80::1%25eth0]"),
    .host("[::1.2.3.4:1]"),
  ]

  static let framings: [Refusal] = [
    .framing("Content-Length: ", .badContentLength),
    .framing("Content-Length: a", .badContentLength),
    .framing("Content-Length: -1", .badContentLength),
    .framing("Content-Length: +1", .badContentLength),
    .framing("Content-Length: 1 1", .badContentLength),
    .framing("Content-Length: 1,1", .badContentLength),
    .framing("Content-Length: 5, 5", .badContentLength),
    .framing("Content-Length: 5, 6", .badContentLength),
    .framing("Content-Length: 0x5", .badContentLength),
    .framing("Content-Length: 1.0", .badContentLength),
    .framing("Content-Length: 5;", .badContentLength),
    .framing("Content-Length: \"5\"", .badContentLength),
    .framing("Content-Length: 010", .badContentLength),  // ten, or eight to a parser that knows octal
    .framing("Content-Length: 00", .badContentLength),
    .framing("Content-Length: 4611686018427387905", .badContentLength),  // 2⁶² + 1
    .framing("Content-Length: 9223372036854775808", .badContentLength),  // 2⁶³
    .framing("Content-Length: 18446744073709551621", .badContentLength),  // 2⁶⁴ + 5
    .framing("Content-Length: 99999999999999999999999", .badContentLength),
    .framing("Content-Length: 5\r\nContent-Length: 6", .repeatedContentLength),
    .framing("Content-Length: 5\r\nContent-Length: 5", .repeatedContentLength),
    .framing("Content-Length: 5\r\nX: y\r\ncontent-length: 5", .repeatedContentLength),
    .framing("Content-Length: 5\r\nTransfer-Encoding: chunked", .lengthAndCoding),
    .framing("Transfer-Encoding: chunked\r\nContent-Length: 0", .lengthAndCoding),
    .framing("Transfer-Encoding: gzip\r\nContent-Length: 0", .lengthAndCoding),
    .framing("Transfer-Encoding: ", .badTransferCoding),
    .framing("Transfer-Encoding: ,", .badTransferCoding),
    .framing("Transfer-Encoding: chunked,", .badTransferCoding),
    .framing("Transfer-Encoding: ,chunked", .badTransferCoding),
    .framing("Transfer-Encoding: chunked, chunked", .badTransferCoding),
    .framing("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", .badTransferCoding),
    .framing("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", .badTransferCoding),
    .framing("Transfer-Encoding: chunked, gzip", .badTransferCoding),
    .framing("Transfer-Encoding: chunked, identity", .badTransferCoding),
    .framing("Transfer-Encoding: chunked;a=b", .badTransferCoding),
    .framing("Transfer-Encoding: chunked ;", .badTransferCoding),
    .framing("Transfer-Encoding: chunked chunked", .badTransferCoding),
    .framing("Transfer-Encoding: \"chunked\"", .badTransferCoding),
    .framing("Transfer-Encoding: 'chunked' x", .badTransferCoding),
    .framing("Transfer-Encoding: (chunked)", .badTransferCoding),
    .framing("Transfer-Encoding: gzip, chunked", .unknownTransferCoding),
    .framing("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", .unknownTransferCoding),
    .framing("Transfer-Encoding: gzip", .unknownTransferCoding),
    .framing("Transfer-Encoding: identity", .unknownTransferCoding),
    .framing("Transfer-Encoding: xchunked", .unknownTransferCoding),
    .framing("Transfer-Encoding: a;b=c, chunked", .unknownTransferCoding),
    .framing("Transfer-Encoding: 'chunked'", .unknownTransferCoding),  // quotes of this kind are token bytes
    Refusal("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", .framing(.codingInHTTP10)),
    Refusal(
      "POST / HTTP/1.0\r\nTransfer-Encoding: x\r\nContent-Length: 1\r\n\r\n", .framing(.codingInHTTP10)),
    .fields("Expect: 200-ok", .unknownExpectation),
    .fields("Expect: ", .unknownExpectation),
    .fields("Expect: y 100-continue", .unknownExpectation),
    .fields("Expect: 100-continue, x", .unknownExpectation),
    .fields("Expect: 100-continue\r\nExpect: 100-continue", .unknownExpectation),
  ]

  @Test(arguments: requestLines + targets + fieldLines + hosts + framings)
  func `is refused at the offending byte`(_ refusal: Refusal) {
    let outcome = parseRequest(octets(refusal.head))
    #expect(outcome == .refused(refusal.error, at: refusal.position))
    #expect(!refusal.error.text.description.isEmpty)
  }

  @Test(arguments: requestLines + targets + fieldLines + hosts + framings)
  func `a split changes nothing, and before the offending byte nothing is wrong`(_ refusal: Refusal) {
    let bytes = octets(refusal.head)
    for size in 0..<bytes.count {
      #expect(parseRequest(bytes, arrivingAt: [size]) == .refused(refusal.error, at: refusal.position))
      if size < refusal.position {
        #expect(parseRequest(Array(bytes.prefix(size))) == .incomplete, "\(size)")
      }
    }
    let drip = Array(0..<bytes.count)
    #expect(parseRequest(bytes, arrivingAt: drip) == .refused(refusal.error, at: refusal.position))
  }

  @Test(
    arguments: [
      (RequestError.badMethod, 400), (.methodTooLong, 501), (.connectRefused, 501), (.badTarget, 400),
      (.targetTooLong, 414), (.badVersion, 400), (.unsupportedVersion, 505), (.missingHost, 400),
      (.repeatedHost, 400), (.badAuthority, 400), (.unknownExpectation, 417), (.headTooLarge, 431),
      (.field(.tooManyFields), 431), (.framing(.unknownTransferCoding), 501),
    ] as [(RequestError, UInt16)])
  func `has its status`(_ error: RequestError, _ status: UInt16) {
    #expect(error.status == status)
  }

  @Test func `a fault in syntax or framing is 400, but for those with a status of their own`() {
    for fault in FieldFault.allCases where fault != .tooManyFields {
      #expect(RequestError.field(fault).status == 400)
    }
    for fault in FramingFault.allCases where fault != .unknownTransferCoding {
      #expect(RequestError.framing(fault).status == 400)
    }
  }
}
