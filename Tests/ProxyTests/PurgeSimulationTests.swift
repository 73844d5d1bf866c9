import Testing

@testable import Proxy

@Suite("Simulated: purges, L19 to L21")
struct PurgeSimulationTests {
  /// How content is invalidated.
  enum Purge: CaseIterable, Sendable {
    case hard, soft, unsafeMethod

    var request: String {
      switch self {
      case .hard: "PURGE /page HTTP/1.1\r\nHost: example.com\r\n\r\n"
      case .soft: "PURGE /page HTTP/1.1\r\nHost: example.com\r\nX-Soft-Purge: 1\r\n\r\n"
      case .unsafeMethod: "POST /page HTTP/1.1\r\nHost: example.com\r\nContent-Length: 0\r\n\r\n"
      }
    }
  }

  /// What is there when the purge comes.
  enum Before: CaseIterable, Sendable {
    case nothing, fresh, stale, updating

    var control: String {
      switch self {
      case .nothing, .fresh: "Cache-Control: max-age=1000"
      case .stale: "Cache-Control: max-age=1"
      case .updating: "Cache-Control: max-age=1, stale-while-revalidate=1000"
      }
    }
  }

  /// An origin whose page has a version, by which conditions are answered.
  final class VersionedOrigin {
    var version = 1
    let control: String

    init(_ control: String) { self.control = control }

    func respond(_ request: Message, _ connection: ServerConnection) -> [ServerStep] {
      if request.method == "POST" {
        version += 1
        return [.text("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")]
      }
      let tag = "ETag: \"\(version)\""
      if request["if-none-match"] == "\"\(version)\"" {
        return [.text("HTTP/1.1 304 Not Modified\r\n\(tag)\r\n\(control)\r\n\r\n")]
      }
      return Page.response(
        "/page|\(version)", length: 900, [control, tag, "Vary: Accept-Encoding"], pieces: 3)
    }
  }

  /// Runs readers, purges at step `moment` of the run and lets more readers come after the answer. False: the
  /// readers were done before that moment.
  private func purge(_ purge: Purge, _ before: Before, at moment: Int, seed: UInt64) throws -> Bool {
    var wasReached = false
    try simulate([seed]) { simulation in
      simulation.network.bufferSizes = [300, 4096]
      simulation.timePasses = false
      let origin = VersionedOrigin(before.control)
      simulation.server(respond: origin.respond)
      if before != .nothing {
        for coding in ["gzip", "br"] {
          let first = simulation.client()
          first.get("/page", "Accept-Encoding: \(coding)")
          simulation.run { first.isDone }
        }
        simulation.run(for: before == .fresh ? 10 : 2500)
      }
      let purger = simulation.client("purger")
      purger.closesWhenDone = false
      for i in 0..<6 { simulation.client().get("/page", "Accept-Encoding: \(["gzip", "br"][i % 2])") }
      let readers = simulation.clients.suffix(6)
      let start = simulation.network.steps
      simulation.run { simulation.network.steps >= start + moment || readers.allSatisfy { $0.isDone } }
      wasReached = !readers.allSatisfy { $0.isDone }
      if purge != .unsafeMethod { origin.version += 1 }
      purger.ask(purge.request)
      simulation.run { purger.isAnswered }
      simulation.expect(purger.replies.first?.status, 200, "status of the purge")
      purger.leave()
      let least = origin.version
      let after = (0..<6).map { i in
        let client = simulation.client("after")
        client.get("/page", "Accept-Encoding: \(["gzip", "br"][i % 2])")
        return client
      }
      simulation.runClients()
      for client in simulation.clients where client !== purger { simulation.checkWhole(client) }
      for client in after { checkVersion(client, least, purge, simulation) }
      simulation.run(for: 10)
      let last = simulation.client("last")
      last.get("/page", "Accept-Encoding: br")
      simulation.runClients()
      checkVersion(last, least, purge, simulation)
      simulation.expect(last.replies.first?.cacheStatus, "HIT", "status of the last")
    }
    return wasReached
  }

