import Testing
import TestSupport

/// A request that must be refused, the statuses that fit, and why the row exists.
struct Refusal: Sendable, CustomStringConvertible {
  var bytes: [UInt8]
  var statuses: [Int]
  var reason: String

  init(_ text: String, _ statuses: Int..., because reason: String) {
    bytes = Array(text.utf8)
    self.statuses = statuses
    self.reason = reason
  }

  var description: String { reason }
}

@Suite("Framing on the wire, RFC 9112")
struct FramingTests {
  private static let host = "Host: a.test\r\n"
  private static func get(_ fields: String) -> String { "GET / HTTP/1.1\r\n\(host)\(fields)\r\n" }
  private static func post(_ fields: String, _ body: String = "") -> String {
    "POST / HTTP/1.1\r\n\(host)\(fields)\r\n\(body)"
  }
  private static func chunks(_ body: String) -> String { post("Transfer-Encoding: chunked\r\n", body) }

  static let lines: [Refusal] = [
    Refusal("GET / HTTP/1.1\r\n\r\n", 400, because: "no Host, RFC 9112 §3.2"),
    Refusal("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, because: "two Hosts"),
    Refusal("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, because: "a space in Host"),
    Refusal("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, because: "a slash in Host"),
    Refusal("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400, because: "user information in Host"),
    Refusal("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, because: "a list in Host"),
    Refusal("GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", 400, because: "no such port"),
    Refusal("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400, because: "an open bracket in Host"),
    Refusal(" GET / HTTP/1.1\r\n\(host)\r\n", 400, because: "a space first"),
    Refusal("GET  / HTTP/1.1\r\n\(host)\r\n", 400, because: "two spaces"),
    Refusal("GET /  HTTP/1.1\r\n\(host)\r\n", 400, because: "two spaces before the version"),
    Refusal("GET / HTTP/1.1 \r\n\(host)\r\n", 400, because: "a space behind the version"),
    Refusal("GET\t/ HTTP/1.1\r\n\(host)\r\n", 400, because: "a tab for a space"),
    Refusal("GET /\r\n\r\n", 400, 505, because: "HTTP/0.9"),
    Refusal("GET / HTTP/2.0\r\n\(host)\r\n", 505, because: "another major version"),
    Refusal("GET / HTTP/1.10\r\n\(host)\r\n", 400, 505, because: "a version of two digits"),
    Refusal("GET / http/1.1\r\n\(host)\r\n", 400, 505, because: "the name of HTTP is case-sensitive"),
    Refusal("GET / HTTP/1,1\r\n\(host)\r\n", 400, 505, because: "no version"),
    Refusal("G@T / HTTP/1.1\r\n\(host)\r\n", 400, because: "no token"),
    Refusal("GET a HTTP/1.1\r\n\(host)\r\n", 400, because: "a target without a slash"),
    Refusal("GET * HTTP/1.1\r\n\(host)\r\n", 400, because: "the asterisk is for OPTIONS"),
    Refusal("GET a.test:80 HTTP/1.1\r\n\(host)\r\n", 400, because: "the authority form is for CONNECT"),
    Refusal("GET http:///x HTTP/1.1\r\n\(host)\r\n", 400, because: "an absolute form without authority"),
    Refusal("GET ftp://a.test/ HTTP/1.1\r\n\(host)\r\n", 400, because: "another scheme"),
    Refusal(
      "GET http://u@a.test/ HTTP/1.1\r\n\(host)\r\n", 400, because: "user information, RFC 9110 §4.2.4"),
    Refusal("GET /\u{1} HTTP/1.1\r\n\(host)\r\n", 400, because: "a control byte in the target"),
    Refusal("GET /\u{7f} HTTP/1.1\r\n\(host)\r\n", 400, because: "DEL in the target"),
    Refusal("GET / HTTP/1.1\n\(host)\r\n", 400, because: "a bare LF behind the request line"),
    Refusal("GET / HTTP/1.1\rX: y\r\n\(host)\r\n", 400, because: "a bare CR in the request line"),
    Refusal("CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n", 400, 405, 501, because: "no tunnels"),
  ]

  static let fields: [Refusal] = [
    Refusal(get("X : y\r\n"), 400, because: "a space before the colon, RFC 9112 §5.1"),
    Refusal(get("X\t: y\r\n"), 400, because: "a tab before the colon"),
    Refusal(get("X: y\r\n z\r\n"), 400, because: "obs-fold, §5.2"),
    Refusal(get("X: y\r\n\tz\r\n"), 400, because: "obs-fold by a tab"),
    Refusal("GET / HTTP/1.1\r\n X: y\r\n\(host)\r\n", 400, because: "a space before the first field, §2.2"),
    Refusal(get("X: a\0b\r\n"), 400, because: "NUL in a value"),
    Refusal(get("X: a\rb\r\n"), 400, because: "a bare CR in a value"),
    Refusal(get("X: a\u{1}b\r\n"), 400, because: "a control byte in a value"),
    Refusal(get("X: a\nY: b\r\n"), 400, because: "a bare LF between fields"),
    Refusal(get("X\r\n"), 400, because: "a field without a colon"),
    Refusal(get(": y\r\n"), 400, because: "a field without a name"),
    Refusal(get("X(: y\r\n"), 400, because: "a name that is no token"),
    Refusal(get("X\u{e9}: y\r\n"), 400, because: "a name beyond ASCII"),
    Refusal("GET / HTTP/1.1\r\n\(host)\n", 400, because: "the end by a bare LF"),
  ]

  static let lengths: [Refusal] = [
    Refusal(post("Content-Length: abc\r\n"), 400, because: "no number"),
    Refusal(post("Content-Length: \r\n"), 400, because: "an empty length"),
    Refusal(post("Content-Length: -1\r\n"), 400, because: "a negative length"),
    Refusal(post("Content-Length: +5\r\n", "hello"), 400, because: "a sign"),
    Refusal(post("Content-Length: 0x5\r\n", "hello"), 400, because: "hexadecimal"),
    Refusal(post("Content-Length: 5 5\r\n", "hello"), 400, because: "a space within"),
    Refusal(post("Content-Length: 5.0\r\n", "hello"), 400, because: "a fraction"),
    Refusal(post("Content-Length: 5, 6\r\n", "hello!"), 400, because: "a list that differs"),
    Refusal(post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"), 400, because: "lines that differ"),
    Refusal(post("Content-Length: 5,\r\n", "hello"), 400, because: "an empty member"),
    Refusal(post("Content-Length: 99999999999999999999\r\n"), 400, 413, because: "past 64 bits"),
    Refusal(post("Content-Length: 18446744073709551621\r\n", "hello"), 400, 413, because: "5 after overflow"),
    Refusal(
      post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400, because: "both"),
    Refusal(
      post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), 400, because: "both, turned"),
    Refusal(post("Transfer-Encoding: gzip\r\n"), 400, 501, because: "chunked is not last"),
    Refusal(
      post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 501, because: "an unknown coding, L33"),
    Refusal(post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), 400, 501, because: "nearly chunked"),
    Refusal(post("Transfer-Encoding: chunked, gzip\r\n"), 400, 501, because: "chunked is not last"),
    Refusal(post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"), 400, because: "chunked twice"),
    Refusal(
      post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400,
      because: "chunked twice, in two lines"),
    Refusal(
      post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400, 501,
      because: "an obsolete coding"),
    Refusal(post("Transfer-Encoding: \u{b}chunked\r\n", "0\r\n\r\n"), 400, because: "a vertical tab"),
    Refusal(post("Transfer-Encoding: chunked;q=1\r\n", "0\r\n\r\n"), 400, 501, because: "a parameter"),
    Refusal(post("Transfer-Encoding: \r\n"), 400, 501, because: "an empty coding"),
    Refusal(
      "POST / HTTP/1.0\r\n\(host)Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
      because: "chunked in HTTP/1.0, RFC 9112 §6.1"),
  ]

  static let bodies: [Refusal] = [
    Refusal(chunks("zz\r\nx\r\n0\r\n\r\n"), 400, because: "no hexadecimal"),
    Refusal(chunks("\r\n\r\n"), 400, because: "no size"),
    Refusal(chunks("-1\r\nx\r\n0\r\n\r\n"), 400, because: "a negative size"),
    Refusal(chunks("+1\r\nx\r\n0\r\n\r\n"), 400, because: "a sign"),
    Refusal(chunks("0x1\r\nx\r\n0\r\n\r\n"), 400, because: "a prefix"),
    Refusal(chunks(" 1\r\nx\r\n0\r\n\r\n"), 400, because: "a space before the size"),
    Refusal(chunks("1 \r\nx\r\n0\r\n\r\n"), 400, because: "a space behind the size"),
    Refusal(chunks("1\nx\r\n0\r\n\r\n"), 400, because: "a bare LF behind the size"),
    Refusal(chunks("1\r\nxy\r\n0\r\n\r\n"), 400, because: "data longer than its size"),
    Refusal(chunks("1\r\nx\n0\r\n\r\n"), 400, because: "a bare LF behind the data"),
    Refusal(chunks("fffffffffffffffff\r\nx"), 400, 413, because: "a size past 64 bits"),
    Refusal(chunks("7fffffffffffffff\r\nx"), 400, 413, because: "a size past every limit"),
    Refusal(chunks("1;a=\rb\r\nx\r\n0\r\n\r\n"), 400, because: "a bare CR in an extension"),
    Refusal(chunks("1;a=b\nx\r\n0\r\n\r\n"), 400, because: "a bare LF behind an extension"),
    Refusal(
      chunks("1;a=" + String(repeating: "b", count: 20_000) + "\r\nx\r\n0\r\n\r\n"), 400, 413, 431,
      because: "extensions are bounded"),
    Refusal(
      chunks(String(repeating: "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n", count: 400) + "0\r\n\r\n"), 400,
      413, 431,
      because: "extensions are bounded over all chunks"),
    Refusal(chunks("0\r\nX : y\r\n\r\n"), 400, because: "a trailer with a space before the colon"),
    Refusal(chunks("0\r\nX: y\n\r\n"), 400, because: "a trailer that ends in a bare LF"),
    Refusal(
      chunks("0\r\nX: " + String(repeating: "y", count: 70_000) + "\r\n\r\n"), 400, 413, 431,
      because: "trailers are bounded"),
  ]

  static let sizes: [Refusal] = [
    Refusal(
      "GET /" + String(repeating: "a", count: 9000) + " HTTP/1.1\r\n\(host)\r\n", 414,
      because: "a long target"),
    Refusal(
      "GET /" + String(repeating: "a", count: 70_000), 414, because: "a long target without an end"),
    Refusal(get("X: " + String(repeating: "a", count: 70_000) + "\r\n"), 431, because: "a long field"),
    Refusal(get("X: " + String(repeating: "a", count: 70_000)), 431, because: "a long field without an end"),
    Refusal(
      get((0..<200).map { "X-\($0): y\r\n" }.joined()), 431, because: "more fields than --max-fields"),
    Refusal(
      String(repeating: "A", count: 70_000) + " / HTTP/1.1\r\n\(host)\r\n", 400, 414, 431, 501,
      because: "a long method"),
  ]

  /// Refused with a status, then closed, and nothing of what follows is taken for a request.
  private func check(_ refusals: [Refusal], chunksMayArrive: Bool = false) throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.readBody()
      try exchange.respond(200, [:], "forwarded")
    }
    let smuggled = Array("GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n".utf8)
    try withLarder(before: [origin]) { larder in
      for refusal in refusals {
        let client = try larder.client()
        try client.sendAsFarAsTaken(refusal.bytes)
        let response = try client.readResponse()
        #expect(refusal.statuses.contains(response.status), "\(refusal): got \(response.status)")
        #expect(response.fields["Connection"]?.lowercased() == "close", "\(refusal)")
        try client.sendAsFarAsTaken(smuggled)
        #expect(try client.isEnded(), "\(refusal): the connection goes on")
        client.close()
      }
      #expect(origin.count("/smuggled") == 0)
      if !chunksMayArrive { #expect(origin.requests.isEmpty) }
      #expect(try larder.fetch("/").text == "forwarded")
    }
  }

  @Test func `bad request lines are refused and the connection closed`() throws { try check(Self.lines) }
  @Test func `bad fields are refused and the connection closed`() throws { try check(Self.fields) }
  @Test func `bad lengths and codings are refused and the connection closed`() throws {
    try check(Self.lengths)
  }
  @Test func `bad chunks are refused and the connection closed`() throws {
    try check(Self.bodies, chunksMayArrive: true)
  }
  @Test func `what is too large is refused and the connection closed`() throws { try check(Self.sizes) }

  @Test func `the same bytes one by one are refused just the same`() throws {
    let origin = try MisbehavingOrigin()
    try withLarder(before: [origin]) { larder in
      for refusal in [Self.lines[0], Self.fields[0], Self.fields[6], Self.lengths[0], Self.lengths[12]] {
        let client = try larder.client()
        for byte in refusal.bytes { try client.sendAsFarAsTaken([byte]) }
        #expect(try refusal.statuses.contains(client.readResponse().status), "\(refusal)")
        #expect(try client.isEnded(), "\(refusal)")
      }
    }
  }

  @Test func `limits can be set`() throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.readBody()
      try exchange.respond(200, [:], "page")
    }
    let flags = ["--max-head", "2KiB", "--max-target", "256", "--max-fields", "10", "--max-body", "1000"]
    try withLarder(flags, before: [origin]) { larder in
      #expect(try larder.fetch("/", fields: ["X": String(repeating: "a", count: 3000)]).status == 431)
      #expect(try larder.fetch("/" + String(repeating: "a", count: 300)).status == 414)
      let eleven = Fields((0..<11).map { (name: "X-\($0)", value: "") })
      #expect(try larder.fetch("/", fields: eleven).status == 431)
      #expect(try larder.fetch("/", method: "POST", body: pattern(1001)).status == 413)
      #expect(try larder.fetch("/", method: "POST", body: pattern(1000)).status == 200)
      let client = try larder.client()
      try client.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n")
      for _ in 0..<5 { try client.sendAsFarAsTaken(Array("100\r\n".utf8) + pattern(256) + [13, 10]) }
      // The length is known only when it is too much.
      let late = try client.readResponse().status
      #expect(late == 413)
    }
  }

  @Test func `one empty line before a request is read over, RFC 9112 §2.2`() throws {
    let origin = try MisbehavingOrigin { try $0.respond(200, [:], "page") }
    try withLarder(before: [origin]) { larder in
      let client = try larder.send("\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
      #expect(try client.readResponse().text == "page")
    }
  }

  @Test func `what is unusual but allowed passes`() throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.readBody()
      try exchange.respond(200, [:], "page")
    }
    let requests = [
      "GET / HTTP/1.1\r\nhOST:a.test\r\n\r\n", "GET / HTTP/1.1\r\nHost: \t a.test \t \r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: Chunked\r\n\r\n000\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a.test\r\nX:\r\nY: \u{e9}\r\n\r\n",
      "GET /?a={b}|c HTTP/1.1\r\nHost: a.test\r\n\r\n",
    ]
    try withLarder(before: [origin]) { larder in
      for request in requests {
        let client = try larder.send(request)
        let status = try client.readResponse().status
        #expect(status == 200, "\(request)")
      }
    }
  }
}
