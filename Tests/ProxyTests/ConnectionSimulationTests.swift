import Testing

@testable import Proxy

@Suite("Simulated: connections, from the first byte to the drain")
struct ConnectionSimulationTests {
  @Test func `L30: draining at any instant, every accepted connection has its answer whole`() throws {
    for seed in Seeds.some(3) {
      var moment = 0
      var wasReached = true
      while wasReached {
        try simulate([seed]) { simulation in
          simulation.network.bufferSizes = [300, 4096]
          simulation.server { request, _ in
            [.wait(40)] + Page.response(request.target, length: 2000, pieces: 3)
          }
          for i in 0..<8 {
            let client = simulation.client()
            client.pipelines = i % 2 == 0
            for n in 0..<3 { client.get("/page\((i + n) % 4)") }
          }
          let start = simulation.network.steps
          simulation.run {
            simulation.network.steps >= start + moment || simulation.clients.allSatisfy { $0.isDone }
          }
          wasReached = !simulation.clients.allSatisfy { $0.isDone }
          simulation.drain()
          let asked = simulation.clients.map { $0.hasAskedAll }
          simulation.runClients()
          for (client, hasAskedAll) in zip(simulation.clients, asked) {
            simulation.check(client)
            let isEnded = [.whole, .closedByServer].contains(client.ending)
            simulation.expect(
              isEnded, "\(client.name) ended as \(client.ending) with \(client.replies.count) answers")
            simulation.expect(client.replies.count >= 1, "\(client.name) has no answer")
            // What had arrived is answered, or the last answer has said that the rest was not read.
            let isTold = client.replies.last?["connection"] == "close"
            simulation.expect(
              client.ending == .whole || isTold || !hasAskedAll, "\(client.name) lost a request")
          }
          simulation.run(for: 3000)
          for worker in simulation.workers {
            simulation.expect(worker.isFinished, "worker \(worker.index) is not finished")
          }
        }
        moment += 1 + moment / 10
      }
    }
  }

  @Test func `pipelined requests split at every byte are answered in order`() throws {
    let requests = [
      "GET /a HTTP/1.1\r\nHost: example.com\r\n\r\n",
      "POST /form HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\n\r\nhello",
      "PUT /form HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
      "HEAD /a HTTP/1.1\r\nHost: example.com\r\n\r\n",
      "GET /private HTTP/1.1\r\nHost: example.com\r\n\r\n",
      "GET /b HTTP/1.1\r\nHost: example.com\r\n\r\n",
    ]
    let all = Array(requests.joined().utf8)
    for split in 1..<all.count {
      try simulate([UInt64(split)]) { simulation in
        simulation.server { request, _ in
          switch request.target {
          case "/form": Page.response("/form|\(request.bodyText)", ["Cache-Control: no-store"])
          case "/private":
            Page.response(request.target, ["Cache-Control: private"], framing: .chunked, pieces: 3)
          default: Page.response(request.target)
          }
        }
        let client = simulation.client()
        client.expect(requests)
        client.sendRaw(Array(all[..<split]))
        simulation.network.after(simulation.network.random.below(50)) { client.sendRaw(Array(all[split...])) }
        simulation.runClients()
        simulation.checkWhole(client)
        let labels = client.replies.map { $0["x-label"] ?? "" }
        simulation.expect(
          labels, ["/a", "/form|hello", "/form|abc", "/a", "/private", "/b"], "split at \(split)")
      }
    }
  }

  @Test func `an origin's response split at every byte arrives whole`() throws {
    for framing in Page.Framing.allCases {
      let whole = Page.response("/page", length: 60, framing: framing, pieces: 2).flatMap { step -> [UInt8] in
        if case .send(let bytes) = step { bytes } else { [] }
      }
      for split in 1..<whole.count {
        try simulate([UInt64(split)]) { simulation in
          simulation.server { _, _ in
            let rest: [ServerStep] = framing == .untilEnd ? [.close] : []
            return [.send(Array(whole[..<split])), .wait(3), .send(Array(whole[split...]))] + rest
          }
          let clients = (0..<2).map { _ in simulation.client() }
          for client in clients { client.get("/page") }
          simulation.runClients()
          for client in clients { simulation.checkWhole(client) }
        }
      }
    }
  }

