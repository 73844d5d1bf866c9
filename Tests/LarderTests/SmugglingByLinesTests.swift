import Testing
import TestSupport

/// S1: line ends, chunks, hosts and targets.
@Suite("Requests that smuggle another by their lines, S1")
struct SmugglingByLinesTests {
  static let smuggled = Attack.smuggled

  @Test func `a refusal says why`() throws {
    let origin = try MisbehavingOrigin { try $0.respond(200, [:], try $0.readBody()) }
    try withLarder(before: [origin]) { larder throws in
      for (request, reason) in [
        ("GET / HTTP/1.1\r\n\r\n", "400 Bad Request: no Host\n"),
        (
          "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
          "400 Bad Request: whitespace before the colon of a field\n"
        ),
        (Attack.request("Transfer-Encoding: x"), "501 Not Implemented: unknown transfer coding\n"),
        (Attack.chunks("z"), "400 Bad Request: bad chunk size\n"),
      ] {
        #expect(try larder.send(request).readResponse().text == reason)
      }
    }
  }

  @Test func `S1 folded lines, bare CR and bare LF are refused`() throws {
    let heads = [
      "GET / HTTP/1.1\r\n Host: a.test\r\n\r\n", "GET / HTTP/1.1\r\nHost: a.test\r\nX: a\r\n b\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a.test\r\nX:\r\n\tb\r\n\r\n", "GET / HTTP/1.1\r\nHost: a.test\r\n \r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a.test\r\n\t\r\n\r\n", "GET / HTTP/1.1\nHost: a.test\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a.test\n\r\n", "GET / HTTP/1.1\r\nHost: a.test\r\n\n",
      "GET / HTTP/1.1\nHost: a.test\n\n", "GET / HTTP/1.1\rHost: a.test\r\r",
      "GET / HTTP/1.1\r\nHost: a.test\r\nX: a\n\(Self.smuggled)",
      "GET / HTTP/1.1\r\nHost: a.test\r\nX: a\n\n\(Self.smuggled)",
      "GET / HTTP/1.1\r\nHost: a.test\r\nX: a\r\r\(Self.smuggled)",
      "GET / HTTP/1.1\r\nHost: a.test\r\nX: a\r\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a.test\r\nX: a\r\(Self.smuggled)",
      "GET / HTTP/1.1\r\nHost: a.test\r\n\r\(Self.smuggled)",
      "GET /\n HTTP/1.1\r\nHost: a.test\r\n\r\n", "GET /\r HTTP/1.1\r\nHost: a.test\r\n\r\n",
      "GET / HTTP/1.1\r\r\nHost: a.test\r\n\r\n", "GET / HTTP/1.1\r\nHost\n: a.test\r\n\r\n",
      "GET / HTTP/1.1\r\nHost:\ra.test\r\n\r\n", "GET / HTTP/1.1\r\nHost: a.test\r\nX\r\n\(Self.smuggled)",
      "\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n", "\r\n\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a.test\r\nX: \0\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a.test\r\nX: a\u{85}\nY: b\r\n\r\n",
    ]
    try check(heads.map { Attack($0, .refused([400]), because: $0.debugDescription) })
  }

  @Test func `S1 chunk sizes and line ends that two parsers may read differently are refused`() throws {
    // Some of these a careless parser reads as a last chunk with a request behind it.
    let bodies = [
      "zz\r\n", "\r\n", " \r\n", "-1\r\nx\r\n", "+1\r\nx\r\n", "0x1\r\nx\r\n", "1_0\r\nx\r\n", "1.0\r\nx\r\n",
      "1,0\r\nx\r\n", "'1'\r\nx\r\n", " 1\r\nx\r\n", "\t1\r\nx\r\n", "1 \r\nx\r\n", "1\t\r\nx\r\n",
      "1 1\r\nx\r\n", "1\0\r\nx\r\n", "1\u{b}\r\nx\r\n", "1\u{a0}\r\nx\r\n", "\u{ff11}\r\nx\r\n", "1\nx\r\n",
      "1\rx\r\n", "1\r\rx\r\n", "1\r\nxy\r\n", "1\r\nx\n0\r\n\r\n", "1\r\nx\r0\r\n\r\n", "1\r\nx0\r\n\r\n",
      "1\r\nx\r\r\n", "2\r\nx\r\n0\r\n\r\n", "1\r\nx\r\n\r\n0\r\n\r\n", "0\n\r\n", "0\r\r\n", "0 \r\n\r\n",
      "0x\r\n\r\n", "0\r\n\n", "0\r\n\r\r", "00000000000000001\r\nx\r\n", "fffffffffffffffff\r\nx",
      "ffffffffffffffff\r\nx", "8000000000000000\r\nx", "7fffffffffffffff\r\nx", "10000000000000000\r\nx",
    ]
    try check(
      bodies.map { body in
        Attack(Attack.chunks(body + Self.smuggled), .cut([400]), because: body.debugDescription)
      })
  }

  @Test func `S1 chunk extensions that two parsers may read differently are refused`() throws {
    let lines = [
      "1;\r\n", "1;;\r\n", "1; \r\n", "1;a=\r\n", "1;=b\r\n", "1;a b\r\n", "1;a=b c\r\n", "1;a=\"b\r\n",
      "1;a=\"b\"c\r\n", "1;a=\"\\\r\n", "1;a=\"\r\n\"\r\n", "1;a=\"\n\"\r\n", "1;a\nx\r\n", "1;a=b\nx\r\n",
      "1;\nx\r\n", "1;a\rx\r\n", "1;a=\rb\r\n", "1;a=\"\rb\"\r\n", "1;a\0\r\n", "1;a=\"\0\"\r\n",
      "1;a=\u{7f}\r\n",
      "1;a(\r\n", "1;\u{a0}\r\n", "1 a\r\n", "1 ;\r\n", "0;\n\r\n", "0;a\n\r\n", "0;a\r\r\n",
    ]
    let long = String(repeating: "a", count: 4096)
    let many = String(repeating: "1;a=b\r\nx\r\n", count: 2000)
    try check(
      lines.map { Attack(Attack.chunks("\($0)x\r\n0\r\n\r\n\(Self.smuggled)"), .cut([400]), because: $0) }
        + [
          Attack(Attack.chunks("1;\(long)\r\nx\r\n0\r\n\r\n"), .cut([400]), because: "one that is long"),
          Attack(Attack.chunks("\(many)0\r\n\r\n"), .cut([400]), because: "many that are long together"),
        ])
  }

