import Glibc
import Testing
import TestSupport

@Suite("Tunnels after Upgrade")
struct TunnelTests {
  private func echoOrigin() throws -> MisbehavingOrigin { try MisbehavingOrigin { try WebSocket.echo($0) } }

  /// An origin that switches to `raw` and then does what `script` says.
  private func rawOrigin(_ script: @escaping MisbehavingOrigin.Script) throws -> MisbehavingOrigin {
    try MisbehavingOrigin { exchange in
      try exchange.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: raw\r\nConnection: upgrade\r\n\r\n")
      try script(exchange)
      exchange.close()
    }
  }

  private let rawRequest = "GET / HTTP/1.1\r\nHost: a.test\r\nUpgrade: raw\r\nConnection: upgrade\r\n\r\n"

  private func open(_ larder: Larder, receiveBuffer: Int? = nil) throws -> RawClient {
    let client = try larder.client(receiveBuffer: receiveBuffer)
    try client.send(rawRequest)
    let head = try client.readHead()
    #expect(head.status == 101)
    return client
  }

  private func metric(_ larder: Larder, _ series: String) throws -> Int {
    let lines = try larder.admin("/metrics").text.split(separator: "\n")
    return lines.first { $0.hasPrefix(series + " ") }.flatMap { Int($0.split(separator: " ")[1]) } ?? -1
  }

  @Test func `a WebSocket's handshake of RFC 6455 goes through, and its frames both ways`() throws {
    let origin = try echoOrigin()
    try withLarder(before: [origin]) { larder in
      let client = try larder.client()
      try client.send(WebSocket.request)
      let head = try client.readHead()
      #expect(head.status == 101)
      #expect(head.fields["Upgrade"] == "websocket")
      #expect(head.fields["Connection"]?.lowercased() == "upgrade")
      #expect(head.fields["Sec-WebSocket-Accept"] == WebSocket.accept)
      #expect(head.fields["Content-Length"] == nil && head.fields["Transfer-Encoding"] == nil)
      let asked = try #require(origin.requests.first)
      #expect(asked.fields["Upgrade"] == "websocket")
      #expect(asked.fields.all("Connection") == ["upgrade"])
      #expect(asked.fields["Sec-WebSocket-Key"] == WebSocket.key)
      for size in [0, 1, 125, 126, 65535, 65536, 300_000] {
        let payload = pattern(size)
        try client.send(WebSocket.frame(2, payload, mask: [1, 2, 3, 4]))
        let echoed = try #require(try WebSocket.read { try client.read($0) })
        #expect(echoed.opcode == 2 && echoed.payload == payload, "\(size) bytes")
      }
      try client.send(WebSocket.frame(8, [], mask: [9, 9, 9, 9]))
      #expect(try WebSocket.read { try client.read($0) }?.opcode == 8)
      #expect(try client.isEnded())
      client.close()
    }
  }

  @Test func `megabytes go both ways at once, byte for byte`() throws {
    let up = pattern(5 << 20, seed: 1)
    let down = pattern(5 << 20, seed: 2)
    let received = Watched([UInt8]())
    let origin = try rawOrigin { exchange in
      let socket = exchange.socket
      let sender = Task { [down] in try socket.send(down) }
      let bytes = try exchange.read(up.count) ?? []
      received.update { $0 = bytes }
      try sender.value()
    }
    try withLarder(before: [origin]) { larder in
      let client = try open(larder)
      let socket = client.socket
      let sender = Task { [up] in try socket.send(up) }
      #expect(try client.read(down.count) == down)
      try sender.value()
      #expect(try received.wait(for: "the upload") { $0.isEmpty ? nil : $0 } == up)
      client.close()
    }
  }

