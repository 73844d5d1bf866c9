import Testing

@testable import Proxy

@Suite("Simulated: failures, shared and not multiplied")
struct FailureSimulationTests {
  /// A way in which a server fails.
  enum Way: CaseIterable, Sendable {
    case refuses, resets, closes, answers500, answersNonsense

    func steps(_ request: Message) -> [ServerStep] {
      switch self {
      case .refuses, .resets: [.wait(50), .reset]
      case .closes: [.wait(50), .close]
      case .answers500:
        [.wait(50)]
          + Page.response(request.target, status: "500 Internal Server Error", ["Cache-Control: max-age=0"])
      case .answersNonsense: [.wait(50), .text("HTTP/9 what\r\n\r\n")]
      }
    }
  }

  @Test(arguments: Way.allCases)
  func `L11: 60 waiters for a page that fails cost one attempt and one retry, and all are told`(_ way: Way)
    throws
  {
    try simulate(Seeds.some(8)) { simulation in
      simulation.timePasses = false
      let server = simulation.server { request, _ in way.steps(request) }
      if way == .refuses { server.connectAnswer = { .refuses } }
      for _ in 0..<60 { simulation.client().get("/page") }
      simulation.runClients()
      for client in simulation.clients {
        simulation.checkWhole(client, errors: [502, 503])
        if way == .answers500 { simulation.expect(client.replies.first?.status, 500, "status") }
      }
      // Those who come when the failure is known make an attempt of their own; those who waited do not.
      let attempts = way == .refuses ? server.connectAttempts : server.requests.count
      simulation.expect(attempts >= 2, "\(attempts) attempts")
      let started = simulation.count(.fillsStarted)
      let perFill = way == .refuses ? 6 : 2
      simulation.expect(attempts <= perFill * started, "\(attempts) attempts for \(started) fills")
    }
  }

  @Test func `L11: waiters that are all there share one failure after exactly two attempts`() throws {
    try simulate(Seeds.some(10)) { simulation in
      let server = simulation.server { _, _ in [.wait(1000), .reset] }
      for _ in 0..<50 { simulation.client().get("/page") }
      simulation.runClients()
      for client in simulation.clients { simulation.checkWhole(client, errors: [502]) }
      simulation.expect(server.requests.count, 2, "attempts")
    }
  }

  @Test func `L11: the retry is made from another waiter's request, and saves them all`() throws {
    try simulate(Seeds.some(10)) { simulation in
      let server = simulation.server { request, _ in
        request["x-poison"] != nil ? [.wait(500), .reset] : Page.response(request.target)
      }
      let first = simulation.client()
      first.get("/page", "X-Poison: yes")
      simulation.run { server.requests.count == 1 }
      for _ in 0..<20 { simulation.client().get("/page") }
      simulation.runClients()
      for client in simulation.clients {
        simulation.checkWhole(client)
        simulation.expect(client.replies.first?.status, 200, "status")
      }
      simulation.expect(server.requests.count, 2, "attempts")
    }
  }

  @Test(arguments: ["Cache-Control: private", "Cache-Control: no-store", "Set-Cookie: session=1"])
  func `L11: an error that is one client's is not shown to the others`(_ field: String) throws {
    try simulate(Seeds.some(6)) { simulation in
      var count = 0
      simulation.server { request, _ in
        count += 1
        return [.wait(1000)]
          + Page.response("\(request.target)|\(count)", status: "500 Internal Server Error", [field])
      }
      for _ in 0..<30 { simulation.client().get("/page") }
      simulation.runClients()
      var seen: [String: Int] = [:]
      for client in simulation.clients {
        simulation.checkWhole(client, errors: [503])
        if let label = client.replies.first?["x-label"] { seen[label, default: 0] += 1 }
      }
      for (label, times) in seen where times > 1 {
        simulation.network.violate("\(label) was shown \(times) times")
      }
    }
  }

  @Test func `L11: 10,000 waiters on a private page never exceed the connection limit`() throws {
    try simulate([1], workers: 3, { $0.maxConnections = 64 }) { simulation in
      simulation.timePasses = false
      simulation.network.bufferSizes = [65_536]
      simulation.server { request, _ in
        Page.response(request.target, length: 60, ["Cache-Control: private"])
      }
      for _ in 0..<10_000 { simulation.client().get("/page") }
      simulation.stepLimit = 20_000_000
      simulation.runClients()
      for client in simulation.clients { simulation.checkWhole(client) }
      let most = simulation.kernel.mostDialled
      simulation.expect(most <= 64, "\(most) connections at once")
      simulation.expect(simulation.count(.queueTimeouts), 0, "queue time-outs")
    }
  }

  @Test func `L11: a connection granted to a client that has just left goes to the next`() throws {
    try simulate(Seeds.some(30), workers: 3, { $0.maxConnections = 1 }) { simulation in
      simulation.server { request, _ in
        [.wait(3)] + Page.response(request.target, ["Cache-Control: no-store"])
      }
      for i in 0..<40 {
        let client = simulation.client()
        client.get("/page\(i)")
        if i % 4 > 0 {
          simulation.network.after(2 + simulation.network.random.below(60)) { client.leave(abruptly: true) }
        }
      }
      let start = simulation.network.now
      simulation.runClients()
      for client in simulation.clients {
        simulation.check(client)
        simulation.expect(client.isAnswered || client.ending == .leftByItself, "\(client.name) has no answer")
      }
      simulation.expect(simulation.network.now - start < 5000, "a connection was lost")
    }
  }

  @Test func `L11: who waits longer than the queue time-out for a connection gets 503 with Retry-After`()
    throws
  {
    try simulate(Seeds.some(5), { $0.maxConnections = 2 }) { simulation in
      simulation.server { _, _ in [.wait(30_000), .close] }
      for i in 0..<6 {
        simulation.client().ask("POST /form HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n\(i)")
      }
      simulation.runClients()
      let refused = simulation.clients.compactMap { $0.replies.first }.filter { $0.status == 503 }
      simulation.expect(refused.count, 4, "answers of 503")
      for reply in refused { simulation.expect(reply["retry-after"] != nil, "no Retry-After") }
    }
  }
}
