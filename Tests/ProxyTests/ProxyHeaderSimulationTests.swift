import IO
import Testing

@testable import Proxy

private let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10]
private let line = Array("PROXY TCP4 203.0.113.7 198.51.100.1 5555 80\r\n".utf8)
private let addresses: [UInt8] = [203, 0, 113, 7, 198, 51, 100, 1, 0x15, 0xb3, 0, 80]
/// With an empty PP2_TYPE_NOOP behind the addresses.
private let binary = signature + [0x21, 0x11, 0, 15] + addresses + [4, 0, 0]
private let sixth = Array("PROXY TCP6 2001:db8::7 2001:db8::1 5555 80\r\n".utf8)
private let unknown = Array("PROXY UNKNOWN\r\n".utf8)
private let local = signature + [0x20, 0, 0, 0]

@Suite("Simulated: PROXY headers, L24")
struct ProxyHeaderSimulationTests {
  private func simulateBehindProxy(
    _ seeds: [UInt64], _ flags: String..., scenario: @escaping (Simulation) throws -> Void
  ) throws {
    let given = try Configuration.parse(["--listen=:8080,proxy"] + flags)
    try simulate(
      seeds,
      {
        $0.listen = given.listen
        $0.purgeFrom = given.purgeFrom
        $0.trustedProxies = given.trustedProxies
      }, scenario)
  }

  /// Answers with what the request says about the way here.
  private func echo(_ simulation: Simulation) {
    simulation.server { request, _ in
      Page.response(
        request.target, ["Cache-Control: no-store", "X-Seen: \(request["x-forwarded-for"] ?? "")"])
    }
  }

  @Test(arguments: [line, binary])
  func `header and requests split at every byte are the same, and every request is the client's`(
    _ header: [UInt8]
  ) throws {
    let requests = [
      "GET /a HTTP/1.1\r\nHost: example.com\r\n\r\n",
      "POST /b HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\n\r\nhello",
      "GET /c HTTP/1.1\r\nHost: example.com\r\n\r\n",
    ]
    let all = header + requests.joined().utf8
    for split in 1..<all.count {
      try simulateBehindProxy([UInt64(split)]) { simulation in
        echo(simulation)
        let client = simulation.client()
        client.expect(requests)
        client.sendRaw(Array(all[..<split]))
        simulation.network.after(simulation.network.random.below(50)) { client.sendRaw(Array(all[split...])) }
        simulation.runClients()
        simulation.checkWhole(client)
        let seen = client.replies.map { $0["x-seen"] ?? "" }
        simulation.expect(seen, Array(repeating: "203.0.113.7", count: 3), "addresses, split at \(split)")
      }
    }
  }

  @Test(arguments: [line, binary])
  func `arriving byte by byte changes nothing`(_ header: [UInt8]) throws {
    try simulateBehindProxy(Seeds.some(3)) { simulation in
      echo(simulation)
      let client = simulation.client()
      client.writePiece = 1
      client.sendRaw(header)
      client.get("/a")
      simulation.runClients()
      simulation.checkWhole(client)
      simulation.expect(client.replies.first?["x-seen"], "203.0.113.7", "address")
    }
  }

  @Test func `an unknown client and the proxy itself have the connection's own address`() throws {
    let headers: [([UInt8], String)] = [(unknown, "127.0.0.1"), (local, "127.0.0.1"), (sixth, "2001:db8::7")]
    for (header, address) in headers {
      try simulateBehindProxy(Seeds.some(1)) { simulation in
        echo(simulation)
        let client = simulation.client()
        client.sendRaw(header)
        client.get("/a")
        simulation.runClients()
        simulation.checkWhole(client)
        simulation.expect(client.replies.first?["x-seen"], address, "address")
      }
    }
  }

