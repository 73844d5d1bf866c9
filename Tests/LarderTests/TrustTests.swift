import Foundation
import Testing
import TestSupport

@Suite("Trust, L24 to L26")
struct TrustTests {
  private func origin() throws -> MisbehavingOrigin {
    try MisbehavingOrigin { try $0.respond(200, ["Cache-Control": "no-store"], "page") }
  }

  private let forged: Fields = [
    "X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.test",
    "Forwarded": "for=203.0.113.7;proto=https;host=evil.test",
  ]

  @Test func `L24 what an untrusted client says about its way here is replaced by what we know`() throws {
    let origin = try origin()
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/", fields: forged)
      let fields = try #require(origin.requests.first).fields
      #expect(fields.all("X-Forwarded-For") == ["127.0.0.1"])
      #expect(fields.all("X-Forwarded-Proto") == ["http"])
      #expect(fields.all("X-Forwarded-Host") == ["a.test"])
      let forwarded = fields.all("Forwarded")
      #expect(forwarded.count == 1 && forwarded[0].contains("for=127.0.0.1"))
      #expect(!fields.text.contains("203.0.113.7") && !fields.text.contains("evil.test"))
    }
  }

  @Test func `L24 a trusted proxy's word is kept, and our own peer is added`() throws {
    let origin = try origin()
    try withLarder(["--trusted-proxy", "127.0.0.0/8"], before: [origin]) { larder in
      _ = try larder.fetch("/", fields: forged)
      let fields = try #require(origin.requests.first).fields
      #expect(fields["X-Forwarded-For"] == "203.0.113.7, 127.0.0.1")
      #expect(fields["X-Forwarded-Proto"] == "https")
      #expect(fields["Forwarded"]?.hasPrefix("for=203.0.113.7") == true)
    }
  }

  @Test(
    arguments: [
      ["X-Forwarded-For": "203.0.113.7"], ["Forwarded": "for=203.0.113.7"], ["Via": "1.1 terminator"],
    ] as [Fields])
  func `L24 a request that came through somebody never counts as loopback for a purge`(_ fields: Fields)
    throws
  {
    let origin = try origin()
    try withLarder(before: [origin]) { larder throws in
      #expect(try larder.fetch("/", method: "PURGE", fields: fields).status == 403)
      #expect(try larder.fetch("/", method: "PURGE").status == 200)
    }
  }

  @Test func `L24 behind a trusted proxy the client's own address decides about a purge`() throws {
    let origin = try origin()
    let flags = ["--trusted-proxy", "127.0.0.1/32", "--purge-from", "203.0.113.0/24"]
    try withLarder(flags, before: [origin]) { larder throws in
      #expect(
        try larder.fetch("/", method: "PURGE", fields: ["X-Forwarded-For": "203.0.113.7"]).status == 200)
      #expect(
        try larder.fetch("/", method: "PURGE", fields: ["X-Forwarded-For": "198.51.100.1"]).status == 403)
      // Only the nearest address that no trusted proxy vouches for counts; what is left of it is hearsay.
      let hearsay: Fields = ["X-Forwarded-For": "203.0.113.7, 198.51.100.1"]
      #expect(try larder.fetch("/", method: "PURGE", fields: hearsay).status == 403)
    }
  }

  @Test(arguments: [
    ("X-Forwarded-For", "203.0.113.7:1234", 200), ("X-Forwarded-For", "[2001:db8::7]:1234", 200),
    ("X-Forwarded-For", "2001:db8::7", 200), ("X-Forwarded-For", "[2001:db8::7", 403),
    ("Forwarded", "for=203.0.113.7", 200), ("Forwarded", "proto=http;For=\"203.0.113.7:1234\"", 200),
    ("Forwarded", "for=\"[2001:db8::7]:1234\";by=_a", 200), ("Forwarded", "for=198.51.100.1", 403),
    ("Forwarded", "for=203.0.113.7, for=198.51.100.1", 403), ("Forwarded", "for=unknown", 403),
    ("Forwarded", "for=203.0.113.7, for=127.0.0.1", 200),  // the nearest is a trusted proxy itself
    ("Forwarded", "for=203.0.113.7;for=203.0.113.7", 403), ("Forwarded", "by=203.0.113.7", 403),
    ("Forwarded", "for=\"203.0.113.7", 403), ("Forwarded", "for=\"203.0.113\\.7\"", 403),
    ("Forwarded", "secret=\"for=203.0.113.7;for=\"", 403),
    ("Forwarded", "for=203.0.113.7\r\nX-Forwarded-For: 198.51.100.1", 403),
  ])
  func `L24 a trusted proxy may name the client in any form that is in use`(
    _ name: String, _ value: String, _ status: Int
  ) throws {
    let origin = try origin()
    let flags = [
      "--trusted-proxy", "127.0.0.1/32", "--purge-from", "203.0.113.0/24", "--purge-from", "2001:db8::/32",
    ]
    try withLarder(flags, before: [origin]) { larder throws in
      #expect(
        try larder.fetch("/", method: "PURGE", fields: Fields([(name: name, value: value)])).status == status)
    }
  }

  @Test(
    arguments: [
      (["Forwarded": "for=203.0.113.7;proto=https"], "https"), (["Forwarded": "for=203.0.113.7"], "http"),
      (["Forwarded": "for=203.0.113.7;proto=\"HTTPS\", for=127.0.0.1;proto=http"], "https"),
      (["Forwarded": "for=203.0.113.7;proto=https", "X-Forwarded-Proto": "http"], "http"),
      (["Forwarded": "for=203.0.113.7;proto=https", "X-Forwarded-For": "203.0.113.7"], "http"),
    ] as [(Fields, String)])
  func `L24 the scheme is that of the client's own hop`(_ fields: Fields, _ scheme: String) throws {
    let origin = try origin()
    let flags = ["--trusted-proxy", "127.0.0.1/32", "--key", "$scheme$host$uri", "--purge-from", "none"]
    try withLarder(flags, before: [origin]) { larder in
      let response = try larder.fetch("/", fields: fields)
      // Trusted peers are told the key.
      #expect(response.fields["Cache-Status"]?.contains("key=\"\(scheme) ") == true, "\(response)")
    }
  }

  @Test func `L24 PROXY protocol, version 1`() throws {
    let origin = try origin()
    try withLarder(["--listen", "127.0.0.1:0,proxy"], before: [origin]) { larder in
      let client = try larder.client()
      try client.send("PROXY TCP4 203.0.113.7 198.51.100.1 5555 80\r\n")
      #expect(try client.fetch("/").status == 200)
      #expect(origin.requests.first?.fields["X-Forwarded-For"] == "203.0.113.7")
    }
  }

  @Test func `L24 PROXY protocol, version 2`() throws {
    let origin = try origin()
    try withLarder(["--listen", "127.0.0.1:0,proxy"], before: [origin]) { larder in
      let client = try larder.client()
      let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10]
      let addresses: [UInt8] = [203, 0, 113, 7, 198, 51, 100, 1, 0x15, 0xb3, 0, 80]
      try client.send(signature + [0x21, 0x11, 0, 12] + addresses)
      #expect(try client.fetch("/").status == 200)
      #expect(origin.requests.first?.fields["X-Forwarded-For"] == "203.0.113.7")
    }
  }

  @Test(arguments: [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PROXY TCP4 203.0.113.7\r\n", "PROXY TCP9 1.2.3.4 1.2.3.4 1 2\r\n",
    "PROXY TCP4 203.0.113.777 198.51.100.1 5555 80\r\n", "\r\n\r\n\0\r\nQUIT\nnonsense nonsense",
  ])
  func `L24 a listener for the PROXY protocol closes on whoever does not speak it`(_ bytes: String) throws {
    let origin = try origin()
    try withLarder(["--listen", "127.0.0.1:0,proxy"], before: [origin]) { larder in
      let client = try larder.send(bytes)
      let text = try client.readToEnd()
      #expect(text.isEmpty || text.hasPrefix("HTTP/1.1 400"))
      #expect(origin.requests.isEmpty)
    }
  }

  @Test func `L24 the TLS record of version 2 gives the scheme`() throws {
    let origin = try origin()
    try withLarder(["--listen", "127.0.0.1:0,proxy"], before: [origin]) { larder in
      let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10]
      let addresses: [UInt8] = [203, 0, 113, 7, 198, 51, 100, 1, 0x15, 0xb3, 0, 80]
      for (flags, scheme) in [(UInt8(1), "https"), (0, "http")] {
        let client = try larder.client()
        try client.send(signature + [0x21, 0x11, 0, 20] + addresses + [0x20, 0, 5, flags, 0, 0, 0, 0])
        #expect(try client.fetch("/").status == 200)
        #expect(origin.requests.last?.fields["X-Forwarded-Proto"] == scheme)
      }
    }
  }

  @Test(arguments: ["v1", "v2"])
  func `L24 a server is told for whom each connection is made, once, and gets one request on it`(
    _ version: String
  ) throws {
    let origin = try MisbehavingOrigin(expectsProxyHeader: true) {
      try $0.respond(200, ["Cache-Control": "no-store"], "page")
    }
    try withLarder(backends: ["\(origin.address),proxy=\(version)"]) { larder in
      let clients = try (0..<2).map { _ in try larder.client() }
      for client in clients + clients { #expect(try client.fetch("/").text == "page") }
      #expect(origin.connectionCount == 4 && origin.requests.count == 4)
      let expected = (clients + clients).map { client -> [UInt8] in
        let (from, to) = (client.socket.localPort, larder.port)
        if version == "v1" { return Array("PROXY TCP4 127.0.0.1 127.0.0.1 \(from) \(to)\r\n".utf8) }
        let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10]
        let ports = [from, to].flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }
        return signature + [0x21, 0x11, 0, 12, 127, 0, 0, 1, 127, 0, 0, 1] + ports
      }
      #expect(origin.proxyHeaders == expected)
    }
  }

  @Test func `L24 what a PROXY header or a trusted proxy says of the client goes on to the server`() throws {
    let origin = try MisbehavingOrigin(expectsProxyHeader: true) { try $0.respond(200, [:], "page") }
    let flags = ["--listen", "127.0.0.1:0,proxy", "--trusted-proxy", "203.0.113.0/24"]
    try withLarder(flags, backends: ["\(origin.address),proxy=v1"]) { larder in
      for (line, field) in [
        ("TCP4 198.51.100.7 198.51.100.1 5555 80", "192.0.2.1"), ("UNKNOWN", "192.0.2.1"),
        ("TCP4 203.0.113.7 198.51.100.1 5555 80", "192.0.2.1"),
      ] {
        let client = try larder.client()
        try client.send("PROXY \(line)\r\n")
        #expect(try client.fetch("/\(line.count)", fields: ["X-Forwarded-For": field]).text == "page")
      }
      let heads = origin.proxyHeaders.map { String(decoding: $0, as: UTF8.self) }
      #expect(heads[0] == "PROXY TCP4 198.51.100.7 127.0.0.1 5555 \(larder.port)\r\n")
      #expect(heads[1].hasPrefix("PROXY TCP4 127.0.0.1 127.0.0.1 "))
      #expect(heads[2] == "PROXY TCP4 192.0.2.1 127.0.0.1 0 \(larder.port)\r\n")
    }
  }

  @Test func `L25 a request that passed here twice already is a loop, 508`() throws {
    let origin = try origin()
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      let via = try #require(origin.requests.first?.fields["Via"])
      #expect(try larder.fetch("/", fields: ["Via": via]).status == 200)
      #expect(try larder.fetch("/", fields: ["Via": via, "Via": via]).status == 508)
      #expect(try larder.fetch("/", fields: ["Via": "\(via), 1.1 other, \(via)"]).status == 508)
      #expect(try larder.fetch("/", fields: ["Via": "1.1 other, 1.1 other"]).status == 200)
      let name = String(via.dropFirst("1.1 ".count))
      #expect(try larder.fetch("/", fields: ["CDN-Loop": "\(name); a=1"]).status == 200)
      #expect(try larder.fetch("/", fields: ["CDN-Loop": "\(name), other, \(name); a=1"]).status == 508)
    }
  }

  @Test func `L25 a proxy that is its own backend ends with 508, not with all connections taken`() throws {
    let port = try refusingPort()
    let flags = ["--listen", "127.0.0.1:\(port)"]
    try withLarder(flags, backends: ["127.0.0.1:\(port)"]) { larder throws in
      #expect(try larder.fetch("/").status == 508)
    }
  }

  @Test(
    arguments: [
      ([], "a.test"), (["--host-header", "origin.test"], "origin.test"),
      (["--host-header", "preserve"], "a.test"), (["--host-header", "backend"], nil),
    ] as [([String], String?)])
  func `L25 Host is kept unless a flag says otherwise`(_ flags: [String], _ host: String?) throws {
    let origin = try origin()
    try withLarder(flags, before: [origin]) { larder in
      _ = try larder.fetch("/")
      #expect(origin.requests.first?.fields.all("Host") == [host ?? origin.address])
    }
  }

  @Test func `L26 health, readiness and metrics need no token`() throws {
    let origin = try origin()
    try withLarder(["--admin-token", "s3cret"], before: [origin]) { larder throws in
      for target in ["/health", "/ready", "/metrics"] {
        #expect(try larder.admin(target, host: "evil.test").status == 200, "\(target)")
      }
    }
  }

  @Test func `L26 a purge needs JSON and a literal loopback Host, or a token`() throws {
    let origin = try origin()
    let body = #"{"url": "http://a.test/"}"#
    let json: Fields = ["Content-Type": "application/json"]
    try withLarder(["--admin-token", "s3cret"], before: [origin]) { larder throws in
      func purge(host: String? = nil, _ fields: Fields) throws -> Int {
        try larder.admin("/purge", method: "POST", host: host, fields: fields, body: body).status
      }
      let token: Fields = ["Authorization": "Bearer s3cret"]
      #expect(try purge(host: "admin.test", json + token) == 200)
      #expect(try [401, 403].contains(purge(host: "admin.test", json)))
      #expect(try [401, 403].contains(purge(host: "admin.test", json + ["Authorization": "Bearer s3cre"])))
      #expect(try [401, 403].contains(purge(host: "admin.test", json + ["Authorization": "Bearer s3cretx"])))
    }
    try withLarder(before: [origin]) { larder throws in
      func purge(host: String? = nil, _ fields: Fields) throws -> Int {
        try larder.admin("/purge", method: "POST", host: host, fields: fields, body: body).status
      }
      #expect(try purge(json) == 200)
      for host in ["localhost", "127.0.0.1", "[::1]", "localhost:\(larder.adminPort)"] {
        #expect(try purge(host: host, json) == 200, "\(host)")
      }
      // DNS rebinding: the browser believes that it speaks to the attacker's own host.
      for host in ["evil.test", "127.0.0.1.evil.test", "localhost.evil.test"] {
        #expect(try purge(host: host, json) == 403, "\(host)")
      }
      // What a form on any web page can send without asking.
      for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        #expect(try [403, 415].contains(purge(["Content-Type": kind])), "\(kind)")
      }
      #expect(try [403, 415].contains(purge([:])))
      #expect(try purge(json + ["X-Forwarded-For": "203.0.113.7"]) == 403)  // L24
    }
  }

  @Test func `L26 only POST purges, and unknown paths are not found`() throws {
    let origin = try origin()
    try withLarder(before: [origin]) { larder throws in
      #expect(try larder.admin("/purge").status == 405)
      #expect(try larder.admin("/nothing").status == 404)
      #expect(try larder.admin("/").status != 500)
      #expect(try larder.admin("/health", method: "HEAD").status == 200)
      #expect(try larder.admin("/metrics", method: "DELETE").status == 405)
    }
  }
}
