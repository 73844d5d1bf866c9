import Testing
import TestSupport

@Suite("What is forwarded, RFC 9110 §7.6")
struct ForwardingTests {
  @Test func `hop-by-hop fields of a request end here, with those that Connection names`() throws {
    let origin = try MisbehavingOrigin { try $0.respond(200, [:], "page") }
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch(
        "/",
        fields: [
          "Connection": "keep-alive, X-Hop", "Connection": "x-second", "X-Hop": "1", "X-Second": "2",
          "Keep-Alive": "timeout=5", "Proxy-Connection": "keep-alive", "TE": "trailers", "Trailer": "X-T",
          "Upgrade": "websocket", "Proxy-Authorization": "Basic eA==", "X-End": "stays", "Cookie": "a=b",
          "Accept": "text/html", "User-Agent": "tester/1",
        ])
      let fields = try #require(origin.requests.first).fields
      let gone = [
        "X-Hop", "X-Second", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Upgrade",
        "Proxy-Authorization",
      ]
      for name in gone { #expect(fields[name] == nil, "\(name)") }
      #expect(fields["X-End"] == "stays" && fields["Cookie"] == "a=b" && fields["Accept"] == "text/html")
      #expect(fields["User-Agent"] == "tester/1")
      #expect(fields["Connection"].map { $0.lowercased() == "keep-alive" } ?? true)
      #expect(fields["Via"]?.hasPrefix("1.1 ") == true)
    }
  }

  @Test func `Connection cannot remove what framing and routing rest on`() throws {
    let origin = try MisbehavingOrigin { try $0.respond(200, [:], try $0.readBody()) }
    try withLarder(before: [origin]) { larder in
      let response = try larder.fetch(
        "/", method: "POST",
        fields: ["Connection": "Host, Content-Length, X-Forwarded-For, Cache-Control, Authorization"],
        body: Array("body".utf8))
      guard response.status != 400 else { return }  // refusing it is as good
      #expect(response.text == "body")
      let fields = try #require(origin.requests.first).fields
      #expect(fields["Host"] == "a.test" && fields["X-Forwarded-For"] == "127.0.0.1")
    }
  }

