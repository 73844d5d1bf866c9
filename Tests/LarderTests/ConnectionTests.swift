import Testing
import TestSupport

@Suite("Client connections, RFC 9112 §9")
struct ConnectionTests {
  private func origin() throws -> MisbehavingOrigin {
    try MisbehavingOrigin { exchange in
      try exchange.readBody()
      try exchange.respond(200, ["Cache-Control": "max-age=600"], "page \(exchange.target)")
    }
  }

  @Test func `pipelined requests are answered in order, whichever is ready first`() throws {
    let slow = Gate("the slow page")
    let origin = try origin()
    origin.on("/slow") { exchange in
      try slow.wait()
      try exchange.respond(200, [:], "page /slow")
    }
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/hit")
      let targets = ["/slow", "/hit", "/a", "/b", "/hit"]
      let text = targets.map { "GET \($0) HTTP/1.1\r\nHost: a.test\r\n\r\n" }.joined()
      let client = try larder.send(text)
      try origin.awaitRequests(1, for: "/slow")
      try larder.settle()
      slow.open()
      for target in targets { #expect(try client.readResponse().text == "page \(target)") }
    }
  }

  @Test func `a thousand pipelined hits come back in order`() throws {
    let origin = try origin()
    try withLarder(before: [origin]) { larder in
      for number in 0..<4 { _ = try larder.fetch("/\(number)") }
      let client = try larder.client()
      let requests = (0..<1000).map { "GET /\($0 % 4) HTTP/1.1\r\nHost: a.test\r\n\r\n" }.joined()
      let sender = Task { try client.send(requests) }
      for number in 0..<1000 { #expect(try client.readResponse().text == "page /\(number % 4)") }
      try sender.value()
    }
  }

  @Test func `L1 a reader that takes nothing holds up nobody else`() throws {
    let origin = try origin()
    let large = pattern(4 << 20)
    origin.on("/large") { try $0.respond(200, ["Cache-Control": "max-age=600"], large) }
    try withLarder(["--workers", "1"], before: [origin]) { larder in
      _ = try larder.fetch("/large")
      let stuck = try (0..<8).map { _ in
        let client = try larder.client(receiveBuffer: 4096)
        for _ in 0..<4 { try client.sendRequest("/large") }
        return client
      }
      for number in 0..<50 { #expect(try larder.fetch("/\(number % 5)").status == 200) }
      for client in stuck { #expect(try client.readResponse().body == large) }
    }
  }

  @Test func `pipelined requests split at every byte`() throws {
    let origin = try origin()
    let text =
      "GET /a HTTP/1.1\r\nHost: a.test\r\n\r\nPOST /b HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nxy"
    let bytes = Array(text.utf8)
    try withLarder(before: [origin]) { larder in
      let client = try larder.client()
      for split in 0...bytes.count {
        try client.send(Array(bytes[..<split]))
        try client.send(Array(bytes[split...]))
        #expect(try client.readResponse().text == "page /a", "split at \(split)")
        #expect(try client.readResponse(to: "POST").text == "page /b", "split at \(split)")
      }
    }
  }

  @Test func `a connection is kept until somebody says close`() throws {
    let origin = try origin()
    try withLarder(before: [origin]) { larder in
      let client = try larder.client()
      for _ in 0..<20 {
        #expect(try client.fetch("/").fields["Connection"]?.lowercased() != "close")
      }
      let last = try client.fetch("/", fields: ["Connection": "Close"])
      #expect(last.fields["Connection"]?.lowercased() == "close")
      #expect(try client.isEnded())
    }
  }

  @Test func `what is pipelined behind a close is not answered`() throws {
    let origin = try origin()
    try withLarder(before: [origin]) { larder in
      let client = try larder.send(
        "GET /a HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\nHost: a.test\r\n\r\n")
      #expect(try client.readResponse().text == "page /a")
      #expect(try client.isEnded())
      #expect(origin.count("/b") == 0)
    }
  }

  @Test func `HTTP 1.0 closes unless it asks to stay, and never gets chunks`() throws {
    let origin = try origin()
    origin.on("/chunked") { exchange in
      try exchange.sendHead(200, ["Transfer-Encoding": "chunked"])
      try exchange.sendChunk(Array("in chunks".utf8))
      try exchange.endChunks()
    }
    try withLarder(before: [origin]) { larder in
      let once = try larder.send("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n")
      #expect(try once.readResponse().text == "page /")
      #expect(try once.isEnded())
      let bare = try larder.send("GET / HTTP/1.0\r\n\r\n")  // without Host: allowed in 1.0
      #expect(try bare.readResponse().status == 200)
      let staying = try larder.client()
      for _ in 0..<3 {
        try staying.send("GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n")
        let response = try staying.readResponse()
        #expect(response.text == "page /" && response.fields["Connection"]?.lowercased() == "keep-alive")
      }
      let chunked = try larder.send("GET /chunked HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n")
      let response = try chunked.readResponse()
      #expect(response.text == "in chunks" && response.framing != .chunked)
    }
  }

  @Test func `a half-closed client still gets its answer`() throws {
    let gate = Gate("the head")
    let origin = try MisbehavingOrigin { exchange in
      try gate.wait()
      try exchange.respond(200, ["Cache-Control": "max-age=600"], "page")
    }
    try withLarder(before: [origin]) { larder in
      let client = try larder.client()
      try client.sendRequest("/")
      client.halfClose()
      try origin.awaitRequests(1)
      try larder.settle()
      gate.open()
      #expect(try client.readResponse().text == "page")
      #expect(try client.isEnded())
    }
  }

  @Test func `partial writes - a large hit to a slow reader is whole, byte for byte`() throws {
    let body = pattern(6 << 20)
    let origin = try MisbehavingOrigin { try $0.respond(200, ["Cache-Control": "max-age=600"], body) }
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      let client = try larder.client(receiveBuffer: 2048)
      try client.sendRequest("/")
      try client.sendRequest("/", fields: ["Range": "bytes=1000000-3999999"])
      let whole = try client.readResponse()
      #expect(whole.cacheStatus == "HIT" && whole.body == body)
      let part = try client.readResponse()
      #expect(part.status == 206 && part.body == Array(body[1_000_000..<4_000_000]))
    }
  }

  @Test func `clients that reset in the middle of a response harm nobody`() throws {
    let body = pattern(2 << 20)
    let origin = try MisbehavingOrigin { exchange in
      try exchange.respond(
        200, ["Cache-Control": exchange.target == "/kept" ? "max-age=600" : "no-store"], body)
    }
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/kept")
      for number in 0..<60 {
        let client = try larder.client(receiveBuffer: 4096)
        try client.sendRequest(number % 2 == 0 ? "/kept" : "/passed")
        var response = try client.readFinalHead()
        if number % 3 == 0 { try client.readSome(1000, of: &response) }
        client.reset()
      }
      #expect(try larder.fetch("/kept").body == body)
      #expect(try larder.fetch("/passed").body == body)
    }
  }

  @Test func `clients that reset while they wait, or send half a request, harm nobody`() throws {
    let gate = Gate("the head")
    let origin = try MisbehavingOrigin { exchange in
      try gate.wait()
      try exchange.respond(200, ["Cache-Control": "max-age=600"], "page")
    }
    try withLarder(before: [origin]) { larder in
      let staying = try larder.client()
      try staying.sendRequest("/")
      try origin.awaitRequests(1)
      let leaving = try (0..<20).map { number in
        let client = try larder.client()
        if number % 2 == 0 { try client.sendRequest("/") } else { try client.send("GET / HTT") }
        return client
      }
      try larder.settle()
      for client in leaving { client.reset() }
      try larder.settle()
      gate.open()
      #expect(try staying.readResponse().text == "page")
      #expect(try larder.fetch("/").cacheStatus == "HIT")
    }
  }

  @Test func `a thousand connections are served, and served again`() throws {
    let origin = try origin()
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      let clients = try (0..<1000).map { _ in try larder.client() }
      for _ in 0..<2 {
        for client in clients { try client.sendRequest("/") }
        for client in clients { #expect(try client.readResponse().cacheStatus == "HIT") }
      }
      for client in clients { client.close() }
      #expect(origin.requests.count == 1)
    }
  }

  @Test func `a refusal has the body that it states, whatever the request before it was`() throws {
    let origin = try origin()
    try withLarder(before: [origin]) { larder in
      let client = try larder.client()
      #expect(try client.fetch("/", method: "HEAD").status == 200)
      try client.send("GET /\u{1} HTTP/1.1\r\nHost: a.test\r\n\r\n")
      let refusal = try client.readResponse()
      #expect(refusal.status == 400)
      #expect(refusal.text == "400 Bad Request: bad request target\n")
    }
  }

  @Test func `--max-clients bounds the open connections`() throws {
    let origin = try origin()
    try withLarder(["--max-clients", "10"], before: [origin]) { larder in
      let clients = try (0..<10).map { _ in try larder.client() }
      for client in clients { #expect(try client.fetch("/").status == 200) }
      let more = try larder.client(timeout: 2)
      try more.sendRequest("/")
      // Refused or left waiting until a place is free; then it is served.
      let refused = (try? more.readResponse()).map { $0.status != 200 } ?? true
      #expect(refused)
      for client in clients { client.close() }
      try eventually("a free place") { (try? larder.fetch("/").status) == 200 }
    }
  }

  @Test func `L33 a head that does not come is 408, an idle connection just ends`() throws {
    let origin = try origin()
    try withLarder(["--head-timeout", "200ms", "--idle-timeout", "300ms"], before: [origin]) { larder in
      let slow = try larder.send("GET / HTTP/1.1\r\nHost: a.t")
      #expect(try slow.readResponse().status == 408)
      #expect(try slow.isEnded())
      let idle = try larder.client()
      #expect(try idle.fetch("/").status == 200)
      #expect(try idle.isEnded())
      let silent = try larder.client()
      let said = try silent.readToEnd()
      #expect(said.isEmpty || said.hasPrefix("HTTP/1.1 408"))
    }
  }

  @Test func `L33 a head that drips in keeps its time-out`() throws {
    let origin = try origin()
    try withLarder(["--head-timeout", "300ms"], before: [origin]) { larder in
      let client = try larder.client()
      var sent = 0
      // A byte every 20 ms is progress, but the limit is for the whole head (slowloris).
      for byte in Array("GET / HTTP/1.1\r\nHost: a.test\r\nX: \(String(repeating: "y", count: 300))".utf8) {
        guard (try? client.send([byte])) != nil else { break }
        sent += 1
        pause(milliseconds: 20)
        if sent > 60 { break }
      }
      #expect(try client.readToEnd().hasPrefix("HTTP/1.1 408"))
    }
  }

  @Test func `L33 a body that stops is 408`() throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.readBody()
      try exchange.respond(200)
    }
    try withLarder(["--body-timeout", "200ms"], before: [origin]) { larder in
      let client = try larder.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100\r\n\r\nhalf")
      #expect(try client.readResponse(to: "POST").status == 408)
      #expect(try client.isEnded())
    }
  }

  @Test func `a listener on a Unix socket serves as the others do`() throws {
    let origin = try origin()
    let path = "/tmp/larder-test-\(origin.port).sock"
    try withLarder(["--listen", "unix:\(path)", "--listen", "127.0.0.1:0"], before: [origin]) {
      larder throws in
      #expect(try RawClient(path: path).fetch("/").text == "page /")
      #expect(try larder.fetch("/").cacheStatus == "HIT")
    }
  }
}
