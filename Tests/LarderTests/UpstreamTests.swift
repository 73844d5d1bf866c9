import Testing
import TestSupport

@Suite("Pool and servers, L27")
struct UpstreamTests {
  private func server(_ name: String, port: UInt16 = 0) throws -> MisbehavingOrigin {
    try MisbehavingOrigin(port: port) { try $0.respond(200, ["Cache-Control": "no-store"], name) }
  }

  @Test func `L27 two backends alternate A, B, A, B, for all workers together`() throws {
    let (a, b) = (try server("A"), try server("B"))
    try withLarder(before: [a, b]) { larder in
      let names = try (0..<20).map { number in try larder.fetch("/\(number)").text }
      let alternating = (0..<20).map { ($0 % 2 == 0) == (names[0] == "A") ? "A" : "B" }
      #expect(names == alternating)
    }
  }

  @Test func `L27 three backends take turns`() throws {
    let servers = try ["A", "B", "C"].map { try server($0) }
    try withLarder(before: servers) { larder in
      let names = try (0..<30).map { number in try larder.fetch("/\(number)").text }
      for start in 0..<28 { #expect(Set(names[start..<(start + 3)]).count == 3) }
    }
  }

  @Test func `a refused connection goes to the next server, also for a POST`() throws {
    let alive = try server("alive")
    try withLarder(backends: ["127.0.0.1:\(try refusingPort())", alive.address]) { larder throws in
      for number in 0..<6 {
        #expect(try larder.fetch("/\(number)").text == "alive")
        #expect(try larder.fetch("/\(number)", method: "POST", body: [1, 2]).text == "alive")
      }
    }
  }

  @Test func `L27 a server that went away is left out, and taken again when it is back`() throws {
    let (a, b) = (try server("A"), try server("B"))
    try withLarder(before: [a, b]) { larder in
      _ = try larder.fetch("/")
      b.stop()
      for number in 0..<30 { #expect(try larder.fetch("/\(number)").text == "A") }
      let back = try server("B", port: b.port)
      try eventually("the server to be used again", seconds: 30) {
        _ = try larder.fetch("/again")
        pause(milliseconds: 100)
        return !back.requests.isEmpty
      }
    }
  }

  @Test func `L27 when all are out, all are tried`() throws {
    let (a, b) = (try server("A"), try server("B"))
    try withLarder(before: [a, b]) { larder in
      a.stop()
      b.stop()
      for number in 0..<12 {
        let response = try larder.fetch("/\(number)")
        #expect([502, 503].contains(response.status))
        if response.status == 503 { #expect(Int(response.fields["Retry-After"] ?? "") != nil) }
      }
      let back = try server("back", port: b.port)
      #expect(try larder.fetch("/now").text == "back")
      #expect(back.requests.count == 1)
    }
  }

  @Test func `L27 the last usable server is never left out`() throws {
    let origin = try MisbehavingOrigin { exchange in
      if exchange.target.hasPrefix("/reset") { return exchange.reset() }
      try exchange.respond(200, ["Cache-Control": "no-store"], "fine")
    }
    try withLarder(before: [origin]) { larder throws in
      for number in 0..<10 { #expect(try larder.fetch("/reset\(number)").status == 502) }
      #expect(try larder.fetch("/fine").text == "fine")
    }
  }

  @Test func `L27 one URL that hangs does not take the servers out`() throws {
    let script: MisbehavingOrigin.Script = { exchange in
      if exchange.target == "/hangs" { return try exchange.awaitPeerClose() }
      try exchange.respond(200, ["Cache-Control": "no-store"], "fine")
    }
    let servers = [try MisbehavingOrigin(script), try MisbehavingOrigin(script)]
    try withLarder(["--first-byte-timeout", "100ms"], before: servers) { larder throws in
      for _ in 0..<8 { #expect(try larder.fetch("/hangs").status == 504) }
      for number in 0..<10 { #expect(try larder.fetch("/\(number)").text == "fine") }
      for server in servers { #expect(server.requests.count { $0.target != "/hangs" } == 5) }
    }
  }

  @Test func `connections to a server are used again`() throws {
    let origin = try server("page")
    try withLarder(["--workers", "1"], before: [origin]) { larder in
      let client = try larder.client()
      for number in 0..<50 { _ = try client.fetch("/\(number)") }
      #expect(origin.connectionCount <= 2)
    }
  }

  @Test
  func `an idle connection that the server closes costs no request, whatever its method is safe to repeat`()
    throws
  {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.respond(200, ["Cache-Control": "no-store"], "page")
      exchange.close()  // without having said `Connection: close`
    }
    try withLarder(["--workers", "1"], before: [origin]) { larder in
      for number in 0..<30 {
        let method = ["GET", "PUT", "DELETE"][number % 3]
        let response = try larder.fetch("/\(number)", method: method, body: method == "PUT" ? [1] : nil)
        #expect(response.text == "page", "\(method)")
      }
    }
  }

  @Test func `a POST is never sent twice once it may have been seen`() throws {
    let origin = try MisbehavingOrigin { exchange in
      if exchange.target == "/warm" {
        return try exchange.respond(200, ["Cache-Control": "no-store"], "warm")
      }
      try exchange.readBody()
      exchange.reset()
    }
    try withLarder(["--workers", "1"], before: [origin]) { larder in
      _ = try larder.fetch("/warm")
      let response = try larder.fetch("/order", method: "POST", body: [1, 2, 3])
      #expect(response.status == 502)
      #expect(origin.count("/order") == 1)
    }
  }

  @Test func `a server that speaks before it is asked is not used for the next request`() throws {
    let spoken = Gate("the unasked bytes were sent")
    let origin = try MisbehavingOrigin { exchange in
      try exchange.respond(200, ["Cache-Control": "no-store"], "page \(exchange.request.connection)")
      if exchange.visit == 0 {
        try exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
        spoken.open()
      }
    }
    try withLarder(["--workers", "1"], before: [origin]) { larder in
      let client = try larder.client()
      _ = try client.fetch("/")
      try spoken.wait()
      for _ in 0..<3 {
        let response = try client.fetch("/")
        #expect(response.text.hasPrefix("page"))
      }
    }
  }

  @Test func `time-outs of L33 toward the server are 504`() throws {
    let origin = try MisbehavingOrigin { try $0.awaitPeerClose() }
    try withLarder(["--first-byte-timeout", "150ms"], before: [origin]) { larder throws in
      #expect(try larder.fetch("/").status == 504)
      #expect(try larder.fetch("/", method: "POST", body: [1]).status == 504)
    }
  }

  @Test func `a server that stops in mid-body is cut after the gap time-out`() throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.sendHead(200, ["Cache-Control": "max-age=600", "Content-Length": "100"])
      try exchange.send("half")
      try exchange.awaitPeerClose()
    }
    try withLarder(["--gap-timeout", "150ms"], before: [origin]) { larder in
      let response = try larder.fetch("/")
      #expect(response.status == 200 && !response.isWhole && response.text == "half")
      #expect(try !larder.fetch("/").isWhole)
      #expect(origin.requests.count == 2)  // nothing was stored
    }
  }

  @Test func `a slow server within its time-outs is waited for`() throws {
    let body = pattern(3000)
    let origin = try MisbehavingOrigin { exchange in
      let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: 3000\r\n\r\n"
      try exchange.drip(Array(head.utf8) + body, pieces: 17)
    }
    try withLarder(before: [origin]) { larder in
      #expect(try larder.fetch("/").body == body)
      let hit = try larder.fetch("/")
      #expect(hit.body == body && hit.cacheStatus == "HIT")
    }
  }
}
