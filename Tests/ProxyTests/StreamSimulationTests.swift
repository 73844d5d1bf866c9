import IO
import Testing

@testable import Proxy

@Suite("Simulated: many exchanges over one connection, L1")
struct StreamSimulationTests {
  private func connect(_ simulation: Simulation) throws -> (StreamHost, StreamGuest) {
    let (near, far) = StreamEnd.pair(on: simulation.network)
    let host = try StreamHost(worker: simulation.workers[0], fd: simulation.kernel.adopt(near))
    return (host, StreamGuest(simulation.network, end: far))
  }

  @Test func `100 interleaved exchanges share one connection, and a slow one holds up no other`() throws {
    try simulate(Seeds.some(12)) { simulation in
      simulation.network.bufferSizes = [600, 4096]
      let server = simulation.server { request, _ in
        let isStored = (request.target.utf8.last ?? 0) & 1 == 0
        return [.wait(simulation.network.random.below(200))]
          + Page.response(
            request.target, length: 4000,
            [isStored ? "Cache-Control: max-age=60" : "Cache-Control: max-age=0"],
            framing: .chunked, pieces: 4)
      }
      let (host, guest) = try connect(simulation)
      let slow = simulation.network.random.below(100)
      for i in 0..<100 { guest.ask(i, "/page\(i % 10)", slowly: i == slow) }
      // Others ask for the same over their own connections meanwhile.
      for i in 0..<10 { simulation.client().get("/page\(i)") }
      simulation.run { guest.answers.allSatisfy { $0.value.ending != nil || $0.key == slow } }
      let done = simulation.network.now
      simulation.expect(guest.answers[slow]?.ending == nil, "the slow reader was as fast as the others")
      simulation.run { guest.answers.allSatisfy { $0.value.ending != nil } }
      simulation.expect(simulation.network.now - done > 500, "the slow reader was not slow")
      for (id, answer) in guest.answers {
        simulation.expect(answer.ending == .end, "stream \(id) ended as \(String(describing: answer.ending))")
        simulation.expect(
          answer.head.hasPrefix("HTTP/1.1 200 "), "stream \(id) has \(answer.head.prefix(30))")
        simulation.expect(
          answer.body == Page.body(answer.target, length: 4000), "stream \(id) has wrong bytes")
      }
      simulation.expect(host.mostAtOnce > 50, "only \(host.mostAtOnce) exchanges at once")
      simulation.runClients()
      for client in simulation.clients { simulation.checkWhole(client) }
      simulation.expect(server.requests.count >= 10, "\(server.requests.count) requests")
      guest.close()
    }
  }

  @Test func `the connection may go at any time: its exchanges go with it, and others keep what they share`()
    throws
  {
    try simulate(Seeds.some(20)) { simulation in
      simulation.network.bufferSizes = [600, 4096]
      simulation.server { request, _ in
        [.wait(simulation.network.random.below(100))] + Page.response(request.target, length: 4000, pieces: 4)
      }
      let (_, guest) = try connect(simulation)
      for i in 0..<40 { guest.ask(i, "/page\(i % 8)", slowly: i % 5 == 0) }
      for i in 0..<8 { simulation.client().get("/page\(i)") }
      simulation.network.after(simulation.network.random.below(150)) { guest.close() }
      simulation.runClients()
      for client in simulation.clients { simulation.checkWhole(client) }
      guest.close()
    }
  }
}
