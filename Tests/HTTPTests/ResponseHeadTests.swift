import HTTP
import Testing

/// One refused response: the head, why, and at which byte that is seen; without a place: at the head's end.
struct ResponseRefusal: Sendable, CustomTestStringConvertible {
  var head: String
  var error: ResponseError
  var position: Int
  var testDescription: String { head.debugDescription }

  init(_ head: String, _ error: ResponseError, at position: Int? = nil) {
    self.head = head
    self.error = error
    self.position = position ?? head.unicodeScalars.count
  }

  static func framing(_ lines: String, _ fault: FramingFault) -> ResponseRefusal {
    ResponseRefusal("HTTP/1.1 200 OK\r\n" + lines + "\r\n\r\n", .framing(fault))
  }
}

@Suite("Response head, RFC 9112 §4 to 6")
struct ResponseHeadTests {
  static let good: [String] = [
    "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\n",
    "HTTP/1.1 200 \r\n\r\n",
    "HTTP/1.1 200\r\n\r\n",
    "HTTP/1.0 404 Not\tFound \u{e4}\r\nConnection: keep-alive\r\n\r\n",
    "HTTP/1.1 599 x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 1000\r\n\r\n",
  ]

  static let refused: [ResponseRefusal] = [
    ResponseRefusal("\r\nHTTP/1.1 200 OK\r\n\r\n", .badVersion, at: 0),
    ResponseRefusal("<html>", .badVersion, at: 0),
    ResponseRefusal("HTTP/1.1\r\n", .badVersion, at: 8),
    ResponseRefusal("HTTP/1.1\n", .badVersion, at: 8),
    ResponseRefusal("http/1.1 200 OK\r\n", .badVersion, at: 0),
    ResponseRefusal("HTTP/1.1\t200 OK\r\n", .badVersion, at: 8),
    ResponseRefusal("HTTP/1.10 200 OK\r\n", .badVersion, at: 8),
    ResponseRefusal("HTTP/1. 200 OK\r\n", .badVersion, at: 7),
    ResponseRefusal("HTTP/2.0 200 OK\r\n", .unsupportedVersion, at: 5),
    ResponseRefusal("HTTP/2 200\r\n", .unsupportedVersion, at: 5),
    ResponseRefusal("HTTP/0.9 200\r\n", .unsupportedVersion, at: 5),
    ResponseRefusal("HTTP/1.1  200 OK\r\n", .badStatus, at: 9),
    ResponseRefusal("HTTP/1.1 20 OK\r\n", .badStatus, at: 11),
    ResponseRefusal("HTTP/1.1 2000 OK\r\n", .badStatus, at: 12),
    ResponseRefusal("HTTP/1.1 099 OK\r\n", .badStatus, at: 9),
    ResponseRefusal("HTTP/1.1 600 OK\r\n", .badStatus, at: 9),
    ResponseRefusal("HTTP/1.1 999 OK\r\n", .badStatus, at: 9),
    ResponseRefusal("HTTP/1.1 -20 OK\r\n", .badStatus, at: 9),
    ResponseRefusal("HTTP/1.1 2a0 OK\r\n", .badStatus, at: 10),
    ResponseRefusal("HTTP/1.1 200OK\r\n", .badStatus, at: 12),
    ResponseRefusal("HTTP/1.1 200\tOK\r\n", .badStatus, at: 12),
    ResponseRefusal("HTTP/1.1 200\n\n", .field(.bareLineFeed), at: 12),
    ResponseRefusal("HTTP/1.1 200\rX", .field(.bareCarriageReturn), at: 12),
    ResponseRefusal("HTTP/1.1 200 OK\n\n", .field(.bareLineFeed), at: 15),
    ResponseRefusal("HTTP/1.1 200 O\rK\r\n", .field(.bareCarriageReturn), at: 14),
    ResponseRefusal("HTTP/1.1 200 O\0K\r\n", .badReason, at: 14),
    ResponseRefusal("HTTP/1.1 200 OK\u{7f}\r\n", .badReason, at: 15),
    ResponseRefusal("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", .field(.spaceBeforeColon), at: 18),
    ResponseRefusal("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", .field(.foldedLine), at: 23),
    ResponseRefusal("HTTP/1.1 200 OK\r\n A: b\r\n\r\n", .field(.foldedLine), at: 17),
    ResponseRefusal("HTTP/1.1 200 OK\r\nA: b\n\r\n", .field(.bareLineFeed), at: 21),
    ResponseRefusal("HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n", .field(.badValueByte), at: 21),
    ResponseRefusal("HTTP/1.1 200 OK\r\nA\r\n\r\n", .field(.badNameByte), at: 18),
    .framing("Content-Length: 5\r\nTransfer-Encoding: chunked", .lengthAndCoding),
    .framing("Content-Length: 5\r\nContent-Length: 6", .repeatedContentLength),
    .framing("Content-Length: 5\r\nContent-Length: 5", .repeatedContentLength),
    .framing("Content-Length: 5, 5", .badContentLength),
    .framing("Content-Length: x", .badContentLength),
    .framing("Content-Length: -0", .badContentLength),
    .framing("Transfer-Encoding: gzip", .unknownTransferCoding),
    .framing("Transfer-Encoding: gzip, chunked", .unknownTransferCoding),
    .framing("Transfer-Encoding: chunked, gzip", .badTransferCoding),
    .framing("Transfer-Encoding: chunked,", .badTransferCoding),
    .framing("Transfer-Encoding:", .badTransferCoding),
    ResponseRefusal("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", .framing(.codingInHTTP10)),
    ResponseRefusal(
      "HTTP/1.1 304 x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", .framing(.repeatedContentLength)),
    ResponseRefusal("HTTP/1.1 204 x\r\nContent-Length: 1\r\n\r\n", .bodyNotAllowed),
    ResponseRefusal("HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n", .bodyNotAllowed),
    ResponseRefusal("HTTP/1.1 100 x\r\nContent-Length: 1\r\n\r\n", .bodyNotAllowed),
    ResponseRefusal("HTTP/1.1 101 x\r\nTransfer-Encoding: chunked\r\n\r\n", .bodyNotAllowed),
  ]

