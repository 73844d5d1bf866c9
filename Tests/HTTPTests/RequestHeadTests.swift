import Bytes
import HTTP
import Testing

@Suite("Request head, RFC 9112 §2 to 6")
struct RequestHeadTests {
  /// Good requests, each complete with its last byte.
  static let good: [String] = [
    "GET /a?b=c HTTP/1.1\r\nHost: example.com:8080\r\nAccept: */*\r\nX-Own:\t a b \t\r\n\r\n",
    "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "GET http://a.b/c HTTP/1.0\r\n\r\n",
    "HEAD / HTTP/1.1\r\nhOsT:a\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "GET HTTPS://[2001:db8::1]:8443?q HTTP/1.1\r\nHost: other\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\nExpect: 100-Continue\r\n\r\n",
    "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\nConnection: Keep-Alive, foo\r\nHost: a\r\n\r\n",
    "PURGE /{x}|\"<y>\\^`~ HTTP/1.1\r\nHost: a_b.-c~:1\r\n\r\n",
    "!#$%&'*+-.^_`|~09azAZ / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~09azAZ: \u{80}\u{ff}\t!~\r\nE:\r\n\r\n",
    "GET / HTTP/1.1\r\nIf-Unmodified-Since: a\r\nProxy-Authorization: b\r\nHost: c\r\n"
      + "X-Quite-A-Long-Name-It-Is-And-Unknown: "
      + String(repeating: "long value ", count: 20) + "\r\n\r\n",
  ]

  @Test func `an ordinary request`() throws {
    let request = try #require(complete(RequestHeadTests.good[0] + "next"))
    #expect(request.method == .get)
    #expect(request.methodText == "GET")
    #expect(request.target == "/a?b=c")
    #expect(request.form == .origin)
    #expect(request.authority == "example.com:8080")
    #expect(request.pathAndQuery == "/a?b=c")
    #expect(request.minorVersion == 1)
    #expect(request.framing == BodyFraming.none)
    #expect(request.keepsAlive)
    #expect(!request.expectsContinue)
    #expect(request.end == 75)
    #expect(request.fields == ["Host|example.com:8080", "Accept|*/*", "X-Own|a b"])
  }

