import Testing
import TestSupport

/// S1: bodies that are cut, and bodies that meet a cached page; and what is rare but right.
@Suite("Request bodies that do not fit, S1")
struct RequestBodyDesyncTests {
  @Test(arguments: [false, true])
  func `S1 a chunked body that is cut never reaches the origin as a complete one`(_ resets: Bool) throws {
    let origin = try MisbehavingOrigin { try $0.respond(200, [:], try $0.readBody()) }
    let pieces = [
      "", "5", "5\r", "5\r\n", "5\r\nhel", "5\r\nhello", "5\r\nhello\r", "5\r\nhello\r\n", "5\r\nhello\r\n0",
      "5\r\nhello\r\n0\r", "5\r\nhello\r\n0\r\n", "5\r\nhello\r\n0\r\nX: y", "5\r\nhello\r\n0\r\nX: y\r\n",
      "5\r\nhello\r\n0\r\nX: y\r\n\r", "5;a=\"b", "5\r\nhello\r\n0;a",
    ]
    try withLarder(before: [origin]) { larder in
      for (number, piece) in pieces.enumerated() {
        let client = try larder.send(Attack.chunks(piece))
        try origin.awaitRequests(number + 1)
        if resets { client.reset() } else { client.halfClose() }
        try origin.awaitConnections(open: 0)
        if !resets { #expect(try client.readToEnd().isEmpty, "\(piece.debugDescription)") }
        client.close()
      }
    }
    checkReadings(of: origin.received, [])
  }

  @Test(arguments: ["Transfer-Encoding: chunked", "Content-Length: 20"])
  func `S1 a body that stops coming is ended as a cut one, 408`(_ framing: String) throws {
    let origin = try MisbehavingOrigin { try $0.respond(200, [:], try $0.readBody()) }
    try withLarder(["--body-timeout", "200ms"], before: [origin]) { larder in
      let client = try larder.send(Attack.request(framing, "5\r\nhello\r\n"))
      let text = try client.readToEnd()
      #expect(text.isEmpty || text.hasPrefix("HTTP/1.1 408 "))
    }
    try origin.awaitConnections(open: 0)
    checkReadings(of: origin.received, [])
  }

  @Test func `S1 a chunked body that grows beyond the limit is cut, not ended`() throws {
    let origin = try MisbehavingOrigin { try $0.respond(200, [:], try $0.readBody()) }
    try withLarder(["--max-body", "8"], before: [origin]) { larder in
      let client = try larder.send(Attack.chunks("5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n\(Attack.smuggled)"))
      #expect(try client.readResponse(to: "POST").status == 413)
      #expect(try client.isEnded())
    }
    try origin.awaitConnections(open: 0)
    checkReadings(of: origin.received, [])
  }

  @Test func `S1 a GET with a body for a page that is stored - the body is drained, or the connection ends`()
    throws
  {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.readBody()
      try exchange.respond(200, ["Cache-Control": "max-age=600"], "page")
    }
    let length = "Content-Length: \(Attack.smuggled.utf8.count)"
    let size = String(Attack.smuggled.utf8.count, radix: 16)
    let requests = [
      (length, Attack.smuggled), ("\(length)\r\nExpect: 100-continue", Attack.smuggled),
      ("Transfer-Encoding: chunked", "\(size)\r\n\(Attack.smuggled)\r\n0\r\n\r\n"),
      ("\(length)\r\nCache-Control: only-if-cached", Attack.smuggled),
    ]
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      #expect(try larder.fetch("/").cacheStatus == "HIT")
      for method in ["GET", "HEAD", "PURGE", "TRACE"] {
        for (fields, body) in requests {
          let client = try larder.send(Attack.request(fields, body, method: method))
          let response = try client.readResponse(to: method)
          #expect(response.cacheStatus != "HIT", "\(method) \(fields)")
          // Either the next answer is to the next request, or there is none.
          try client.sendAsFarAsTaken(Array("GET /next HTTP/1.1\r\nHost: a.test\r\nX-Echo: 1\r\n\r\n".utf8))
          if response.fields["Connection"]?.lowercased() == "close" {
            #expect(try client.isEnded(), "\(method) \(fields)")
          } else {
            #expect(try client.readResponse().status == 200, "\(method) \(fields)")
          }
          client.close()
        }
      }
      #expect(origin.count("/smuggled") == 0)
    }
    try origin.awaitConnections(open: 0)
    for reading in LooseReading.allCases {
      for stream in origin.received {
        #expect(!reading.requests(in: stream).contains { $0.line.contains("/smuggled") })
      }
    }
  }

  @Test func `S1 a page stored before is not touched by one with a body`() throws {
    let origin = try MisbehavingOrigin { exchange in
      let body = try exchange.readBody()
      try exchange.respond(
        200, ["Cache-Control": "max-age=600"], "page\(String(decoding: body, as: UTF8.self))")
    }
    try withLarder(before: [origin]) { larder in
      let client = try larder.client()
      #expect(try client.fetch("/", body: Array(" of evil".utf8)).text == "page of evil")
      #expect(try client.fetch("/").cacheStatus == "MISS")
      #expect(try client.fetch("/", body: Array(" of evil".utf8)).cacheStatus == "BYPASS")
      let after = try client.fetch("/")
      #expect(after.cacheStatus == "HIT" && after.text == "page")
    }
  }

  @Test func `S1 a server that leaves a body unread is not asked again on that connection`() throws {
    let origin = try MisbehavingOrigin { exchange in
      // Answers without looking at the body, as servers of static files do.
      try exchange.respond(200, [:], "page")
      try exchange.readBody()
    }
    try withLarder(["--workers", "1"], before: [origin]) { larder in
      let client = try larder.client()
      for method in ["GET", "HEAD", "DELETE"] {
        _ = try client.fetch("/\(method)", method: method, body: Array(Attack.smuggled.utf8))
        #expect(try client.fetch("/after").text == "page")
        let with = try #require(origin.requests(for: "/\(method)").last)
        let after = try #require(origin.requests(for: "/after").last)
        #expect(with.fields["Connection"] == "close" && with.connection != after.connection, "\(method)")
      }
    }
  }

  @Test func `S1 what is rare but right passes, with the same bytes`() throws {
    let origin = try MisbehavingOrigin { try $0.respond(200, [:], try $0.readBody()) }
    let bodies = [
      ("5\r\nhello\r\n0\r\n\r\n", "plain"), ("5;a\r\nhello\r\n0\r\n\r\n", "an extension without a value"),
      ("5;a=b;c=\"d;\\\"e\\\\\"\r\nhello\r\n0\r\n\r\n", "extensions with values"),
      ("5 ; a = b\r\nhello\r\n0\r\n\r\n", "whitespace around an extension"),
      ("5\t;\ta\t=\t\"b c\"\r\nhello\r\n0;z\r\n\r\n", "tabs, and an extension of the last chunk"),
      ("5\r\nhello\r\n0\r\nX-T: a\r\nX-U:\r\n\r\n", "trailers"),
      ("0005\r\nhello\r\n000\r\n\r\n", "zeros before a size"),
      ("0000000000000005\r\nhello\r\n0\r\n\r\n", "sixteen digits"),
      ("1\r\nh\r\n1\r\ne\r\n3\r\nllo\r\n0\r\n\r\n", "chunks of a byte"),
    ]
    let long = String(repeating: "z", count: 175)
    try withLarder(before: [origin]) { larder in
      let client = try larder.client()
      for (body, reason) in bodies {
        try client.send(Attack.chunks(body))
        #expect(try client.readResponse(to: "POST").text == "hello", "\(reason)")
      }
      for size in ["af", "AF", "aF", "0Af"] {
        try client.send(Attack.chunks("\(size)\r\n\(long)\r\n0\r\n\r\n"))
        #expect(try client.readResponse(to: "POST").text == long, "\(size)")
      }
      try client.send(
        "\r\nGET http://a.test/x HTTP/1.1\r\nhost:\ta.test\t\r\nX-Empty:\r\nX-Tab:\t a\tb \t\r\n\r\n")
      #expect(try client.readResponse().status == 200)
      let sent = try #require(origin.requests.last)
      #expect(sent.target == "/x" && sent.fields["X-Empty"] == "" && sent.fields["X-Tab"] == "a\tb")
      try client.send(
        Array("GET / HTTP/1.1\r\nHost: a.test\r\nX-Text: caf".utf8) + [0xe9, 0xff, 0x80]
          + Array("\r\n\r\n".utf8))
      #expect(try client.readResponse().status == 200)
      let text = try #require(origin.requests.last).rawHead
      #expect(text.contains([UInt8]("X-Text: caf".utf8) + [0xe9, 0xff, 0x80, 13, 10]))
      try client.send("GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n")
      #expect(try client.readResponse().fields["Connection"]?.lowercased() == "keep-alive")
      try client.send("OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n")
      #expect(try client.readResponse().status == 200)
    }
  }
}