  private func checkVersion(_ client: SimulatedClient, _ least: Int, _ purge: Purge, _ simulation: Simulation)
  {
    guard let reply = client.replies.first, let label = reply["x-label"],
      let version = label.split(separator: "|").last.flatMap({ Int($0) })
    else { return simulation.network.violate("\(client.name) has no page") }
    let isAllowed = version >= least || purge == .soft && ["UPDATING", "STALE"].contains(reply.cacheStatus)
    simulation.expect(
      isAllowed, "\(client.name) got version \(version) as \(reply.cacheStatus) after a purge for \(least)")
  }

  @Test(arguments: Purge.allCases, Before.allCases)
  func `L20, L21: at every instant of a fill, nobody gets older content after the answer`(
    _ purge: Purge, _ before: Before
  ) throws {
    for seed in Seeds.some(1, new: 1) {
      var moment = 0
      while try self.purge(purge, before, at: moment, seed: seed) { moment += 1 + moment / 40 }
    }
  }

  @Test func `L20: purging another key a thousand times a second does not keep this one from being stored`()
    throws
  {
    try simulate(Seeds.some(4)) { simulation in
      simulation.server { request, _ in
        let steps = Page.response(request.target, length: 3000, pieces: 20)
        return steps.flatMap { [$0, .wait(100)] }
      }
      let purger = simulation.client("purger")
      purger.closesWhenDone = false
      purger.answered = { _, _ in
        simulation.network.after(1) { purger.ask("PURGE /other HTTP/1.1\r\nHost: example.com\r\n\r\n") }
      }
      purger.ask("PURGE /other HTTP/1.1\r\nHost: example.com\r\n\r\n")
      for _ in 0..<5 { simulation.client().get("/page") }
      simulation.run { simulation.clients.dropFirst().allSatisfy { $0.isDone } }
      simulation.run(for: 20)
      let hit = simulation.client()
      hit.get("/page")
      simulation.run { hit.isDone }
      simulation.expect(hit.replies.first?.cacheStatus, "HIT", "status")
      simulation.expect(purger.replies.count > 500, "only \(purger.replies.count) purges")
      simulation.expect(simulation.deployment.store.fences.statistics.records < 100, "purge records pile up")
    }
  }

  @Test func `L20: who waits for a fill that is purged still gets it whole; it is neither joined nor stored`()
    throws
  {
    try simulate(Seeds.some(10)) { simulation in
      var version = 1
      var held: [ServerConnection] = []
      let server = simulation.server { request, connection in
        held.append(connection)
        let steps = Page.response("/page|\(version)", length: 3000, pieces: 2)
        return [steps[0], steps[1], .hold] + steps.dropFirst(2)
      }
      for _ in 0..<5 { simulation.client().get("/page") }
      simulation.run {
        held.first?.isHeld == true && simulation.clients.allSatisfy { $0.partialBody.count > 0 }
      }
      version = 2
      let purger = simulation.client("purger")
      purger.ask("PURGE /page HTTP/1.1\r\nHost: example.com\r\n\r\n")
      simulation.run { purger.isDone }
      for _ in 0..<5 { simulation.client("after").get("/page") }
      simulation.run { held.count == 2 && held[1].isHeld }
      guard held.count == 2 else { return simulation.network.violate("no second fetch") }
      // The old one ends last.
      held[1].goOn()
      simulation.run(for: 50)
      held[0].goOn()
      simulation.runClients()
      for (i, client) in simulation.clients.enumerated() where client !== purger {
        simulation.checkWhole(client)
        simulation.expect(
          client.replies.first?["x-label"], i < 5 ? "/page|1" : "/page|2", "page of \(client.name)")
      }
      let last = simulation.client()
      last.get("/page")
      simulation.runClients()
      simulation.expect(last.replies.first?["x-label"], "/page|2", "stored page")
      simulation.expect(last.replies.first?.cacheStatus, "HIT", "status")
      simulation.expect(server.requests.count, 2, "requests")
    }
  }
}
