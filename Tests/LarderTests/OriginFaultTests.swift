import Testing
import TestSupport

@Suite("Origins that misbehave")
struct OriginFaultTests {
  @Test(arguments: [
    "length", "chunk", "between chunks", "reset", "bad chunk", "long chunk data", "reset chunk",
  ])
  func `an origin that dies in mid-body - the client sees a cut, nothing is stored`(_ way: String) throws {
    let origin = try MisbehavingOrigin { exchange in
      if exchange.visit > 0 { return try exchange.respond(200, ["Cache-Control": "max-age=600"], "whole") }
      let length: Fields = ["Content-Length": "100"]
      let chunked: Fields = ["Transfer-Encoding": "chunked"]
      let isByLength = way == "length" || way == "reset"
      try exchange.sendHead(200, ["Cache-Control": "max-age=600"] + (isByLength ? length : chunked))
      switch way {
      case "length", "reset": try exchange.send("part")
      case "chunk", "reset chunk": try exchange.send("a\r\npart")
      case "between chunks": try exchange.send("4\r\npart\r\n")
      case "bad chunk": try exchange.send("4\r\npart\r\nzz\r\n")
      default: try exchange.send("4\r\npartpart\r\n0\r\n\r\n")
      }
      if way.hasPrefix("reset") { exchange.reset() } else { exchange.close() }
    }
    try withLarder(before: [origin]) { larder in
      let client = try larder.client()
      try client.sendRequest("/")
      var response = try client.readFinalHead()
      // What is known before the head is sent may still be a 502.
      if response.status == 200 {
        try client.readBody(of: &response)
        #expect(!response.isWhole)
        #expect(response.text.hasPrefix("part") || response.body.count < 4)
      } else {
        #expect(response.status == 502)
      }
      let second = try larder.fetch("/")
      #expect(second.text == "whole" && second.cacheStatus != "HIT")
    }
  }

  @Test func `all readers of a fill that dies see the cut`() throws {
    let die = Gate("the origin dies")
    let origin = try MisbehavingOrigin { exchange in
      try exchange.sendHead(200, ["Cache-Control": "max-age=600", "Content-Length": "100"])
      try exchange.send("part")
      try die.wait()
      exchange.reset()
    }
    try withLarder(before: [origin]) { larder in
      var readers: [(RawClient, Response)] = []
      for _ in 0..<10 {
        let client = try larder.client()
        try client.sendRequest("/")
        var response = try client.readFinalHead()
        try client.readSome(4, of: &response)
        readers.append((client, response))
      }
      #expect(origin.requests.count == 1)
      die.open()
      for (client, var response) in readers {
        try client.readBody(of: &response)
        #expect(!response.isWhole && response.text == "part")
      }
    }
  }

