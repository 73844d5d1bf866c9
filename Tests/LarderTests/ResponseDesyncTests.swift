import Testing
import TestSupport

/// S2: answers that could be taken for another's. Whatever is in doubt is a 502, and its connection is not
/// used again.
@Suite("Responses that desynchronise, S2")
struct ResponseDesyncTests {
  private static let forged =
    "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nCache-Control: max-age=600\r\n\r\nforged"

  /// An origin that answers `/doubt` with `bytes` and keeps its connection, and others well.
  private func origin(_ bytes: String) throws -> MisbehavingOrigin {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.respond(200, ["Cache-Control": "no-store"], "right \(exchange.target)")
    }
    origin.on("/doubt") { try $0.send(bytes) }
    return origin
  }

  /// Asks for `/doubt`, then for others, all through one worker; returns the answer to the first.
  private func ask(_ origin: MisbehavingOrigin, method: String = "GET", fields: Fields = [:]) throws
    -> Response
  {
    try withLarder(["--workers", "1"], before: [origin]) { larder in
      let client = try larder.client()
      let response = try client.fetch("/doubt", method: method, fields: fields)
      for number in 0..<3 {
        let next = try client.fetch("/\(number)")
        #expect(next.status == 200 && next.text == "right /\(number)")
      }
      let doubtful = Set(origin.requests(for: "/doubt").map(\.connection))
      let others = Set(origin.requests.filter { $0.target != "/doubt" }.map(\.connection))
      #expect(doubtful.isDisjoint(with: others), "a connection in doubt was used again")
      return response
    }
  }

  @Test(arguments: [
    ("both framings", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("both, turned", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    ("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\nok"),
    ("two equal lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok"),
    ("a list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok"),
    ("a hidden coding", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding : chunked\r\n\r\nok"),
    ("a folded coding", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding:\r\n chunked\r\n\r\nok"),
    ("chunked in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
    (
      "a coding that is unknown", "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    ),
    ("chunked twice", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    ("a length for 204", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"),
    ("chunks for 204", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("a length for 103", "HTTP/1.1 103 Hints\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n\r\n"),
    ("chunks for 103", "HTTP/1.1 103 Hints\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("a change of protocols", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"),
    ("a 304 to a question that had no condition", "HTTP/1.1 304 Not Modified\r\n\r\n"),
    ("a response before the status line", "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    ("a bare LF", "HTTP/1.1 200 OK\r\nX: a\nContent-Length: 2\r\n\r\nok"),
    ("a bare CR", "HTTP/1.1 200 OK\r\nX: a\rContent-Length: 2\r\n\r\nok"),
    ("a bad first chunk", "HTTP/1.1 204 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
  ])
  func `S2 a response that two parsers could read differently is a 502`(_ name: String, _ bytes: String)
    throws
  {
    let response = try ask(origin(bytes))
    #expect(response.status == 502, "\(name)")
    #expect(response.fields["Content-Length"] == "\(response.body.count)" && !response.text.contains("ok"))
  }

  @Test(arguments: [
    ("a length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    ("no body", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ("chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
    ("204", "HTTP/1.1 204 No Content\r\n\r\n"),
    ("an error", "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno"),
  ])
  func `S2 what comes behind a response is nobody's answer`(_ name: String, _ bytes: String) throws {
    for leftover in [Self.forged, "\r\n", "x", "\0", String(repeating: Self.forged, count: 2000)] {
      let response = try ask(origin(bytes + leftover))
      #expect([200, 204, 500].contains(response.status) && response.body.count <= 2, "\(name)")
    }
  }

  @Test(arguments: ["HEAD", "304", "205", "GET"])
  func `S2 a body where there can be none is nobody's answer`(_ way: String) throws {
    let length = "Content-Length: \(way == "HEAD" || way == "304" ? Self.forged.utf8.count : 0)"
    let line = way == "304" ? "304 Not Modified" : way == "205" ? "205 Reset" : "200 OK"
    let origin = try origin("HTTP/1.1 \(line)\r\n\(length)\r\n\r\n\(Self.forged)")
    let response =
      switch way {
      // Past the cache, so that it is a HEAD for the origin too.
      case "HEAD": try ask(origin, method: "HEAD", fields: ["Authorization": "x", "If-Match": "\"a\""])
      case "304": try ask(origin, fields: ["If-None-Match": "\"a\"", "If-Match": "\"a\""])
      default: try ask(origin)
      }
    #expect(response.body.isEmpty && response.status == (Int(way) ?? 200))
  }

  @Test func `S2 bytes that come after the response, but before the next request, end the connection`() throws
  {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.respond(200, ["Cache-Control": "no-store"], "right \(exchange.target)")
    }
    let mayForge = Gate("the first answer is read")
    origin.on("/doubt") { exchange in
      try exchange.respond(200, [:], "right")
      try mayForge.wait()
      try exchange.send(Self.forged)
      try exchange.awaitPeerClose()
    }
    try withLarder(["--workers", "1"], before: [origin]) { larder in
      let client = try larder.client()
      #expect(try client.fetch("/doubt").text == "right")
      mayForge.open()
      try origin.awaitConnections(open: 0)
      #expect(try client.fetch("/next").text == "right /next")
    }
  }

  @Test func `S2 an early response ends the connection that the body was meant for`() throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.respond(200, ["Cache-Control": "no-store"], "right \(exchange.target)")
    }
    origin.on("/doubt") { exchange in
      try exchange.respond(403, [:], "early")
      try exchange.awaitPeerClose()
    }
    for framing in ["Content-Length: 1000", "Transfer-Encoding: chunked"] {
      try withLarder(["--workers", "1"], before: [origin]) { larder in
        let client = try larder.send("POST /doubt HTTP/1.1\r\nHost: a.test\r\n\(framing)\r\n\r\n")
        let response = try client.readResponse(to: "POST")
        #expect(
          response.status == 403 && response.text == "early" && response.fields["Connection"] == "close")
        try client.sendAsFarAsTaken(Array(Attack.smuggled.utf8))
        #expect(try client.isEnded())
        #expect(try larder.fetch("/next").text == "right /next")
      }
    }
    #expect(origin.count("/smuggled") == 0)
    let doubtful = Set(origin.requests(for: "/doubt").map(\.connection))
    #expect(doubtful.isDisjoint(with: origin.requests(for: "/next").map(\.connection)))
  }

  @Test func `S2 a storm of interim responses is no answer, and its connection is not used again`() throws {
    let hint = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    let response = try ask(origin(String(repeating: hint, count: 1000) + Self.forged))
    #expect(response.status == 502 && response.interim.count <= 16)
  }

  @Test func `S2 an interim response gives away nothing of the connection, nor one client's cookie`() throws {
    let hint =
      "HTTP/1.1 103 Early Hints\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\n"
      + "Content-Length: 0\r\nSet-Cookie: id=1\r\nLink: </a>\r\n\r\n"
    let origin = try MisbehavingOrigin { exchange in
      try exchange.send(hint)
      try exchange.respond(200, ["Cache-Control": "max-age=60"], "page")
    }
    try withLarder(before: [origin]) { larder in
      let interim = try #require(try larder.fetch("/").interim.first)
      #expect(interim.status == 103 && interim.fields.names == ["link"])
      let own = try larder.fetch("/", method: "POST", body: [])
      #expect(own.interim.first?.fields.names == ["set-cookie", "link"])
    }
  }

  @Test func `S2 a response in pieces with another behind it is not mixed up, wherever it is cut`() throws {
    let whole = Array(
      ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + Self.forged).utf8)
    let origin = try MisbehavingOrigin { exchange in
      guard let cut = Int(exchange.target.dropFirst()) else { return try exchange.respond(200, [:], "right") }
      try exchange.send(Array(whole[..<cut]))
      try exchange.send(Array(whole[cut...]))
      try exchange.awaitPeerClose()
    }
    try withLarder(["--workers", "1"], before: [origin]) { larder in
      let client = try larder.client()
      for cut in 1..<whole.count {
        #expect(try client.fetch("/\(cut)").text == "ok", "cut at \(cut)")
        #expect(try client.fetch("/right", fields: ["Authorization": "x"]).text == "right", "after \(cut)")
      }
    }
  }
}