  @Test func `S1 trailers are as strict as fields, and frame nothing`() throws {
    let trailers = [
      "X : y\r\n", "X\t: y\r\n", "X\r\n", ": y\r\n", " X: y\r\n", "X: y\r\n z\r\n", "X: y\n", "X: y\r",
      "X: \0\r\n",
      "X(: y\r\n", "X\n: y\r\n", "X: y\n\n", "\n", "\r", "X: y\r\r\n", "\u{a0}X: y\r\n",
    ]
    let fine = [
      "Content-Length: 44\r\n", "Transfer-Encoding: chunked\r\n", "Host: evil.test\r\n", "X:\r\n",
      "X: \u{e9}\r\n",
      "Content-Length: 1\r\nContent-Length: 2\r\n", "Connection: close\r\n",
    ]
    try check(
      trailers.map {
        Attack(
          Attack.chunks("5\r\nhello\r\n0\r\n\($0)\r\n\(Self.smuggled)"), .cut([400]),
          because: $0.debugDescription)
      }
        + fine.map {
          Attack(
            Attack.chunks("5\r\nhello\r\n0\r\n\($0)\r\n"), .passes(["POST /"]), because: $0.debugDescription)
        })
  }

  @Test func `S1 a Host that is no host and port, or is not one, is refused`() throws {
    let hosts = [
      "X: y", "Host:", "Host: ", "Host: a\r\nHost: a", "Host: a\r\nHost: b", "Host: a\r\nhOST: b", "Host : a",
      "Host: a\r\n Host: b", "Host\0: a", "\u{a0}Host: a", "Host_: a", "Host: a b", "Host: a\tb",
      "Host: a, b",
      "Host: a/b", "Host: a?b", "Host: a#b", "Host: a\\b", "Host: u@a", "Host: a@b:80", "Host: a%00b",
      "Host: a%2fb",
      "Host: a:", "Host: :80", "Host: a:b", "Host: a:-1", "Host: a:+80", "Host: a:080", "Host: a:65536",
      "Host: a:80:80",
      "Host: a:80 ", "Host: a:8 0", "Host: [::1", "Host: ::1", "Host: [::1]x", "Host: [::1]:", "Host: [v1.a]",
      "Host: [fe80::1%25eth0]", "Host: a\u{e9}", "Host: a\u{b}", "Host: \0", "Host: http://a/", "Host: a'",
      "Host: a;b",
    ]
    let refused = hosts.filter { $0 != "Host: a:80 " }
    try check(
      refused.map {
        Attack("GET / HTTP/1.1\r\n\($0)\r\n\r\n", .refused([400]), because: $0.debugDescription)
      } + [
        Attack(
          "GET / HTTP/1.1\r\nHost: a:80 \r\n\r\n", .passes(["GET /"]),
          because: "whitespace behind it is none of it")
      ])
  }

  @Test func `S1 absolute form - its authority counts, and Host says the same from here on`() throws {
    let origin = try MisbehavingOrigin {
      try $0.respond(200, ["Cache-Control": "max-age=60"], "for \($0.request.fields["Host"]!)")
    }
    try withLarder(before: [origin]) { larder in
      for (target, host, path) in [
        ("http://a.test/1", "evil.test", "/1"), ("HTTP://A.test:80/2?x", "a.test", "/2?x"),
        ("https://a.test/3", "b.test", "/3"), ("http://a.test", "b.test", "/"),
        ("http://a.test?q", "b.test", "/?q"),
        ("http://[::1]:8080/4", "b.test", "/4"),
      ] {
        let client = try larder.send("GET \(target) HTTP/1.1\r\nHost: \(host)\r\n\r\n")
        let response = try client.readResponse()
        let sent = try #require(origin.requests.last)
        let authority = target.drop { $0 != "/" }.dropFirst(2).prefix { $0 != "/" && $0 != "?" }
        #expect(sent.target == path && sent.fields.all("Host") == [String(authority)], "\(target)")
        #expect(response.text == "for \(authority)")
        #expect(sent.fields.all("X-Forwarded-Host") == [String(authority)])
      }
      // What the absolute form fetched is not what its Host would name.
      let other = try larder.fetch("/1", host: "evil.test")
      #expect(other.cacheStatus == "MISS" && other.text == "for evil.test")
    }
    let targets = [
      "http://u@a.test/", "http://u:p@a.test/", "http:///x", "http://", "http:a.test", "http:/a.test/", "//",
      "ftp://a/",
      "http://a.test:/", "http://a.test:0x50/", "http://a.test\\@b.test/", "http://a.test#@b.test/",
      "a.test/", "*", "",
      "http://a b/", "http://[::1/", "https:/x", "ws://a.test/", "http://a.test:99999/",
    ]
    try check(
      targets.filter { $0 != "//" }.map {
        Attack("GET \($0) HTTP/1.1\r\nHost: a.test\r\n\r\n", .refused([400]), because: $0.debugDescription)
      })
  }
}
