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

  /// In milliseconds: longer than the slowest client takes, shorter than any time-out that would hide a stall.
  private static let patience: Int64 = 45_000

  @Test func `a busy site serves every byte as it should`() throws {
    try simulate(Seeds.some(40)) { simulation in
      runBusySite(simulation, clients: 12, requests: 5)
      let answers = simulation.clients.reduce(0) { $0 + $1.replies.count { $0["x-label"] != nil } }
      simulation.expect(answers >= 12, "only \(answers) pages were served")
      for client in simulation.clients {
        simulation.check(client, errors: Self.ownErrors)
        let isFine = client.isAnswered || client.ending == .leftByItself || client.ending == .cut
        simulation.expect(isFine, "\(client.name) ended as \(client.ending)")
      }
    }
  }

  @Test(arguments: [Faults.Call.read, .write, .accept, .connect, .watch])
  func `any one call may fail: no trap, no wrong byte, nothing is left behind`(_ call: Faults.Call) throws {
    for error in call.errors {
      var n = 1
      var hasMore = true
      while hasMore {
        try simulate([UInt64(n % 5 + 1)]) { simulation in
          simulation.kernel.faults.plan(call, n, error)
          // What has been set up by then is the workers' own.
          simulation.network.trace("call \(call) \(n) fails with \(error)")
          let before = simulation.kernel.faults.count(of: call)
          n = max(n, before + 1)
          simulation.kernel.faults.plan(call, n, error)
          runBusySite(simulation, clients: 4, requests: 3)
          for client in simulation.clients { simulation.check(client, errors: Self.ownErrors) }
          hasMore = simulation.kernel.faults.count(of: call) > n
          if !simulation.network.violations.isEmpty {
            simulation.network.violate("call \(call) number \(n) had failed with \(error)")
          }
        }
        n += 1
      }
    }
  }
}
