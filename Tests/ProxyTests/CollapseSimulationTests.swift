import Testing

@testable import Proxy

@Suite("Simulated: many requests, one fill")
struct CollapseSimulationTests {
  @Test func `L3: whatever the order of events, all who ask get the page, and the origin is asked once`()
    throws
  {
    try simulate(Seeds.some(20), workers: 3) { simulation in
      simulation.network.bufferSizes = [600, 4096, 65_536]
      let framing = simulation.network.random.pick(Page.Framing.allCases)
      let server = simulation.server { request, _ in
        Page.response(request.target, length: 20_000, framing: framing, pieces: 7)
      }
      for _ in 0..<30 { simulation.client().get("/page") }
      simulation.runClients()
      for client in simulation.clients { simulation.checkWhole(client) }
      simulation.expect(server.requests.count, 1, "requests to the origin")
    }
  }

  @Test func `L9: no waiter gets a byte before the head, and all get it after`() throws {
    try simulate(Seeds.some(10)) { simulation in
      var held: ServerConnection?
      let server = simulation.server { request, connection in
        held = connection
        return [.text("HTTP/1.1 200 OK\r\nX-Lab"), .hold]
      }
      for _ in 0..<20 { simulation.client().get("/page") }
      simulation.run(for: 2000)
      for client in simulation.clients { simulation.expect(client.bytesTaken, 0, "bytes before the head") }
      held?.goOn([
        .text("el: /page\r\nX-Length: 100\r\nContent-Length: 100\r\nCache-Control: max-age=9\r\n\r\n"), .hold,
      ])
      simulation.run(for: 500)
      for client in simulation.clients {
        simulation.expect(client.partialHead != nil, "\(client.name) has no head")
      }
      held?.goOn([.send(Page.body("/page", length: 100))])
      simulation.runClients()
      for client in simulation.clients { simulation.checkWhole(client) }
      simulation.expect(server.requests.count, 1, "requests to the origin")
    }
  }

  @Test func `L28: interim responses reach all who wait, on every worker, before the head`() throws {
    try simulate(Seeds.some(20), workers: 3) { simulation in
      simulation.network.bufferSizes = [4096, 65_536]
      let hint = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
      var connection: ServerConnection?
      let server = simulation.server { request, own in
        connection = own
        return [.hold, .text(hint), .text(hint)] + Page.response(request.target)
      }
      let early = (0..<3).map { simulation.client(worker: $0) }
      for client in early { client.get("/page") }
      simulation.run { connection?.isHeld == true && simulation.count(.requestsCollapsed) == 2 }
      connection?.goOn()
      simulation.run { early.allSatisfy { $0.isDone } }
      let late = simulation.client()
      late.get("/page")
      simulation.runClients()
      for client in early {
        simulation.checkWhole(client)
        simulation.expect(
          client.interims.map { $0.status }, [103, 103], "interim responses of \(client.name)")
      }
      simulation.expect(late.interims.count, 0, "interim responses from the cache")
      simulation.expect(server.requests.count, 1, "requests")
    }
  }

  @Test func `L9: 100 waiters over 4 Accept-Encoding values make exactly 4 fetches`() throws {
    try simulate(Seeds.some(12), workers: 3) { simulation in
      let delay = simulation.network.random.below(300)
      let server = simulation.server { request, _ in
        [.wait(delay)]
          + Page.response(
            "\(request.target)|\(request["accept-encoding"] ?? "")", length: 3000,
            ["Cache-Control: max-age=60", "Vary: Accept-Encoding"], pieces: 4)
      }
      for i in 0..<100 {
        simulation.client().get("/page", "Accept-Encoding: \(["gzip", "br", "zstd", "deflate"][i % 4])")
      }
      simulation.runClients()
      for (i, client) in simulation.clients.enumerated() {
        simulation.checkWhole(client)
        let wanted = "/page|\(["gzip", "br", "zstd", "deflate"][i % 4])"
        simulation.expect(client.replies.first?["x-label"], wanted, "variant")
      }
      simulation.expect(server.requests.count, 4, "fetches")
    }
  }

  @Test(arguments: [
    "Cache-Control: max-age=60", "Cache-Control: private", "Cache-Control: no-store", "Set-Cookie: a=b",
  ])
  func `L9: two users with different tokens never see each other's body`(_ field: String) throws {
    try simulate(Seeds.some(6)) { simulation in
      simulation.server { request, _ in
        Page.response(
          "\(request.target)|\(request["authorization"] ?? "nobody")", length: 500, [field], pieces: 2)
      }
      var owners: [String] = []
      for i in 0..<24 {
        let owner = i % 3 == 0 ? "nobody" : "Bearer \(i % 3)"
        let client = simulation.client()
        for _ in 0..<2 {
          if i % 3 == 0 { client.get("/me") } else { client.get("/me", "Authorization: \(owner)") }
        }
        owners.append(owner)
      }
      simulation.runClients()
      for (client, owner) in zip(simulation.clients, owners) {
        simulation.checkWhole(client)
        for reply in client.replies {
          // RFC 9111 §3.5 keeps what was made for a token; a stored page that was made for nobody in
          // particular, and is fresh by its own word, is everybody's.
          if reply.cacheStatus == "HIT", reply["x-label"] == "/me|nobody", field.contains("max-age") {
            continue
          }
          simulation.expect(reply["x-label"], "/me|\(owner)", "owner of the page for \(owner)")
        }
      }
    }
  }

  @Test func `L10: the first request's conditions and method leave the next plain GET a whole hit`()
    throws
  {
    let requests = [
      "HEAD /page HTTP/1.1\r\nHost: example.com\r\n\r\n",
      "GET /page HTTP/1.1\r\nHost: example.com\r\nRange: bytes=9-5\r\n\r\n",
      "GET /page HTTP/1.1\r\nHost: example.com\r\nIf-None-Match: \"other\"\r\n\r\n",
      "GET /page HTTP/1.1\r\nHost: example.com\r\nIf-Modified-Since: Tue, 01 Jan 2030 00:00:00 GMT\r\n\r\n",
      "GET /page HTTP/1.1\r\nHost: example.com\r\nIf-Range: \"x\"\r\n\r\n",
      "GET /page HTTP/1.1\r\nHost: example.com\r\nTE: trailers\r\nConnection: TE\r\n\r\n",
      "GET /page HTTP/1.1\r\nHost: example.com\r\nExpect: 100-continue\r\nCache-Control: no-cache\r\n\r\n",
    ]
    for request in requests {
      try simulate(Seeds.some(3, new: 1)) { simulation in
        let forbidden = [
          "range", "if-range", "if-none-match", "if-modified-since", "expect", "te", "cache-control",
        ]
        let server = simulation.server { request, _ in
          for name in forbidden where request[name] != nil {
            simulation.network.violate("the fill has \(name)")
          }
          simulation.expect(request.method, "GET", "method of the fill")
          return Page.response(request.target, length: 1000, ["Cache-Control: max-age=60", "ETag: \"v1\""])
        }
        let first = simulation.client()
        first.ask(request)
        simulation.run { first.isDone }
        simulation.checkWhole(first)
        simulation.run(for: 100)
        let second = simulation.client()
        second.get("/page")
        simulation.runClients()
        simulation.checkWhole(second)
        simulation.expect(
          second.replies.first?.cacheStatus, "HIT", "status of the plain GET after \(request)")
        simulation.expect(second.replies.first?.status, 200, "status")
        simulation.expect(server.requests.count, 1, "fetches")
      }
    }
  }
}
