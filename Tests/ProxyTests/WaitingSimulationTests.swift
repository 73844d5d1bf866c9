import Testing

@testable import Proxy

@Suite("Simulated: windows, waiting and back-off")
struct WaitingSimulationTests {
  private static let mebibyte = 1 << 20

  @Test(arguments: Page.Framing.allCases)
  func `L12: one slow reader of what is not kept holds the origin back, and gets it all`(
    _ framing: Page.Framing
  ) throws {
    try simulate(Seeds.some(3, new: 1)) { simulation in
      simulation.network.bufferSizes = [65_536]
      let length = 5 * Self.mebibyte
      let server = simulation.server { request, _ in
        Page.response(
          request.target, length: length, ["Cache-Control: no-store"], framing: framing, pieces: 80)
      }
      let client = simulation.client()
      client.pace = .never
      client.get("/page")
      simulation.run(for: 20_000)
      // Window, a read over it, the buffers of both connections.
      let taken = server.bytesTakenByProxy
      simulation.expect(taken < 2 * Self.mebibyte, "\(taken) bytes were read for a reader that takes none")
      client.pace = .eager
      simulation.network.activate(client)
      simulation.runClients()
      simulation.checkWhole(client)
    }
  }

  @Test func `L12: a reader that holds up the others is cut after 5 seconds, and they get it all`() throws {
    try simulate(Seeds.some(6)) { simulation in
      simulation.network.bufferSizes = [65_536]
      let length = 5 * Self.mebibyte
      // A shared error of some length: several may read it, and it is not kept.
      simulation.server { request, _ in
        [.wait(1000)]
          + Page.response(
            request.target, length: length, status: "503 Service Unavailable",
            ["Cache-Control: max-age=0"], pieces: 80)
      }
      let lazy = simulation.client("lazy")
      lazy.pace = .never
      lazy.get("/page")
      for _ in 0..<4 { simulation.client().get("/page") }
      let start = simulation.network.now
      simulation.run { simulation.clients.dropFirst().allSatisfy { $0.isDone } }
      for client in simulation.clients.dropFirst() {
        simulation.checkWhole(client)
        let took = client.endedAt - start
        simulation.expect(took < 12_000, "\(client.name) took \(took) ms")
        simulation.expect(took >= 6_000, "the slow one was cut too soon: \(took) ms")
      }
      simulation.expect(simulation.count(.readersCut), 1, "readers cut")
      lazy.pace = .eager
      simulation.network.activate(lazy)
      simulation.runClients()
      simulation.expect(lazy.isAnswered, false, "the cut reader's answer is whole")
    }
  }

  @Test func `L13: after the collapse time-out one more fetch begins at a time, three at most`() throws {
    try simulate(Seeds.some(8)) { simulation in
      let server = simulation.server { request, _ in [.wait(14_000)] + Page.response(request.target) }
      for _ in 0..<40 { simulation.client().get("/page") }
      let start = simulation.network.now
      simulation.run { simulation.network.now > start + 4_500 }
      simulation.expect(server.requests.count, 1, "fetches before the time-out")
      simulation.run { simulation.network.now > start + 9_500 }
      simulation.expect(server.requests.count, 2, "fetches after one time-out")
      simulation.runClients()
      for client in simulation.clients { simulation.checkWhole(client) }
      simulation.expect(server.requests.count <= 3, "\(server.requests.count) fetches")
    }
  }

  @Test func `L13: a fill that nobody waits for any more is cancelled before its head`() throws {
    try simulate(Seeds.some(8)) { simulation in
      simulation.server { request, _ in [.wait(20_000)] + Page.response(request.target) }
      for i in 0..<10 {
        let client = simulation.client()
        client.get("/page")
        simulation.network.after(100 * (i + 1)) { client.leave(abruptly: true) }
      }
      simulation.run(for: 2000)
      simulation.expect(simulation.count(.fillsInFlight), 0, "fills in flight")
      simulation.expect(simulation.count(.fillsCancelled), simulation.count(.fillsStarted), "fills cancelled")
    }
  }

  @Test(arguments: [(1 << 20, true), (3 << 20, true), (7 << 20, false)])
  func `L13: an unread fill goes on if at most 4 MiB or half is left`(_ length: Int, _ isFinished: Bool)
    throws
  {
    try simulate(Seeds.some(3, new: 1)) { simulation in
      simulation.network.bufferSizes = [65_536]
      let server = simulation.server { request, _ in
        let steps = Page.response(request.target, length: length, pieces: 64)
        return Array(steps.prefix(4)) + [.wait(1000)] + steps.dropFirst(4)
      }
      let client = simulation.client()
      client.get("/page")
      simulation.run { client.partialBody.count > 0 }
      client.leave(abruptly: true)
      simulation.run(for: 4000)
      simulation.expect(simulation.count(.fillsStored), isFinished ? 1 : 0, "fills stored")
      simulation.expect(simulation.count(.fillsCancelled), isFinished ? 0 : 1, "fills cancelled")
      let next = simulation.client()
      next.get("/page")
      simulation.runClients()
      simulation.checkWhole(next)
      simulation.expect(next.replies.first?.cacheStatus, isFinished ? "HIT" : "MISS", "status")
      simulation.expect(server.requests.count, isFinished ? 1 : 2, "requests")
    }
  }