  @Test func `the end of one side reaches the other, which may still speak`() throws {
    let origin = try rawOrigin { exchange in
      var all: [UInt8] = []
      while let byte = try exchange.read(1) { all += byte }
      try exchange.send(Array("got \(all.count)".utf8))
    }
    try withLarder(before: [origin]) { larder in
      let client = try open(larder)
      try client.send("12345")
      client.halfClose()
      #expect(try client.readToEnd() == "got 5")
      client.close()
    }
    let done = Gate("the client's last word")
    let ending = try rawOrigin { exchange in
      try exchange.send("bye")
      exchange.halfClose()
      #expect(try exchange.read(6) == Array("so long".utf8.prefix(6)))
      done.open()
    }
    try withLarder(before: [ending]) { larder in
      let client = try open(larder)
      #expect(try client.readToEnd() == "bye")
      try client.send("so lon")
      try done.wait()
      client.close()
    }
  }

  @Test func `a reader that takes nothing holds up its writer, and no memory grows`() throws {
    let sent = Watched(0)
    let stuck = Gate("the origin's socket to be full")
    let total = 48 << 20
    let origin = try rawOrigin { exchange in
      let block = pattern(1 << 16)
      exchange.socket.setSendTimeout(milliseconds: 300)
      var count = 0
      do {
        while count < total {
          try exchange.send(block)
          count += block.count
          sent.update { $0 = count }
        }
      } catch SupportError.timedOut {
        stuck.open()
      }
    }
    try withLarder(before: [origin]) { larder in
      let client = try open(larder, receiveBuffer: 4096)
      try stuck.wait()
      // What two sockets and the tunnel hold, far from all there is.
      #expect(sent.read { $0 } < total / 2)
      #expect(try metric(larder, "larder_tunnel_bytes_total{direction=\"to_client\"}") < total / 2)
      client.close()
    }
  }

  @Test func `a reset on either side is a reset on the other`() throws {
    let noticed = Watched(String?.none)
    let origin = try rawOrigin { exchange in
      do {
        let bytes = try exchange.read(1)
        noticed.update { $0 = bytes == nil ? "end" : "bytes" }
      } catch SupportError.peerReset {
        noticed.update { $0 = "reset" }
      }
    }
    try withLarder(before: [origin]) { larder in
      try open(larder).reset()
      #expect(try noticed.wait(for: "the origin to notice") { $0 } == "reset")
    }
    let resetting = try rawOrigin { $0.reset() }
    try withLarder(before: [resetting]) { larder in
      let client = try open(larder)
      #expect(throws: SupportError.self) { while !(try client.socket.receive()).isEmpty {} }
      client.close()
    }
  }