  @Test(arguments: refused)
  func `is refused at the offending byte, however it is split`(_ refusal: ResponseRefusal) {
    let bytes = octets(refusal.head)
    let expected = ResponseOutcome.refused(refusal.error, at: refusal.position)
    #expect(parseResponse(bytes) == expected)
    for size in 0..<bytes.count {
      #expect(parseResponse(bytes, arrivingAt: [size]) == expected, "\(size)")
      if size < refusal.position {
        #expect(parseResponse(Array(bytes.prefix(size))) == .incomplete, "\(size)")
      }
    }
    #expect(parseResponse(bytes, arrivingAt: Array(0..<bytes.count)) == expected)
  }

  @Test(arguments: good)
  func `every prefix is incomplete and every split gives the same as the whole`(_ head: String) {
    let bytes = octets(head)
    let whole = parseResponse(bytes + [48])
    guard case .complete(let response) = whole else {
      Issue.record("\(whole)")
      return
    }
    #expect(response.end == bytes.count)
    for size in 0..<bytes.count {
      #expect(parseResponse(Array(bytes.prefix(size))) == .incomplete, "\(size)")
      #expect(parseResponse(bytes, arrivingAt: [size]) == whole, "\(size)")
    }
    #expect(parseResponse(bytes, arrivingAt: Array(0..<bytes.count)) == whole)
  }

  @Test(arguments: good)
  func `what was parsed and is written again parses to the same`(_ head: String) throws {
    let response = try #require(complete(head))
    var written = "HTTP/1.\(response.minorVersion) \(response.status) \(response.reason)\r\n"
    for field in response.fields { written += field.replacing("|", with: ": ", maxReplacements: 1) + "\r\n" }
    var again = try #require(complete(written + "\r\n"))
    again.end = response.end
    #expect(again == response)
  }

  @Test func `an ordinary response`() throws {
    let response = try #require(complete(ResponseHeadTests.good[0]))
    #expect(response.status == 200)
    #expect(response.reason == "OK")
    #expect(response.minorVersion == 1)
    #expect(response.framing == .length(5))
    #expect(response.keepsAlive)
    #expect(response.fields == ["Server|x", "Content-Length|5"])
  }

  @Test(arguments: [
    ("200", "", Method.get, BodyFraming.untilClose), ("200", "", .head, .none),
    ("200", "", .post, .untilClose),
    ("200", "Content-Length: 5\r\n", .get, .length(5)), ("200", "Content-Length: 5\r\n", .head, .none),
    ("200", "Content-Length: 0\r\n", .get, .none), ("200", "Transfer-Encoding: chunked\r\n", .get, .chunked),
    ("200", "Transfer-Encoding: chunked\r\n", .head, .none), ("404", "", .get, .untilClose),
    ("100", "", .get, .none), ("103", "", .get, .none), ("101", "", .get, .none), ("204", "", .get, .none),
    ("204", "Content-Length: 0\r\n", .get, .none), ("205", "Content-Length: 0\r\n", .get, .none),
    ("304", "", .get, .none), ("304", "Content-Length: 5\r\n", .get, .none),
    ("304", "Transfer-Encoding: chunked\r\n", .get, .none),  // RFC 9112 §6.1 allows it there
  ])
  func `framing, RFC 9112 §6.3`(_ status: String, _ fields: String, _ method: Method, _ framing: BodyFraming)
  {
    let outcome = parseResponse(octets("HTTP/1.1 \(status) x\r\n" + fields + "\r\n"), to: method)
    guard case .complete(let response) = outcome else {
      Issue.record("\(outcome)")
      return
    }
    #expect(response.framing == framing)
  }

  @Test func `the length that a 304 or an answer to HEAD states is known`() throws {
    var response = ResponseHead()
    let bytes = octets("HTTP/1.1 304 x\r\nContent-Length: 1000\r\n\r\n")
    let arrived = Arrived(bytes)
    let isComplete = unsafe try response.parse(arrived.base, count: bytes.count)
    withExtendedLifetime(arrived) {}
    #expect(isComplete)
    #expect(response.statedLength == 1000)
  }

  @Test(arguments: ["", "Transfer-Encoding: chunked\r\n"])
  func `no length is stated where there is none`(_ fields: String) throws {
    let bytes = octets("HTTP/1.1 200 OK\r\n\(fields)\r\n")
    let arrived = Arrived(bytes)
    var response = ResponseHead()
    let isComplete = unsafe try response.parse(arrived.base, count: bytes.count)
    withExtendedLifetime(arrived) {}
    #expect(isComplete)
    #expect(response.statedLength == nil)
  }

  @Test(arguments: [
    ("HTTP/1.1", "", true), ("HTTP/1.0", "", false), ("HTTP/1.1", "Connection: close\r\n", false),
    ("HTTP/1.0", "Connection: keep-alive\r\n", true), ("HTTP/1.2", "", true),
  ])
  func `keeping the connection`(_ version: String, _ fields: String, _ isKept: Bool) throws {
    let response = try #require(complete(version + " 200 OK\r\n" + fields + "\r\n"))
    #expect(response.keepsAlive == isKept)
  }

  private func complete(_ head: String) -> ParsedResponse? {
    if case .complete(let response) = parseResponse(octets(head)) { return response }
    return nil
  }
}