  @Test func `L14: under a mark each fetches alone and without validators, until a response can be shared`()
    throws
  {
    try simulate(Seeds.some(6)) { simulation in
      var isPrivate = true
      let server = simulation.server { request, _ in
        simulation.expect(request["if-none-match"], nil, "a validator under a mark")
        return [.wait(200)]
          + Page.response(
            request.target, [isPrivate ? "Cache-Control: private" : "Cache-Control: max-age=60"])
      }
      let first = simulation.client()
      first.get("/page")
      simulation.run { first.isDone }
      let start = simulation.network.now
      for _ in 0..<20 { simulation.client().get("/page") }
      simulation.runClients()
      for client in simulation.clients.dropFirst() {
        simulation.checkWhole(client)
        simulation.expect(client.replies.first?.cacheStatus, "BYPASS", "status under a mark")
      }
      // Side by side, not one after the other.
      simulation.expect(simulation.network.now - start < 3000, "they waited for each other")
      simulation.expect(server.requests.count, 21, "requests")
      isPrivate = false
      let ending = simulation.client()
      ending.get("/page")
      simulation.run { ending.isDone }
      simulation.run(for: 100)
      let hit = simulation.client()
      hit.get("/page")
      simulation.runClients()
      simulation.expect(hit.replies.first?.cacheStatus, "HIT", "status after the mark")
    }
  }

  @Test func `L14: a mark is for one variant, and an error sets none`() throws {
    try simulate(Seeds.some(6)) { simulation in
      var isFailing = true
      let server = simulation.server { request, _ in
        if request.target == "/failing", isFailing {
          return Page.response(request.target, status: "503 Service Unavailable", ["Cache-Control: private"])
        }
        let isPrivate = request["accept-language"] == "de"
        return Page.response(
          "\(request.target)|\(request["accept-language"] ?? "")",
          [isPrivate ? "Cache-Control: private" : "Cache-Control: max-age=60", "Vary: Accept-Language"])
      }
      func ask(_ target: String, _ language: String) -> String {
        let client = simulation.client()
        client.get(target, "Accept-Language: \(language)")
        simulation.run { client.isDone }
        simulation.run(for: 50)
        simulation.checkWhole(client)
        return client.replies.first?.cacheStatus ?? ""
      }
      _ = ask("/page", "de")
      simulation.expect(ask("/page", "de"), "BYPASS", "marked variant")
      simulation.expect(ask("/page", "en"), "MISS", "other variant")
      simulation.expect(ask("/page", "en"), "HIT", "other variant")
      _ = ask("/failing", "en")
      isFailing = false
      simulation.expect(ask("/failing", "en"), "MISS", "after an error")
      simulation.expect(ask("/failing", "en"), "HIT", "after an error")
      _ = server
    }
  }

  @Test func `L15, L16: failed refreshes back off while stale is served at once`() throws {
    try simulate(Seeds.some(6)) { simulation in
      var isDown = false
      let server = simulation.server { request, _ in
        isDown
          ? [.reset] : Page.response(request.target, ["Cache-Control: max-age=1, stale-while-revalidate=600"])
      }
      let first = simulation.client()
      first.get("/page")
      simulation.run { first.isDone }
      simulation.run(for: 2500)
      isDown = true
      let before = server.requests.count
      for _ in 0..<600 {
        let client = simulation.client()
        client.get("/page")
        simulation.run { client.isDone }
        simulation.checkWhole(client)
        simulation.expect(client.endedAt - (client.replies.first?.at ?? 0) < 50, "stale came late")
        simulation.run(for: 100)
      }
      // 60 s of 1, 2, 4, 8, 16, 30 s between attempts, each with its replays.
      let attempts = simulation.count(.fillsFailed)
      simulation.expect(attempts >= 4 && attempts <= 8, "\(attempts) refreshes in 60 s")
      simulation.expect(
        server.requests.count - before <= 2 * attempts, "\(server.requests.count - before) requests")
    }
  }

  @Test(arguments: ["must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=1"])
  func `L16: stale is not served on error where the response forbids it`(_ directive: String) throws {
    try simulate(Seeds.some(3, new: 1)) { simulation in
      var isDown = false
      simulation.server { request, _ in
        isDown
          ? [.reset]
          : Page.response(request.target, ["Cache-Control: max-age=1, \(directive)", "ETag: \"1\""])
      }
      for expected in [200, 502] {
        let client = simulation.client()
        client.get("/page")
        simulation.run { client.isDone }
        simulation.checkWhole(client, errors: [502])
        simulation.expect(client.replies.first?.status, expected, "status")
        isDown = true
        simulation.run(for: 3000)
      }
    }
  }

  @Test func `L15: with a server that is silent, stale is served at once after the first time-outs`() throws {
    try simulate(Seeds.some(4)) { simulation in
      let server = simulation.server { request, _ in
        Page.response(request.target, ["Cache-Control: max-age=1"])
      }
      let first = simulation.client()
      first.get("/page")
      simulation.run { first.isDone }
      server.connectAnswer = { .isSilent }
      simulation.run(for: 60_000)
      var slow = 0
      for _ in 0..<60 {
        let client = simulation.client()
        let start = simulation.network.now
        client.get("/page")
        simulation.run { client.isDone }
        simulation.checkWhole(client)
        simulation.expect(client.replies.first?.cacheStatus, "STALE", "status")
        // What a test's clock may pass by chance is a few steps of at most 8 ms.
        if client.endedAt - start > 200 { slow += 1 }
        simulation.run(for: 500)
      }
      // Three failures make a server known to be down.
      simulation.expect(slow <= 3, "\(slow) clients waited for a silent server")
    }
  }
}