  @Test func `S1 bytes behind the request wait for the 101, and then come first`() throws {
    let mayAnswer = Gate("the answer")
    let origin = try MisbehavingOrigin { exchange in
      #expect(exchange.pending == 0)
      try mayAnswer.wait()
      #expect(exchange.pending == 0)
      try exchange.send(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: raw\r\nConnection: upgrade\r\n\r\nhello")
      try exchange.send(exchange.read(10) ?? [])
      exchange.close()
    }
    try withLarder(before: [origin]) { larder in
      let client = try larder.send(rawRequest + "early")
      try origin.awaitRequests(1)
      try client.send("-late")
      try larder.settle()
      mayAnswer.open()
      #expect(try client.readHead().status == 101)
      #expect(try client.readToEnd() == "helloearly-late")
      client.close()
    }
  }

  @Test func `S1 bytes behind a refused upgrade never reach the origin, nor are they a request`() throws {
    let mayAnswer = Gate("the answer")
    let origin = try MisbehavingOrigin { exchange in
      try mayAnswer.wait()
      try exchange.respond(426, ["Sec-WebSocket-Version": "13"], "no")
    }
    try withLarder(before: [origin]) { larder in
      let client = try larder.send(rawRequest + "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n")
      try origin.awaitRequests(1)
      mayAnswer.open()
      let response = try client.readResponse()
      #expect(response.status == 426 && response.text == "no")
      #expect(response.fields["Connection"] == "close")
      #expect(try client.isEnded())
      #expect(origin.requests.map(\.target) == ["/"])
    }
  }

  @Test func `an answer other than 101 is an ordinary one, and the connection goes on`() throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.respond(exchange.target == "/" ? 400 : 200, ["Cache-Control": "max-age=60"], "answer")
    }
    try withLarder(before: [origin]) { larder in
      let client = try larder.client()
      try client.send(rawRequest)
      let refused = try client.readResponse()
      #expect(refused.status == 400 && refused.cacheStatus == "BYPASS")
      #expect(refused.fields["Connection"] == nil && refused.fields["Upgrade"] == nil)
      #expect(try client.fetch("/next").text == "answer")
      #expect(try client.fetch("/next").cacheStatus == "HIT")
    }
  }

  @Test func `an upgrade is neither answered from the cache, nor stored, nor collapsed`() throws {
    let release = Gate("the answers")
    let origin = try MisbehavingOrigin { exchange in
      if exchange.visit > 0 { try release.wait() }
      try exchange.respond(200, ["Cache-Control": "max-age=60"], "visit \(exchange.visit)")
    }
    try withLarder(before: [origin]) { larder in
      #expect(try larder.fetch("/").text == "visit 0")
      let clients = try (0..<3).map { _ in try larder.send(rawRequest) }
      try origin.awaitRequests(4)  // all three are there at once: none waits for another
      release.open()
      for client in clients { #expect(try client.readResponse().cacheStatus == "BYPASS") }
      let page = try larder.fetch("/")
      #expect(page.cacheStatus == "HIT" && page.text == "visit 0")
    }
  }

  @Test(arguments: [
    ("h2c", nil), ("H2C", nil), ("h2c, websocket", "websocket"), ("websocket, h2c", "websocket"),
    ("HTTP/2.0", nil), ("TLS/1.0, HTTP/1.1", nil), ("websocket\r\nUpgrade: h2c", "websocket"),
    ("h2c\r\nUpgrade: raw/1, tcp", "raw/1, tcp"), (",,", nil), ("a b, raw", "raw"), ("/, raw/", nil),
    (String(repeating: "a", count: 300), nil),
  ])
  func `h2c and other forms of HTTP are taken out of the offer`(_ offered: String, _ passed: String?) throws {
    let origin = try MisbehavingOrigin { try $0.respond(200, [:], "page") }
    try withLarder(before: [origin]) { larder in
      let client = try larder.send(
        "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: \(offered)\r\n"
          + "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n")
      #expect(try client.readResponse().text == "page")
      let fields = try #require(origin.requests.first).fields
      #expect(fields["Upgrade"] == passed)
      #expect(fields["Connection"] == (passed == nil ? nil : "upgrade"))
      #expect(fields["HTTP2-Settings"] == nil)
    }
  }

  @Test func `HTTP2-Settings that Connection does not name is not passed on either`() throws {
    let origin = try MisbehavingOrigin { try $0.respond(200, [:], "page") }
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/", fields: ["HTTP2-Settings": "AAMAAABkAAQAoAAAAAIAAAAA"])
      #expect(origin.requests.first?.fields["HTTP2-Settings"] == nil)
    }
  }

  @Test(arguments: [
    "GET / HTTP/1.0\r\nHost: a.test\r\nUpgrade: raw\r\nConnection: upgrade\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a.test\r\nUpgrade: raw\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a.test\r\nUpgrade: raw\r\nConnection: upgrades\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a.test\r\nUpgrade: raw\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\nhi",
    "POST / HTTP/1.1\r\nHost: a.test\r\nUpgrade: raw\r\nConnection: upgrade\r\n"
      + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
  ])
  func `no upgrade is asked for in HTTP 1.0, without Connection, or with a body`(_ request: String) throws {
    let origin = try MisbehavingOrigin { try $0.respond(200, [:], "page") }
    try withLarder(before: [origin]) { larder in
      let client = try larder.send(request)
      #expect(try client.readResponse().text == "page")
      let fields = try #require(origin.requests.first).fields
      #expect(fields["Upgrade"] == nil && fields["Connection"] == nil)
    }
  }

  @Test(arguments: [
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: upgrade\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: raw, other\r\nConnection: upgrade\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: raw\r\n\r\n",
    "HTTP/1.0 101 Switching Protocols\r\nUpgrade: raw\r\nConnection: upgrade\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: raw\r\nContent-Length: 5\r\n\r\nhello",
  ])
  func `S2 a 101 to something that was not offered is a 502`(_ answer: String) throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.send(answer)
      try exchange.awaitPeerClose()
    }
    try withLarder(before: [origin]) { larder in
      let client = try larder.send(rawRequest)
      #expect(try client.readResponse().status == 502)
    }
  }

  @Test func `a tunnel through which nothing goes for --tunnel-timeout is cut`() throws {
    let origin = try rawOrigin { exchange in
      try exchange.send("x")
      #expect(throws: SupportError.self) { _ = try exchange.read(1) }
    }
    try withLarder(["--tunnel-timeout", "300ms"], before: [origin]) { larder in
      let client = try open(larder)
      #expect(try client.read(1) == [120])
      #expect(try client.isEnded())
      #expect(try metric(larder, "larder_timeouts_total{kind=\"tunnel\"}") == 1)
      client.close()
    }
  }

  @Test func `tunnels are counted while they are open and logged when they end`() throws {
    let origin = try rawOrigin { exchange in try exchange.send(exchange.read(5) ?? []) }
    let format = "$status $body_bytes_sent $decision $upstream_addr"
    let flags = ["--access-log", "stdout", "--access-log-format", format]
    try withLarder(flags, before: [origin]) { larder in
      let client = try open(larder)
      #expect(try metric(larder, "larder_tunnels") == 1)
      try client.send("12345")
      #expect(try client.readToEnd() == "12345")
      client.close()
      let line = try larder.process.awaitLine("the log line") { $0.hasPrefix("101 ") ? $0 : nil }
      #expect(line == "101 5 bypass-upgrade \(origin.address)")
      #expect(try metric(larder, "larder_tunnels") == 0)
      #expect(try metric(larder, "larder_tunnels_opened_total") == 1)
      #expect(try metric(larder, "larder_tunnel_bytes_total{direction=\"to_server\"}") == 5)
      #expect(try metric(larder, "larder_tunnel_bytes_total{direction=\"to_client\"}") == 5)
    }
  }

  @Test func `tunnels do not use up the connections that --max-connections allows`() throws {
    let origin = try MisbehavingOrigin { try $0.respond(200, [:], "page") }
    origin.on("/chat") { try WebSocket.echo($0) }
    try withLarder(["--max-connections", "1"], before: [origin]) { larder in
      let sockets = try (0..<3).map { _ in
        let client = try larder.send(WebSocket.request)
        #expect(try client.readHead().status == 101)
        return client
      }
      #expect(try larder.fetch("/").text == "page")
      for socket in sockets { socket.close() }
    }
  }

  @Test func `L30 a tunnel goes on while the process drains, and ends with --drain-timeout at the latest`()
    throws
  {
    let origin = try echoOrigin()
    let larder = try Larder(backends: [origin.address], flags: [])
    let client = try larder.send(WebSocket.request)
    #expect(try client.readHead().status == 101)
    larder.process.send(signal: SIGTERM)
    try eventually("readiness to fail") { (try? larder.admin("/ready").status) ?? 503 == 503 }
    try client.send(WebSocket.frame(1, [65], mask: [0, 0, 0, 0]))
    #expect(try WebSocket.read { try client.read($0) }?.payload == [65])
    client.close()
    #expect(try larder.process.awaitExit(seconds: 5).status == 0)

    let short = try Larder(
      backends: [origin.address],
      flags: ["--drain-timeout", "300ms", "--access-log", "stdout", "--access-log-format", "combined"])
    let left = try short.send(WebSocket.request)
    #expect(try left.readHead().status == 101)
    short.process.send(signal: SIGTERM)
    #expect(try left.isEnded())
    left.close()
    _ = try short.process.awaitExit(seconds: 5)
    #expect(short.process.standardOutput.contains("\" 101 0 "))
  }
}
