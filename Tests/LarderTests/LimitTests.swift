import Foundation
import Testing
import TestSupport

@Suite("Limits of one client, S5")
struct LimitTests {
  private func origin() throws -> MisbehavingOrigin {
    let origin = try MisbehavingOrigin { try $0.respond(200, ["Cache-Control": "max-age=600"], "page") }
    origin.on("/upload") { exchange in
      let body = try exchange.readBody()
      try exchange.respond(200, ["Cache-Control": "no-store"], "\(body.count)")
    }
    return origin
  }

  private func refused(_ reason: String, _ larder: Larder) throws -> Int {
    try metric("larder_client_connections_refused_total{reason=\"\(reason)\"}", larder)
  }

  private func isServed(_ client: RawClient) -> Bool { (try? client.fetch("/").status) == 200 }

  @Test func `S5 --max-clients-per-address bounds one address and no other`() throws {
    let origin = try origin()
    try withLarder(["--max-clients-per-address", "3"], before: [origin]) { larder throws in
      let clients = try (0..<3).map { _ in try larder.client() }
      for client in clients { #expect(isServed(client)) }
      for _ in 0..<3 { #expect(!isServed(try larder.client())) }
      #expect(isServed(try RawClient(port: larder.port, from: "127.0.0.2")))
      #expect(try refused("max_clients_per_address", larder) == 3)
      clients[0].close()
      try eventually("a place for the next") { isServed(try larder.client()) }
      #expect(isServed(clients[1]) && isServed(clients[2]))
    }
  }

  @Test func `S5 behind a PROXY header the client is counted, behind a trusted proxy nobody is`() throws {
    let origin = try origin()
    let limit = ["--max-clients-per-address", "1"]
    try withLarder(limit + ["--listen", "127.0.0.1:0,proxy"], before: [origin]) { larder throws in
      func client(_ address: String) throws -> RawClient {
        try larder.send("PROXY TCP4 \(address) 192.0.2.1 5 80\r\n")
      }
      let first = try client("198.51.100.1")
      #expect(isServed(first))
      #expect(isServed(try client("198.51.100.2")))
      #expect(!isServed(try client("198.51.100.1")))
      #expect(isServed(first))
    }
    try withLarder(limit + ["--trusted-proxy", "127.0.0.0/8"], before: [origin]) { larder throws in
      let clients = try (0..<4).map { _ in try larder.client() }
      for client in clients { #expect(isServed(client)) }
    }
  }

  @Test func `S5 --max-request-rate answers 429 with Retry-After, over all connections of an address`() throws
  {
    let origin = try origin()
    try withLarder(["--max-request-rate", "2", "--max-request-burst", "10"], before: [origin]) {
      larder throws in
      let clients = try (0..<5).map { _ in try larder.client() }
      let answers = try (0..<20).map { try clients[$0 % 5].fetch("/") }
      let passed = answers.count { $0.status == 200 }
      // A slow machine may have earned a token or two meanwhile.
      #expect(passed >= 10 && passed < 15)
      let late = try #require(answers.first { $0.status == 429 })
      let seconds = try #require(late.fields["Retry-After"].flatMap { Int($0) })
      #expect(seconds == 1)
      #expect(late.fields["X-Cache-Status"] == "BYPASS")
      #expect(isServed(try RawClient(port: larder.port, from: "127.0.0.2")))
      try eventually("the next token") { try clients[0].fetch("/").status == 200 }
      #expect(try metric("larder_requests_total{decision=\"rate-limited\",status=\"4xx\"}", larder) > 0)
    }
  }

  @Test func `S5 the rate is of the address that a trusted proxy names`() throws {
    let origin = try origin()
    let flags = ["--max-request-rate", "1", "--max-request-burst", "1", "--trusted-proxy", "127.0.0.1/32"]
    try withLarder(flags, before: [origin]) { larder throws in
      func status(_ address: String) throws -> Int {
        try larder.fetch("/", fields: ["X-Forwarded-For": address]).status
      }
      #expect(try status("198.51.100.1") == 200)
      #expect(try status("198.51.100.2") == 200)
      #expect(try status("198.51.100.2") == 429)
      #expect(try status("2001:db8::1") == 200)
      // The same network of 64 bits.
      #expect(try status("2001:db8::2") == 429)
    }
  }

  private let pace = ["--body-timeout", "400ms", "--min-rate", "20KiB"]

  @Test(arguments: [false, true])
  func `S5 a body that comes too slowly is 408, though it never stops`(_ isChunked: Bool) throws {
    let origin = try origin()
    try withLarder(pace, before: [origin]) { larder throws in
      let framing = isChunked ? "Transfer-Encoding: chunked" : "Content-Length: 100000"
      let slow = try larder.send("POST /upload HTTP/1.1\r\nHost: a.test\r\n\(framing)\r\n\r\n")
      let isRefused = Gate("the refusal")
      let task = Task {
        while !isRefused.isOpen {
          try slow.sendAsFarAsTaken(Array((isChunked ? "1\r\nx\r\n" : "x").utf8))
          pause(milliseconds: 20)
        }
      }
      defer { isRefused.open() }
      #expect(try slow.readResponse(to: "POST").status == 408)
      isRefused.open()
      #expect(try metric("larder_timeouts_total{kind=\"body\"}", larder) == 1)
      try task.value()
    }
  }

  @Test func `S5 a body that comes at the least rate is taken whole, however long that is`() throws {
    let origin = try origin()
    try withLarder(pace, before: [origin]) { larder throws in
      let client = try larder.send("POST /upload HTTP/1.1\r\nHost: a.test\r\nContent-Length: 60000\r\n\r\n")
      for _ in 0..<40 {
        try client.send(pattern(1500))
        pause(milliseconds: 30)
      }
      #expect(try client.readResponse(to: "POST").text == "60000")
    }
  }

  /// Takes `size` bytes every 20 ms until told to stop; returns how much came.
  private func read(_ client: RawClient, by size: Int, until isOver: Gate) throws -> Int {
    var taken = 0
    while !isOver.isOpen {
      taken += try client.socket.receive(atMost: size).count
      pause(milliseconds: 20)
    }
    return taken
  }

  @Test func `S5 a response that is taken too slowly is cut, one that is taken at the least rate is not`()
    throws
  {
    let origin = try origin()
    let large = pattern(16 << 20)
    origin.on("/large") { try $0.respond(200, ["Cache-Control": "max-age=600"], large) }
    try withLarder(["--body-timeout", "500ms", "--min-rate", "100KiB"], before: [origin]) { larder throws in
      _ = try larder.fetch("/large")
      let slow = try larder.client(receiveBuffer: 4096)
      let fair = try larder.client(receiveBuffer: 65536)
      for client in [slow, fair] { try client.sendRequest("/large") }
      let isOver = Gate("the end")
      defer { isOver.open() }
      let fairly = Task { try read(fair, by: 16384, until: isOver) }
      // Reset: what the kernel still held for it is not sent on.
      #expect(throws: SupportError.self) { _ = try read(slow, by: 100, until: isOver) }
      isOver.open()
      #expect(try fairly.value() > 0)
      #expect(try !fair.socket.receive().isEmpty)
      #expect(try metric("larder_timeouts_total{kind=\"send\"}", larder) == 1)
      fair.close()
    }
  }

  @Test func `S5 who ends a body while an answer fills up is still held to take it`() throws {
    let origin = try origin()
    let large = pattern(16 << 20)
    origin.on("/early") { exchange in
      try exchange.send("HTTP/1.1 200 OK\r\nContent-Length: \(large.count)\r\n\r\n")
      try exchange.send(large)
    }
    try withLarder(["--body-timeout", "300ms", "--gap-timeout", "60s"], before: [origin]) { larder throws in
      let client = try larder.client(receiveBuffer: 4096)
      try client.send("POST /early HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nx")
      try origin.awaitRequests(1)
      pause(milliseconds: 100)
      try client.sendAsFarAsTaken([0x78])
      try eventually("the cut") { try metric("larder_timeouts_total{kind=\"send\"}", larder) == 1 }
    }
  }

  @Test func `S5 beside three hundred slow clients of each kind a bystander is served`() throws {
    let origin = try origin()
    let large = pattern(1 << 20)
    origin.on("/large") { try $0.respond(200, ["Cache-Control": "max-age=600"], large) }
    try withLarder(["--max-connections", "400"], before: [origin]) { larder throws in
      _ = try larder.fetch("/")
      _ = try larder.fetch("/large")
      var slow: [RawClient] = []
      for _ in 0..<300 {
        slow.append(try larder.send("GET / HTTP/1.1\r\nHost: a.te"))
        slow.append(try larder.send("POST /upload HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nx"))
        let reader = try larder.client(receiveBuffer: 2048)
        try reader.sendRequest("/large")
        slow.append(reader)
      }
      let bystander = try larder.client()
      for round in 0..<50 {
        for (index, client) in slow.enumerated() where index % 50 == round {
          switch index % 3 {
          case 0, 1: try client.sendAsFarAsTaken([0x78])
          default: _ = try client.socket.receive(atMost: 1)
          }
        }
        #expect(try bystander.fetch("/").cacheStatus == "HIT")
      }
      for client in slow { client.reset() }
    }
  }
}

/// The value of one series of /metrics; 0 where it is not shown.
func metric(_ series: String, _ larder: Larder) throws -> Int {
  for line in try larder.admin("/metrics").text.split(separator: "\n") where line.hasPrefix(series + " ") {
    return line.split(separator: " ").last.flatMap { Int($0) } ?? 0
  }
  return 0
}