  @Test(arguments: good)
  func `every prefix is incomplete`(_ head: String) {
    let bytes = octets(head)
    for size in 0..<bytes.count { #expect(parseRequest(Array(bytes.prefix(size))) == .incomplete, "\(size)") }
  }

  @Test(arguments: good)
  func `every split gives the same as the whole`(_ head: String) {
    let bytes = octets(head + "POST")
    let whole = parseRequest(bytes)
    guard case .complete(let request) = whole else {
      Issue.record("\(whole)")
      return
    }
    #expect(request.end == bytes.count - 4)
    for size in 0...bytes.count { #expect(parseRequest(bytes, arrivingAt: [size]) == whole, "\(size)") }
    #expect(parseRequest(bytes, arrivingAt: Array(0...bytes.count)) == whole)
    for step in [2, 3, 7, 16, 17] {
      let sizes = Array(stride(from: step, to: bytes.count, by: step))
      #expect(parseRequest(bytes, arrivingAt: sizes) == whole, "\(step)")
    }
  }

  @Test(arguments: good)
  func `what was parsed and is written again parses to the same`(_ head: String) throws {
    let request = try #require(complete(head))
    var written = request.methodText + " " + request.target + " HTTP/1.\(request.minorVersion)\r\n"
    for field in request.fields {
      let parts = field.split(separator: "|", maxSplits: 1, omittingEmptySubsequences: false)
      written += parts[0] + ": " + parts[1] + "\r\n"
    }
    // Only the empty line before a request and whitespace around values are not written again; names with `|`
    // would be cut wrongly above.
    guard !written.contains("^_`|~09azAZ:") else { return }
    var again = try #require(complete(written + "\r\n"))
    again.end = request.end
    #expect(again == request)
  }

  @Test(arguments: [
    ("GET http://a.b/c?d HTTP/1.1\r\nHost: x\r\n\r\n", "a.b", "/c?d"),  // Host gives way, RFC 9112 §3.2.2
    ("GET http://A.b:80/ HTTP/1.1\r\nHost: A.b:80\r\n\r\n", "A.b:80", "/"),
    ("GET https://a.b HTTP/1.1\r\nHost: a.b\r\n\r\n", "a.b", ""),
    ("GET hTTp://a.b?d/e HTTP/1.1\r\nHost: a.b\r\n\r\n", "a.b", "?d/e"),
    ("GET http://a.b//c HTTP/1.1\r\nHost: a.b\r\n\r\n", "a.b", "//c"),
    ("GET http://[::1]/c@d HTTP/1.1\r\nHost: a.b\r\n\r\n", "[::1]", "/c@d"),
    ("OPTIONS http://a.b HTTP/1.1\r\nHost: a.b\r\n\r\n", "a.b", ""),
  ])
  func `absolute form gives authority and path`(_ head: String, _ authority: String, _ path: String) throws {
    let request = try #require(complete(head))
    #expect(request.form == .absolute)
    #expect(request.authority == authority)
    #expect(request.pathAndQuery == path)
  }

  @Test(arguments: [
    "a", "A-b_c~.d", "127.0.0.1", "127.0.0.1:1", "a.:65535", "[::]", "[::1]:80", "[1::]", "[1:2:3:4:5:6:7:8]",
    "[1:2:3:4:5:6:7::]", "[::2:3:4:5:6:7:8]", "[2001:DB8::ff]", "[::ffff:192.0.2.1]", "[1:2:3:4:5:6:0.0.0.0]",
  ])
  func `good hosts`(_ host: String) throws {
    let request = try #require(complete("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n"))
    #expect(request.authority == host)
  }

  @Test func `the asterisk is a target of its own`() throws {
    let request = try #require(complete("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"))
    #expect(request.form == .asterisk)
    #expect(request.pathAndQuery == "*")
    #expect(request.authority == "a")
  }

  @Test func `HTTP 1.0 may do without Host`() throws {
    let request = try #require(complete("GET / HTTP/1.0\r\n\r\n"))
    #expect(request.authority.isEmpty)
    #expect(request.minorVersion == 0)
  }

  @Test func `a higher minor version counts as 1, RFC 9110 §2.5`() throws {
    let request = try #require(complete("GET / HTTP/1.7\r\nHost: a\r\n\r\n"))
    #expect(request.minorVersion == 1)
  }

  @Test(arguments: [
    ("", BodyFraming.none), ("Content-Length: 0\r\n", .none), ("Content-Length: 1\r\n", .length(1)),
    ("Content-Length: \t 10 \t\r\n", .length(10)),
    ("Content-Length: 4611686018427387904\r\n", .length(1 << 62)),
    ("Transfer-Encoding: chunked\r\n", .chunked), ("TRANSFER-ENCODING:\tCHUNKED \t\r\n", .chunked),
  ])
  func `framing, RFC 9112 §6.3`(_ fields: String, _ framing: BodyFraming) throws {
    for method in ["GET", "POST", "HEAD"] {
      let request = try #require(complete("\(method) / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n"))
      #expect(request.framing == framing)
    }
  }

  @Test(arguments: [
    (1, "", true), (0, "", false),
    (1, "Connection: close\r\n", false), (0, "Connection: close\r\n", false),
    (1, "Connection: Keep-Alive\r\n", true), (0, "Connection: Keep-Alive\r\n", true),
    (1, "Connection: a, CLOSE\r\n", false), (0, "Connection: a,keep-alive\r\n", true),
    (1, "Connection: keep-alive, close\r\n", false), (0, "Connection: keep-alive, close\r\n", false),
    (1, "Connection: keep-alive\r\nConnection: close\r\n", false),
    (0, "Connection: x\r\nConnection: keep-alive\r\n", true),
    (1, "Connection: closed\r\n", true), (1, "Connection:\r\n", true), (1, "Connection: \"close\"\r\n", true),
    (0, "Proxy-Connection: keep-alive\r\n", false), (0, "Keep-Alive: timeout=5\r\n", false),
  ])
  func `keeping the connection, RFC 9112 §9.3`(_ minor: Int, _ fields: String, _ isKept: Bool) throws {
    let request = try #require(complete("GET / HTTP/1.\(minor)\r\nHost: a\r\n" + fields + "\r\n"))
    #expect(request.keepsAlive == isKept)
  }

  @Test(arguments: [
    (1, "Content-Length: 1\r\nExpect: 100-continue\r\n", true),
    (1, "Transfer-Encoding: chunked\r\nExpect: 100-Continue\r\n", true),
    (1, "Expect: 100-continue\r\n", false), (1, "Content-Length: 0\r\nExpect: 100-continue\r\n", false),
    (0, "Content-Length: 1\r\nExpect: 100-continue\r\n", false),
    (0, "Content-Length: 1\r\nExpect: other\r\n", false),
  ])
  func `expectation, RFC 9110 §10.1.1, L28`(_ minor: Int, _ fields: String, _ isExpected: Bool) throws {
    let request = try #require(complete("POST / HTTP/1.\(minor)\r\nHost: a\r\n" + fields + "\r\n"))
    #expect(request.expectsContinue == isExpected)
  }

  @Test func `methods are known by their exact name`() throws {
    for method in Method.allCases where method != .other && method != .connect {
      let request = try #require(complete("\(method.text) / HTTP/1.1\r\nHost: a\r\n\r\n"))
      #expect(request.method == method)
    }
    for name in ["get", "GETS", "GE", "PURG", "PATCHY", "OPTION", "DELETED", "M-SEARCH", "VERSION-CONTROL"] {
      let request = try #require(complete("\(name) / HTTP/1.1\r\nHost: a\r\n\r\n"))
      #expect(request.method == .other)
      #expect(request.methodText == name)
    }
  }

  @Test func `safe and idempotent methods, RFC 9110 §9.2`() {
    let safe = Method.allCases.filter(\.isSafe)
    #expect(safe == [.get, .head, .options, .trace])
    let idempotent = Method.allCases.filter(\.isIdempotent)
    #expect(idempotent == [.get, .head, .put, .delete, .options, .trace, .purge])
  }

  private func complete(_ head: String) -> ParsedRequest? {
    if case .complete(let request) = parseRequest(octets(head)) { return request }
    return nil
  }
}
