import Testing
import TestSupport

@Suite("Bodies in both directions")
struct BodyTests {
  @Test func `a large upload to a slow server is whole, and holds up the client meanwhile`() throws {
    let size = 24 << 20
    let go = Gate("the origin reads")
    let origin = try MisbehavingOrigin { exchange in
      try go.wait()
      let body = try exchange.readBody()
      try exchange.respond(200, [:], "\(body.count) \(body == pattern(body.count))")
    }
    try withLarder(before: [origin]) { larder in
      let sent = Watched(0)
      let client = try larder.client()
      let sender = Task {
        try client.send("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: \(size)\r\n\r\n")
        let body = pattern(size)
        for start in stride(from: 0, to: size, by: 65536) {
          try client.send(Array(body[start..<(start + 65536)]))
          sent.update { $0 += 65536 }
        }
      }
      try origin.awaitRequests(1)
      var before = -1
      try eventually("the client to be held up") {
        let now = sent.read { $0 }
        defer { before = now }
        pause(milliseconds: 300)
        return now == before
      }
      #expect(sent.read { $0 } < size)
      go.open()
      try sender.value()
      #expect(try client.readResponse(to: "PUT").text == "\(size) true")
    }
  }

  @Test func `a large chunked upload is whole`() throws {
    let origin = try MisbehavingOrigin { exchange in
      let body = try exchange.readBody()
      try exchange.respond(200, [:], "\(body.count) \(body == pattern(body.count))")
    }
    try withLarder(before: [origin]) { larder in
      let client = try larder.client()
      let body = pattern(3_000_000)
      try client.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n")
      var start = 0
      var size = 1
      while start < body.count {
        let end = min(body.count, start + size)
        try client.send(Array("\(String(end - start, radix: 16))\r\n".utf8) + body[start..<end] + [13, 10])
        start = end
        size = size * 3 % 100_003 + 1
      }
      try client.send("0\r\n\r\n")
      #expect(try client.readResponse(to: "POST").text == "3000000 true")
    }
  }

  @Test(arguments: ["length", "chunked", "close"])
  func `a large download to a slow client is whole`(_ framing: String) throws {
    let body = pattern(8 << 20)
    let origin = try MisbehavingOrigin { exchange in
      switch framing {
      case "length": try exchange.respond(200, ["Cache-Control": "no-store"], body)
      case "chunked":
        try exchange.sendHead(200, ["Cache-Control": "no-store", "Transfer-Encoding": "chunked"])
        for start in stride(from: 0, to: body.count, by: 1 << 16) {
          try exchange.sendChunk(Array(body[start..<(start + (1 << 16))]))
        }
        try exchange.endChunks()
      default:
        try exchange.sendHead(200, ["Cache-Control": "no-store"])
        try exchange.send(body)
        exchange.close()
      }
    }
    try withLarder(before: [origin]) { larder in
      let client = try larder.client(receiveBuffer: 8192)
      let response = try client.fetch("/")
      #expect(response.isWhole && response.body == body)
      if framing != "close" { #expect(try client.fetch("/").body == body) }
    }
  }

  @Test func `an echo flows in both directions at once`() throws {
    // The origin answers while it reads: what it has sent must reach the client before the upload ends.
    let origin = try MisbehavingOrigin { exchange in
      try exchange.sendHead(200, ["Transfer-Encoding": "chunked"])
      try exchange.sendChunk(Array("early".utf8))
      let body = try exchange.readBody()
      try exchange.sendChunk(Array(" \(body.count)".utf8))
      try exchange.endChunks()
    }
    try withLarder(before: [origin]) { larder in
      let client = try larder.client()
      try client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhalf.")
      var response = try client.readFinalHead(to: "POST")
      #expect(response.status == 200)
      try client.send("other")
      try client.readBody(of: &response)
      #expect(response.text == "early 10")
    }
  }

  @Test func `an early response leaves no unread body to be taken for a request`() throws {
    let origin = try MisbehavingOrigin { exchange in
      if exchange.request.method != "POST" { return try exchange.respond(200, [:], "other") }
      try exchange.respond(403, ["Connection": "close"], "no")
      exchange.close()
    }
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n"
    try withLarder(before: [origin]) { larder in
      for _ in 0..<10 {
        let client = try larder.client()
        try client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\n\(smuggled)")
        #expect(try client.readResponse(to: "POST").status == 403)
        try client.sendAsFarAsTaken(Array(smuggled.utf8))
        client.halfClose()
        #expect(try client.readToEnd().isEmpty)
      }
      #expect(origin.count("/smuggled") == 0)
    }
  }

  @Test func `an early response to a body that then comes whole keeps or ends the connection, cleanly`()
    throws
  {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.respond(exchange.request.method == "POST" ? 403 : 200, [:], "answer to \(exchange.target)")
    }
    try withLarder(before: [origin]) { larder in
      let client = try larder.client()
      try client.send("POST /early HTTP/1.1\r\nHost: a.test\r\nContent-Length: 50000\r\n\r\n")
      let response = try client.readResponse(to: "POST")
      #expect(response.status == 403)
      try client.sendAsFarAsTaken(pattern(50000))
      if response.fields["Connection"]?.lowercased() == "close" {
        #expect(try client.readToEnd().isEmpty)
      } else {
        #expect(try client.fetch("/next").text == "answer to /next")
      }
    }
  }

  @Test func `a client that dies in mid-upload ends the request at the origin, short`() throws {
    let ended = Gate("the origin saw the end")
    let origin = try MisbehavingOrigin { exchange in
      do { try exchange.readBody() } catch SupportError.peerClosed, SupportError.peerReset { ended.open() }
    }
    try withLarder(before: [origin]) { larder in
      for framing in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let client = try larder.client()
        try client.send("POST / HTTP/1.1\r\nHost: a.test\r\n\(framing)\r\n\r\n5\r\nhe")
        try origin.awaitRequests(1)
        client.reset()
        try ended.wait()
      }
    }
  }

  @Test func `a hundred uploads and downloads at once keep their bytes apart`() throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.respond(200, ["Cache-Control": "no-store"], try exchange.readBody())
    }
    try withLarder(before: [origin]) { larder in
      let matches = try inParallel(100) { index in
        let body = pattern(20_000 + index * 997, seed: UInt8(index))
        let client = try larder.client()
        return try (0..<3).allSatisfy { _ in
          try client.fetch("/\(index)", method: "POST", body: body).body == body
        }
      }
      #expect(matches.allSatisfy { $0 })
    }
  }

  /// Longer than a window beyond what was kept: the server is read on only when the readers are known to
  /// have taken what came before.
  @Test(arguments: [1, 3])
  func `L12 a body that turns out too long to be kept arrives whole`(_ readers: Int) throws {
    let body = pattern(6 << 20)
    let origin = try MisbehavingOrigin { exchange in
      try exchange.sendHead(200, ["Cache-Control": "max-age=600", "Transfer-Encoding": "chunked"])
      for start in stride(from: 0, to: body.count, by: 1 << 16) {
        try exchange.sendChunk(Array(body[start..<(start + (1 << 16))]))
      }
      try exchange.endChunks()
    }
    try withLarder(["--max-object", "2MiB"], before: [origin]) { larder in
      let answers = try inParallel(readers) { _ in try larder.fetch("/").body == body }
      #expect(answers.allSatisfy { $0 })
    }
  }
}