  @Test func `idle connections are used again, and closed after their time`() throws {
    try simulate(Seeds.some(6), workers: 1) { simulation in
      let server = simulation.server { request, _ in
        Page.response(request.target, ["Cache-Control: no-store"])
      }
      let client = simulation.client()
      client.closesWhenDone = false
      for i in 0..<5 {
        client.get("/page\(i)")
        simulation.run { client.isAnswered }
        simulation.run(for: 1000)
      }
      simulation.checkWhole(client)
      simulation.expect(server.connectAttempts, 1, "connections to the server")
      simulation.run(for: 52_000)
      simulation.expect(simulation.count(.upstreamConnectionsOpen), 0, "upstream connections after 50 s")
      simulation.expect(client.isDone, false, "the client was closed before its 60 s")
      simulation.run(for: 10_000)
      simulation.expect(client.ending, .closedByServer, "ending of the idle client")
    }
  }

  @Test func `a server that closes an idle connection just as it is used costs nobody an answer`() throws {
    try simulate(Seeds.some(30)) { simulation in
      simulation.server { request, connection in
        // Closes at about the time at which the next request comes.
        simulation.network.after(simulation.network.random.below(12)) {
          if simulation.network.random.once(in: 2) { connection.goOn([.close]) }
        }
        return Page.response(request.target, ["Cache-Control: no-store"])
      }
      for _ in 0..<4 {
        let client = simulation.client()
        for i in 0..<8 { client.get("/page\(i)") }
      }
      simulation.runClients()
      for client in simulation.clients {
        simulation.checkWhole(client, errors: [502])
        // A connection that had served before may be closed at any time: that is never the client's loss.
        for reply in client.replies { simulation.expect(reply.status, 200, "status") }
      }
    }
  }

  @Test func `S2: what a server says between two requests is not the answer to the second`() throws {
    // No new seeds: with some the bytes come in a later turn than the request, and are then an answer for all
    // that anybody can tell.
    try simulate(Seeds.some(6, new: 0), workers: 1) { simulation in
      var connection: ServerConnection?
      let server = simulation.server { request, arrived in
        connection = connection ?? arrived
        return Page.response(request.target, ["Cache-Control: no-store"])
      }
      let client = simulation.client()
      client.closesWhenDone = false
      client.get("/first")
      simulation.run { client.isAnswered }
      simulation.run(for: 1000)
      // Both are there when the proxy looks, and it looks at the request first.
      client.get("/second")
      while simulation.network.activeCount > 0 { simulation.network.stepOne() }
      connection?.goOn([.text("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")])
      while simulation.network.activeCount > 0 { simulation.network.stepOne() }
      simulation.run { client.isAnswered }
      simulation.checkWhole(client)
      simulation.expect(server.connectAttempts, 2, "connections to the server")
    }
  }

  @Test func `L33: a client that takes nothing is given up after the body time-out`() throws {
    try simulate(Seeds.some(4)) { simulation in
      simulation.network.bufferSizes = [4096]
      simulation.server { request, _ in Page.response(request.target, length: 100_000) }
      let client = simulation.client()
      client.pace = .never
      client.get("/page")
      let start = simulation.network.now
      simulation.run { simulation.count(.sendTimeouts) == 1 }
      let took = simulation.network.now - start
      simulation.expect(took >= 30_000 && took < 31_000, "given up after \(took) ms")
    }
  }

  @Test func `L33: a head that does not come, or not to its end, is given up after the head time-out`() throws
  {
    for text in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: a\r\n"] {
      try simulate(Seeds.some(2, new: 1)) { simulation in
        simulation.server { request, _ in Page.response(request.target) }
        let client = simulation.client()
        client.expect(["GET / HTTP/1.1\r\nHost: a\r\n\r\n"])
        client.sendRaw(Array(text.utf8))
        let start = simulation.network.now
        simulation.runClients()
        let took = client.endedAt - start
        simulation.expect(took >= 10_000 && took < 14_000, "given up after \(took) ms")
        simulation.expect(client.replies.map { $0.status }, text.isEmpty ? [] : [408], "answers")
      }
    }
  }

  @Test func `a client that ends its side still gets its answers`() throws {
    try simulate(Seeds.some(20)) { simulation in
      simulation.network.bufferSizes = [300, 4096]
      simulation.server { request, _ in
        [.wait(simulation.network.random.below(200))] + Page.response(request.target, length: 3000, pieces: 3)
      }
      for _ in 0..<6 {
        let client = simulation.client()
        client.halfCloses = true
        client.pipelines = true
        for i in 0..<3 { client.get("/page\(i)") }
      }
      simulation.runClients()
      for client in simulation.clients {
        simulation.check(client)
        simulation.expect(
          client.replies.count, 3, "answers to \(client.name), which ended as \(client.ending)")
      }
    }
  }
}
