import Bytes
import HTTP
import Testing

@testable import Proxy

@Suite("Simulated: a wall clock that jumps, R7")
struct ClockSimulationTests {
  private static let threeDays: Milliseconds = 3 * 86_400_000

  /// By the server's clock, which goes right.
  private static func date(_ trueOffset: Milliseconds, _ network: Network) -> String {
    var text = OutputBuffer(capacity: 32)
    HTTPDate.write((trueOffset + network.now) / 1000, to: &text)
    return "Date: " + String(decoding: text.bytes.array, as: UTF8.self)
  }

  @Test func `R7: pages age by the monotonic clock alone, and nobody waits longer`() throws {
    try simulate(Seeds.some(20)) { simulation in
      let network = simulation.network
      let trueOffset = network.wallOffset
      let server = simulation.server { request, _ in
        Page.response(
          request.target, length: 700, ["Cache-Control: max-age=20", Self.date(trueOffset, network)])
      }
      func jumpLater() {
        network.after(1 + network.random.below(400)) {
          network.wallOffset = trueOffset + Self.threeDays * Milliseconds(network.random.below(3) - 1)
          if network.now < 5_030_000 { jumpLater() }
        }
      }
      jumpLater()
      for round in 0..<30 {
        for _ in 0..<3 { simulation.client().get("/page\(network.random.below(4))") }
        let start = network.now
        simulation.runClients()
        simulation.expect(network.now - start < 1000, "round \(round) took \(network.now - start) ms")
        simulation.run(for: 1000)
      }
      check(simulation, server)
      // Four pages that are fresh for 20 s, over 30 s and a little: two fetches each, or three.
      let fetches = simulation.count(.upstreamRequests)
      simulation.expect((4...12).contains(fetches), "\(fetches) fetches")
    }
  }

  private func check(_ simulation: Simulation, _ server: SimulatedServer) {
    let replies = simulation.clients.compactMap { $0.replies.first }
    for client in simulation.clients { simulation.checkWhole(client) }
    for reply in replies {
      let label = reply["x-label"]
      let age = Int64(reply["age"] ?? "0") ?? -1
      // Made by one of the fetches, so many seconds ago.
      let isDue = server.requests.contains { fetch in
        fetch.target == label && fetch.at <= reply.at && abs(age - (reply.at - fetch.at) / 1000) <= 1
      }
      simulation.expect(isDue && (0...20).contains(age), "\(label ?? "a page") is \(age) s old")
    }
  }

  @Test(arguments: [threeDays, -threeDays])
  func `R7: a jump brings no time-out nearer and puts none off`(_ jump: Milliseconds) throws {
    try simulate(Seeds.some(10), { $0.firstByteTimeoutMilliseconds = 700 }) { simulation in
      simulation.server { _, _ in [.hold] }
      let client = simulation.client()
      client.get("/page")
      let start = simulation.network.now
      simulation.network.after(300) { simulation.network.wallOffset += jump }
      simulation.runClients()
      simulation.expect(client.replies.first?.status, 504, "status")
      let took = simulation.network.now - start
      simulation.expect((690...900).contains(took), "it took \(took) ms")
    }
  }
}
