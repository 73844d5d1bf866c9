import Testing

@testable import Proxy

@Suite("Simulated: many requests, one fill")
struct CollapseSimulationTests {
  @Test func `whatever the order of events, all who ask get the page, and the origin is asked once`() throws {
    try simulate(Seeds.some(20)) { simulation in
      let server = simulation.server { request, _ in
        Page.response(request.target, length: 20_000, pieces: 7)
      }
      for _ in 0..<30 {
        let client = simulation.client()
        client.get("/page")
      }
      simulation.runClients()
      for client in simulation.clients {
        let fault = client.replies.count == 1 ? Page.fault(of: client.replies[0]) : "no answer: \(client.ending)"
        if let fault { simulation.network.violate("\(client.name): \(fault)") }
      }
      if server.requests.count != 1 { simulation.network.violate("\(server.requests.count) requests") }
    }
  }
}