  @Test func `hop-by-hop fields of a response end here, from the cache too`() throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.respond(
        200,
        [
          "Cache-Control": "max-age=600", "Connection": "X-Hop", "X-Hop": "1", "Keep-Alive": "timeout=5",
          "Proxy-Connection": "close", "Upgrade": "h2c", "Trailer": "X-T", "X-End": "stays",
          "X-Dup": "1", "X-Dup": "2",
        ], "page")
    }
    try withLarder(before: [origin]) { larder in
      for word in ["MISS", "HIT"] {
        let response = try larder.fetch("/")
        #expect(response.cacheStatus == word)
        for name in ["X-Hop", "Keep-Alive", "Proxy-Connection", "Upgrade", "Trailer"] {
          #expect(response.fields[name] == nil, "\(name) in a \(word)")
        }
        #expect(response.fields["X-End"] == "stays" && response.fields.all("X-Dup") == ["1", "2"])
        #expect(response.fields["Via"]?.contains("1.1 ") == true)
      }
    }
  }

  @Test func `Via is added to what was there, in both directions`() throws {
    let origin = try MisbehavingOrigin { try $0.respond(200, ["Via": "1.1 inner"], "page") }
    try withLarder(before: [origin]) { larder in
      let response = try larder.fetch("/", fields: ["Via": "1.0 outer"])
      #expect(origin.requests.first?.fields["Via"]?.hasPrefix("1.0 outer, 1.1 ") == true)
      #expect(response.fields["Via"]?.hasPrefix("1.1 inner, 1.1 ") == true)
    }
  }

  @Test func `fields keep their order, case and bytes`() throws {
    let value = "caf\u{e9} \u{1f600} a  b\tc"
    let origin = try MisbehavingOrigin {
      try $0.respond(200, ["x-lower": "1", "X-UPPER": "2", "X-Text": value], "p")
    }
    try withLarder(before: [origin]) { larder in
      let response = try larder.fetch("/", fields: ["x-lower": "1", "X-UPPER": "2", "X-Text": value])
      for lines in [response.fields.lines, try #require(origin.requests.first).fields.lines] {
        let own = lines.filter { $0.name.lowercased().hasPrefix("x-") && !$0.name.contains("Forw") }
        let names = own.map(\.name).filter { ["x-lower", "X-UPPER", "X-Text"].contains($0) }
        #expect(names == ["x-lower", "X-UPPER", "X-Text"])
        #expect(own.first { $0.name == "X-Text" }?.value == value)
      }
    }
  }

  @Test func `status and reason pass as they are, also unknown ones`() throws {
    let origin = try MisbehavingOrigin()
    for status in [200, 226, 299, 404, 418, 451, 499, 511, 599] {
      origin.on("/\(status)") { try $0.respond(status, [:], "\(status)") }
    }
    try withLarder(before: [origin]) { larder in
      for status in [200, 226, 299, 404, 418, 451, 499, 511, 599] {
        let response = try larder.fetch("/\(status)")
        #expect(response.status == status && response.text == "\(status)")
      }
    }
  }

  @Test func `a response without Date is given one`() throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nCache-Control: max-age=60\r\n\r\nok")
    }
    try withLarder(before: [origin]) { larder throws in
      for _ in 0..<2 { #expect(try larder.fetch("/").fields.all("Date").count == 1) }
    }
  }

  @Test func `a request body is forwarded intact, by length and by chunks`() throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.respond(200, [:], try exchange.readBody())
    }
    try withLarder(before: [origin]) { larder in
      let client = try larder.client()
      let body = pattern(100_000)
      #expect(try client.fetch("/length", method: "PUT", body: body).body == body)
      try client.send("POST /chunked HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n")
      try client.send("5;ext=\"a;b\"\r\nhello\r\n1\r\n \r\n00005\r\nworld\r\n")
      try client.send("0\r\nX-Trailer: dropped\r\n\r\n")
      #expect(try client.readResponse().text == "hello world")
      let sent = try #require(origin.requests.last)
      let raw = String(decoding: sent.rawBody, as: UTF8.self)
      #expect(!raw.contains("ext") && !raw.contains("X-Trailer"))
      #expect(sent.fields.all("Content-Length").count + sent.fields.all("Transfer-Encoding").count == 1)
      #expect(try client.fetch("/empty", method: "POST", body: []).body.isEmpty)
      #expect(origin.requests.last?.fields["Content-Length"] == "0")
    }
  }

  @Test func `a chunked body is forwarded at every split of its bytes`() throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.respond(200, [:], try exchange.readBody())
    }
    let text =
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\nbody\r\n0\r\nA: b\r\n\r\n"
    let bytes = Array(text.utf8)
    try withLarder(before: [origin]) { larder in
      let client = try larder.client()
      for split in 1..<bytes.count {
        try client.send(Array(bytes[..<split]))
        try client.send(Array(bytes[split...]))
        #expect(try client.readResponse().text == "body", "split at \(split)")
      }
    }
  }

  @Test func `OPTIONS and TRACE respect Max-Forwards, and the asterisk form passes`() throws {
    let origin = try MisbehavingOrigin { try $0.respond(200, ["X-Target": $0.target], "page") }
    try withLarder(before: [origin]) { larder in
      #expect(try larder.fetch("*", method: "OPTIONS").fields["X-Target"] == "*")
      let seen = origin.requests.count
      _ = try larder.fetch("/", method: "OPTIONS", fields: ["Max-Forwards": "0"])
      #expect(origin.requests.count == seen)
      _ = try larder.fetch("/", method: "OPTIONS", fields: ["Max-Forwards": "3"])
      #expect(origin.requests.last?.fields["Max-Forwards"] == "2")
    }
  }
}