  @Test func `what a request says itself is not trusted for its header, but for --trusted-proxy`() throws {
    for (trusted, seen) in [
      ("none", "203.0.113.7"), ("127.0.0.0/8", "203.0.113.7"), ("203.0.113.0/24", "192.0.2.1, 203.0.113.7"),
    ] {
      try simulateBehindProxy(Seeds.some(1), "--trusted-proxy=\(trusted)") { simulation in
        echo(simulation)
        let client = simulation.client()
        client.sendRaw(line)
        client.get("/a", "X-Forwarded-For: 192.0.2.1")
        simulation.runClients()
        simulation.checkWhole(client)
        simulation.expect(client.replies.first?["x-seen"], seen, "address with --trusted-proxy \(trusted)")
      }
    }
  }

  @Test func `the client's address decides about a purge, and a loopback proxy makes nobody local`() throws {
    let loopback = Array("PROXY TCP4 127.0.0.1 127.0.0.1 5555 80\r\n".utf8)
    let cases: [([UInt8], String, Int)] = [
      (line, "203.0.113.0/24", 200), (line, "127.0.0.0/8", 403), (loopback, "127.0.0.0/8", 403),
      (unknown, "127.0.0.0/8", 403), (local, "127.0.0.0/8", 200),
    ]
    for (header, network, status) in cases {
      try simulateBehindProxy(Seeds.some(1), "--purge-from=\(network)") { simulation in
        let client = simulation.client()
        client.sendRaw(header)
        client.ask("PURGE /a HTTP/1.1\r\nHost: example.com\r\n\r\n")
        simulation.runClients()
        simulation.expect(client.replies.map { $0.status }, [status], "\(header) from \(network)")
      }
    }
  }

  @Test(arguments: ["", "PROXY TCP4 1.2.3.4\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n"])
  func `whoever does not begin with a header is left without an answer, and counted`(_ start: String) throws {
    try simulateBehindProxy(Seeds.some(3)) { simulation in
      let client = simulation.client()
      client.sendRaw(Array("\(start)GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8))
      simulation.runClients()
      simulation.expect(client.replies.isEmpty && client.partialHead == nil, "an answer")
      simulation.expect(simulation.count(.proxyHeadersRefused), 1, "headers refused")
    }
  }

  @Test(arguments: [0, 1, 20, line.count - 1])
  func `a header that does not come in the time for a head ends the connection without an answer, L33`(
    _ size: Int
  ) throws {
    try simulateBehindProxy(Seeds.some(2)) { simulation in
      simulation.timePasses = false
      let start = simulation.network.now
      let client = simulation.client()
      client.sendRaw(Array(line.prefix(size)))
      simulation.run(for: 5000)
      simulation.expect(!client.isDone, "ended early")
      // A byte now and then does not prolong it.
      if size > 0, size + 1 < line.count { client.sendRaw([line[size]]) }
      simulation.runClients()
      simulation.expect(client.ending, .closedByServer, "ending")
      simulation.expect((10_000...11_000).contains(client.endedAt - start), "ended at \(client.endedAt)")
      simulation.expect(client.replies.isEmpty && client.partialHead == nil, "an answer")
    }
  }

  @Test func `L30: part of a header at the drain: a request that follows in time is answered, then it ends`()
    throws
  {
    for size in 0...line.count {
      try simulateBehindProxy([UInt64(size) + 1]) { simulation in
        echo(simulation)
        let quick = simulation.client()
        let slow = simulation.client()
        for client in [quick, slow] { client.sendRaw(Array(line.prefix(size))) }
        simulation.run(for: 100)
        for mailbox in simulation.deployment.mailboxes { mailbox.post(.drain(.last)) }
        simulation.run(for: 100)
        quick.sendRaw(Array(line.dropFirst(size)))
        quick.get("/a")
        simulation.runClients()
        simulation.checkWhole(quick)
        simulation.expect(quick.replies.first?["connection"], "close", "Connection")
        simulation.expect(slow.ending, .closedByServer, "ending")
        simulation.run(for: 3000)
        simulation.expect(simulation.workers.allSatisfy { $0.isFinished }, "a worker is not finished")
      }
    }
  }
}
