import Glibc
import Testing

@testable import Proxy

@Suite("Simulated: a busy site, with and without failing system calls")
struct FaultSimulationTests {
  private static let ownErrors: Set<Int> = [416, 502, 503, 504]

  private func runBusySite(_ simulation: Simulation, clients: Int, requests: Int) {
    simulation.network.bufferSizes = [300, 4096, 65_536]
    simulation.server(respond: BusySite.respond)
    BusySite(simulation: simulation).populate(clients: clients, requests: requests)
    let start = simulation.network.now
    simulation.runClients()
    for client in simulation.clients where client.endedAt - start > Self.patience {
      simulation.network.violate("\(client.name) took \(client.endedAt - start) ms")
    }
  }

  /// In milliseconds: longer than the slowest client takes, shorter than a time-out that would hide a stall.
  private static let patience: Int64 = 45_000

  @Test func `a busy site serves every byte as it should`() throws {
    try simulate(Seeds.some(40)) { simulation in
      runBusySite(simulation, clients: 12, requests: 5)
      simulation.run(for: 5000)
      simulation.expect(
        simulation.count(.connectionsOpen), 0, "connections 5 s after the last client has left")
      let answers = simulation.clients.reduce(0) { $0 + $1.replies.count { $0["x-label"] != nil } }
      simulation.expect(answers >= 12, "only \(answers) pages were served")
      for client in simulation.clients {
        simulation.check(client, errors: Self.ownErrors)
        let isFine = client.isAnswered || client.ending == .leftByItself
        simulation.expect(isFine, "\(client.name) ended as \(client.ending)")
        for (request, reply) in zip(client.requestsAnswered, client.replies) where reply["x-label"] == nil {
          let isDue =
            switch request.target {
            case "/gone": reply.status == 502
            // Made for another client, and not to be shown to this one (L11).
            case "/failing": reply.status == 503
            default: reply.status == 416 && request["range"] != nil
            }
          simulation.expect(isDue, "\(client.name) got \(reply.line) for \(request.line)")
        }
      }
    }
  }

  @Test func `the same seed gives the same run`() throws {
    for seed in Seeds.some(3) {
      var runs: Set<[Int]> = []
      for _ in 0..<2 {
        try simulate([seed]) { simulation in
          runBusySite(simulation, clients: 8, requests: 4)
          runs.insert([
            simulation.network.steps, Int(simulation.network.now), simulation.count(.clientBytesSent),
            simulation.kernel.faults.count(of: .read), simulation.kernel.faults.count(of: .write),
          ])
        }
      }
      #expect(runs.count == 1, "LARDER_SEED=\(seed) \(runs)")
    }
  }

  /// Servers that fail in every way, connections that are lost, purges, a memory that is too small.
  private func runStorm(_ simulation: Simulation) {
    let network = simulation.network
    network.bufferSizes = [300, 4096, 65_536]
    for index in 0..<2 {
      let server = simulation.server(index) { request, connection in
        var steps = BusySite.respond(request, connection)
        if network.random.once(in: 5) {
          let at = network.random.below(steps.count + 1)
          steps.insert(
            contentsOf: [network.random.once(in: 2) ? .reset : .wait(network.random.below(800))], at: at)
        }
        return steps
      }
      server.connectAnswer = {
        network.random.once(in: 8) ? .refuses : network.random.once(in: 30) ? .isSilent : .accepts
      }
    }
    BusySite(simulation: simulation).populate(clients: 20, requests: 6)
    let purger = simulation.client("purger")
    for i in 0..<30 {
      network.after(i * 40) {
        purger.ask("PURGE \(network.random.pick(BusySite.paths)) HTTP/1.1\r\nHost: example.com\r\n\r\n")
      }
      network.after(i * 60) { simulation.kernel.loseOne() }
    }
    purger.closesWhenDone = false
    simulation.run(for: 3000)
    purger.leave()
    simulation.runClients()
  }

  @Test func `in a storm of failures every byte that is served is the right one, and all comes to an end`()
    throws
  {
    try simulate(
      Seeds.some(60, new: 5), workers: 3, servers: 2,
      {
        $0.memoryBytes = 1 << 20
        $0.maxObjectBytes = 200_000
        $0.maxConnections = 3
        $0.connectTimeoutMilliseconds = 500
        $0.collapseTimeoutMilliseconds = 300
        $0.queueTimeoutMilliseconds = 2000
      }
    ) { simulation in
      runStorm(simulation)
      for client in simulation.clients { simulation.check(client, errors: Self.ownErrors.union([200])) }
    }
  }
}