  @Test func `HTTP 1.0 and Connection close without a length end with the connection`() throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.send("HTTP/1.0 200 OK\r\nCache-Control: max-age=600\r\n\r\nold server")
      exchange.close()
    }
    try withLarder(before: [origin]) { larder in
      let first = try larder.fetch("/")
      #expect(first.text == "old server" && first.isWhole)
      #expect(try larder.fetch("/").cacheStatus == "HIT")
    }
  }

  @Test func `a close-delimited body that ends in a reset is cut, and not stored`() throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.sendHead(200, ["Cache-Control": "max-age=600"])
      try exchange.send(pattern(100_000))
      if exchange.visit == 0 { exchange.reset() } else { exchange.close() }
    }
    try withLarder(before: [origin]) { larder in
      let first = try larder.fetch("/")
      #expect(first.status == 502 || !first.isWhole)
      #expect(try larder.fetch("/").cacheStatus != "HIT")
    }
  }

  @Test func `a huge but allowed head passes whole`() throws {
    let value = String(repeating: "v", count: 40_000)
    let origin = try MisbehavingOrigin {
      try $0.respond(200, ["Cache-Control": "max-age=600", "X-Large": value], "p")
    }
    try withLarder(before: [origin]) { larder in
      for word in ["MISS", "HIT"] {
        let response = try larder.fetch("/")
        #expect(response.cacheStatus == word && response.fields["X-Large"] == value)
      }
    }
  }

  @Test func `a head that comes byte by byte is read like any other`() throws {
    let origin = try MisbehavingOrigin { exchange in
      let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nCache-Control: max-age=600\r\n\r\n"
      try exchange.drip(Array((text + "4;x=\"y\"\r\nbody\r\n0\r\nT: x\r\n\r\n").utf8), pieces: 1)
    }
    try withLarder(before: [origin]) { larder in
      for word in ["MISS", "HIT"] {
        let response = try larder.fetch("/")
        #expect(response.cacheStatus == word && response.text == "body" && response.fields["T"] == nil)
      }
    }
  }

  /// Over a connection that has been idle, what looks like the race of its closing is replayed: that is the
  /// one retry.
  @Test(arguments: ["a reset", "a 500"], [false, true])
  func `R11 of 1,000 clients on one cold key, a slow origin that fails is asked twice, and nobody hangs`(
    _ failure: String, _ isReused: Bool
  ) throws {
    let gate = Gate("the failure")
    let origin = try MisbehavingOrigin { exchange in
      if exchange.target == "/before" { return try exchange.respond(200, [:], "page") }
      try gate.wait()
      if failure == "a reset" { exchange.reset() } else { try exchange.respond(500, [:], "broken") }
    }
    try withLarder(["--collapse-timeout", "60s", "--workers", "1"], before: [origin]) { larder in
      if isReused { _ = try larder.fetch("/before") }
      let clients = try (0..<1000).map { _ in
        let client = try larder.client()
        try client.sendRequest("/")
        return client
      }
      try larder.settle()
      #expect(origin.count("/") == 1)
      gate.open()
      let responses = try clients.map { try $0.readResponse() }
      #expect(Set(responses.map(\.status)) == [failure == "a reset" ? 502 : 500])
      #expect(responses.count { !$0.isWhole } == 0)
      #expect(origin.count("/") == 2)
    }
  }

  @Test func `a client that is slow with its body is not the server's time-out`() throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.respond(200, [:], try exchange.readBody())
    }
    try withLarder(["--first-byte-timeout", "150ms"], before: [origin]) { larder in
      let client = try larder.client()
      try client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nsl")
      try origin.awaitRequests(1)
      pause(milliseconds: 500)
      try client.send("ow")
      let response = try client.readResponse()
      #expect(response.status == 200 && response.text == "slow")
    }
  }

  @Test func `a server that does not take a body is late, however much the client would send`() throws {
    let answered = Gate("the answer")
    let origin = try MisbehavingOrigin { _ in try answered.wait() }
    try withLarder(["--first-byte-timeout", "300ms"], before: [origin]) { larder in
      let client = try larder.client()
      let body = pattern(40 << 20)
      let head = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: \(body.count)\r\n\r\n"
      let upload = Task { try client.sendAsFarAsTaken(Array(head.utf8) + body) }
      #expect(try client.readResponse().status == 504)
      answered.open()
      try upload.value()
    }
  }

  @Test func `hundreds of faults in a row leave a working proxy`() throws {
    let origin = try MisbehavingOrigin { exchange in
      switch exchange.request.headText.utf8.count % 5 {
      case 0: exchange.reset()
      case 1: exchange.close()
      case 2: try exchange.send("garbage")
      case 3: try exchange.respond(200, ["Content-Length": "999"], "short")
      default: try exchange.respond(200, [:], "fine")
      }
      exchange.close()
    }
    try withLarder(before: [origin]) { larder in
      _ = try inParallel(8) { thread in
        for number in 0..<60 {
          let path = "/\(thread)/\(String(repeating: "x", count: number))"
          let client = try larder.client()
          try client.sendRequest(path)
          _ = try client.readResponse()
          client.close()
        }
      }
      #expect(try larder.admin("/health").status == 200)
    }
  }
}
