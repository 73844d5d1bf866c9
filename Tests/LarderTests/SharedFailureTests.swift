import Testing
import TestSupport

@Suite("Failure and limits of shared fills, L11 and L12")
struct SharedFailureTests {
  private func waiters(_ count: Int, _ larder: Larder, _ target: String = "/") throws -> [RawClient] {
    let clients = try (0..<count).map { _ in
      let client = try larder.client()
      try client.sendRequest(target)
      return client
    }
    try larder.settle()
    return clients
  }

  @Test(arguments: ["reset", "close", "garbage"])
  func `L11 a failed fetch is tried once more, then all waiters share the error`(_ failure: String) throws {
    let gate = Gate("the failure")
    let origin = try MisbehavingOrigin { exchange in
      try gate.wait()
      switch failure {
      case "reset": exchange.reset()
      case "close": exchange.close()
      default:
        try exchange.send("SSH-2.0-OpenSSH\r\n\r\n")
        exchange.close()
      }
    }
    try withLarder(before: [origin]) { larder in
      let clients = try waiters(40, larder)
      #expect(origin.requests.count == 1)
      gate.open()
      let responses = try clients.map { try $0.readResponse() }
      #expect(Set(responses.map(\.status)) == [502])
      #expect(origin.requests.count <= 2)
      if failure != "garbage" { #expect(origin.requests.count == 2) }
    }
  }

  @Test func `L11 the retry may succeed, and then all waiters have the page`() throws {
    let gate = Gate("the failure")
    let origin = try MisbehavingOrigin { exchange in
      try gate.wait()
      if exchange.visit == 0 { return exchange.reset() }
      try exchange.respond(200, ["Cache-Control": "max-age=600"], "page")
    }
    try withLarder(before: [origin]) { larder in
      let clients = try waiters(40, larder)
      gate.open()
      #expect(Set(try clients.map { try $0.readResponse().text }) == ["page"])
      #expect(origin.requests.count == 2)
    }
  }

  @Test func `L11 a 5xx is shared after one more try`() throws {
    let gate = Gate("the heads")
    let origin = try MisbehavingOrigin { exchange in
      try gate.wait()
      try exchange.respond(500, [:], "broken")
    }
    try withLarder(before: [origin]) { larder in
      let clients = try waiters(40, larder)
      gate.open()
      #expect(Set(try clients.map { try $0.readResponse().status }) == [500])
      #expect(origin.requests.count == 2)
    }
  }

  @Test(arguments: [["Cache-Control": "private"], ["Cache-Control": "no-store"], [:]] as [Fields])
  func `L11 an error that is somebody's own is not shared - the others get our 503`(_ fields: Fields) throws {
    let gate = Gate("the heads")
    let origin = try MisbehavingOrigin { exchange in
      try gate.wait()
      let cookie: Fields = fields.lines.isEmpty ? ["Set-Cookie": "id=\(exchange.visit)"] : [:]
      try exchange.respond(500, fields + cookie, "error \(exchange.visit)")
    }
    try withLarder(before: [origin]) { larder in
      let clients = try waiters(20, larder)
      gate.open()
      let responses = try clients.map { try $0.readResponse() }
      // Only they whose own request was sent could see the origin's words: two at most.
      #expect(responses.count { $0.status == 503 } >= 18)
      #expect(responses.allSatisfy { $0.status == 503 || $0.status == 500 })
      for visit in 0..<2 { #expect(responses.count { $0.text == "error \(visit)" } <= 1) }
      #expect(origin.requests.count == 2)
    }
  }

  @Test func `L11 waiters get stale where allowed`() throws {
    let gate = Gate("the failure")
    let origin = try MisbehavingOrigin { exchange in
      if exchange.visit == 0 {
        return try exchange.respond(200, ["Cache-Control": "max-age=1, stale-if-error=600"], "old")
      }
      try gate.wait()
      exchange.reset()
    }
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      let first = Task { try larder.fetchWhenStale("/") }
      try origin.awaitRequests(2)
      let clients = try waiters(20, larder)
      gate.open()
      for response in try clients.map({ try $0.readResponse() }) + [try first.value()] {
        #expect(response.text == "old" && response.cacheStatus == "STALE")
      }
      // The page; the attempt, on the connection that had brought it; the one retry or replay.
      #expect(origin.requests.count == 3)
    }
  }

  /// Idle connections come on top: one that another worker keeps is not this one's to use.
  @Test(arguments: [1, 2])
  func `L11 waiters on a private page never have more connections than --max-connections at work`(
    _ workers: Int
  ) throws {
    let gate = Gate("the first head")
    let inFlight = Watched((now: 0, most: 0))
    let origin = try MisbehavingOrigin { exchange in
      inFlight.update { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
      try gate.wait()
      inFlight.update { $0.now -= 1 }
      try exchange.respond(200, ["Cache-Control": "private"], "own")
    }
    try withLarder(["--max-connections", "8", "--workers", "\(workers)"], before: [origin]) { larder in
      let clients = try waiters(300, larder)
      #expect(origin.requests.count == 1)
      gate.open()
      #expect(try clients.allSatisfy { try $0.readResponse().text == "own" })
      #expect(origin.requests.count == 300)
      #expect(inFlight.read { $0.most } <= 8)
      if workers == 1 { #expect(origin.mostOpenConnections <= 8) }
    }
  }

  @Test func `L11 who stands in the queue too long gets 503 with Retry-After`() throws {
    let gate = Gate("the head")
    let origin = try MisbehavingOrigin { exchange in
      try gate.wait()
      try exchange.respond(200, [:], "page")
    }
    try withLarder(["--max-connections", "1", "--queue-timeout", "200ms"], before: [origin]) { larder in
      let first = try larder.client()
      try first.sendRequest("/a")
      try origin.awaitRequests(1)
      let second = try larder.fetch("/b")
      #expect(second.status == 503)
      #expect(Int(second.fields["Retry-After"] ?? "") != nil)
      gate.open()
      #expect(try first.readResponse().text == "page")
      #expect(try larder.fetch("/b").status == 200)
    }
  }

  @Test func `L11 the queue is served in the order of arrival`() throws {
    let gate = Gate("the first head")
    let origin = try MisbehavingOrigin { exchange in
      try gate.wait()
      try exchange.respond(200, ["Cache-Control": "no-store"], exchange.target)
    }
    try withLarder(["--max-connections", "1", "--workers", "1"], before: [origin]) { larder in
      let clients = try (0..<10).map { index in
        let client = try larder.client()
        try client.sendRequest("/\(index)")
        try larder.settle()
        return client
      }
      gate.open()
      for client in clients { #expect(try client.readResponse().status == 200) }
      #expect(origin.requests.map(\.target) == (0..<10).map { "/\($0)" })
    }
  }

  @Test func `L12 a single slow reader slows the origin, and gets every byte`() throws {
    let total = 48 << 20
    let sent = Watched(0)
    let piece = pattern(1 << 20)
    let origin = try MisbehavingOrigin { exchange in
      try exchange.sendHead(200, ["Cache-Control": "no-store", "Content-Length": "\(total)"])
      for _ in 0..<48 {
        try exchange.send(piece)
        sent.update { $0 += piece.count }
      }
    }
    try withLarder(before: [origin]) { larder in
      let client = try larder.client(receiveBuffer: 65536)
      try client.sendRequest("/")
      var response = try client.readFinalHead()
      // Until the origin cannot get rid of more: kernel buffers and ours are full.
      var before = -1
      try eventually("the origin to be held up") {
        let now = sent.read { $0 }
        defer { before = now }
        pause(milliseconds: 300)
        return now == before
      }
      #expect(sent.read { $0 } < total / 2)
      try client.readBody(of: &response)
      #expect(response.isWhole && response.body.count == total)
      let places = stride(from: 0, to: response.body.count, by: piece.count)
      #expect(places.allSatisfy { Array(response.body[$0..<($0 + piece.count)]) == piece })
    }
  }

  @Test func `L12 of several readers of what is not kept, one that holds up the others is cut`() throws {
    let gate = Gate("the head")
    let body = pattern(24 << 20)
    let origin = try MisbehavingOrigin { exchange in
      try gate.wait()
      try exchange.respond(200, ["Cache-Control": "max-age=600"], body)
    }
    try withLarder(["--max-object", "1MiB"], before: [origin]) { larder in
      let slow = try larder.client(receiveBuffer: 4096)
      try slow.sendRequest("/")
      try origin.awaitRequests(1)
      let fast = try larder.client(timeout: 20)
      try fast.sendRequest("/")
      try larder.settle()
      gate.open()
      let response = try fast.readResponse()
      #expect(response.isWhole && response.body == body)
      if origin.requests.count == 1 {  // they shared it: then the slow one was cut
        var cut = try slow.readFinalHead()
        try slow.readBody(of: &cut)
        #expect(!cut.isWhole)
      }
    }
  }

  @Test func `L12 a fill that will not be kept takes no new readers`() throws {
    let rest = Gate("the rest")
    let body = pattern(3 << 20)
    let origin = try MisbehavingOrigin { exchange in
      try exchange.sendHead(200, ["Cache-Control": "max-age=600", "Content-Length": "\(body.count)"])
      try exchange.send(Array(body[..<1000]))
      try rest.wait()
      try exchange.send(Array(body[1000...]))
    }
    try withLarder(["--max-object", "1MiB"], before: [origin]) { larder in
      let first = try larder.client()
      try first.sendRequest("/")
      var one = try first.readFinalHead()
      let second = try larder.client()
      try second.sendRequest("/")
      try origin.awaitRequests(2)
      rest.open()
      try first.readBody(of: &one)
      #expect(one.body == body)
      #expect(try second.readResponse().body == body)
    }
  }
}
