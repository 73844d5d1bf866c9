import Bytes
import HTTP
import Testing

@testable import Proxy

@Suite("Simulated: a policy at every step, L4")
struct PolicySimulationTests {
  /// One worker, so that one policy sees all.
  private func run(
    _ seeds: [UInt64] = Seeds.some(4),
    _ scenario: (Simulation, ScriptedPolicy, SimulatedServer) throws -> Void
  ) throws {
    for seed in seeds {
      let policy = ScriptedPolicy()
      try simulate([seed], workers: 1, policy: { policy }) { simulation in
        let server = simulation.server { request, _ in
          Page.response(request.target, length: 500, ["Cache-Control: max-age=60"], pieces: 2)
        }
        try scenario(simulation, policy, server)
      }
    }
  }

  private func ask(_ simulation: Simulation, _ request: String = "GET /page") -> Message {
    let client = simulation.client()
    client.ask("\(request) HTTP/1.1\r\nHost: example.com\r\n\r\n")
    simulation.run { client.isDone }
    simulation.run(for: 20)
    simulation.check(client, errors: [200, 418, 502, 503])
    if client.replies.isEmpty { simulation.network.violate("\(client.name) has no answer: \(client.ending)") }
    return client.replies.first ?? Message()
  }

  @Test func `the steps of a miss, a hit, a pass and a purge are the calls in their order`() throws {
    try run { simulation, policy, _ in
      _ = ask(simulation)
      simulation.expect(
        policy.steps, ["receive", "hash", "miss", "fetch", "fetchResponse", "deliver"], "miss")
      policy.steps = []
      _ = ask(simulation)
      simulation.expect(policy.steps, ["receive", "hash", "hit", "deliver"], "hit")
      policy.steps = []
      _ = ask(simulation, "DELETE /other")
      simulation.expect(policy.steps, ["receive", "pass", "fetch", "fetchResponse", "deliver"], "pass")
      policy.steps = []
      _ = ask(simulation, "PURGE /page")
      simulation.expect(policy.steps, ["receive", "purge"], "purge")
    }
  }

  @Test func `bereq, beresp and resp are heads of their own: each change reaches whom it is for`() throws {
    try run { simulation, policy, server in
      policy.onFetch = { fetch in
        fetch.memory.request.append(name: Array("X-Bereq".utf8).span, value: Array("1".utf8).span)
        return nil
      }
      policy.editsFetchResponse = { response in
        response.head.append(name: Array("X-Beresp".utf8).span, value: Array("1".utf8).span)
      }
      let first = ask(simulation)
      simulation.expect(server.requests.first?["x-bereq"], "1", "bereq at the origin")
      simulation.expect(first["x-beresp"], "1", "beresp at the client")
      policy.onDeliver = { exchange in
        exchange.editResponse { $0.append(name: Array("X-Resp".utf8).span, value: Array("1".utf8).span) }
        return nil
      }
      let second = ask(simulation)
      simulation.expect(second["x-beresp"], "1", "beresp is stored")
      simulation.expect(second["x-resp"], "1", "resp at the client")
      simulation.expect(second.body, first.body, "the body")
      policy.onDeliver = { _ in nil }
      let third = ask(simulation)
      simulation.expect(third["x-resp"], nil, "resp is one client's")
      simulation.expect(third["x-bereq"], nil, "bereq stays at the origin")
    }
  }

  @Test func `restarts go back to the top, at most four times, from every step that may ask for one`() throws
  {
    for step in ["receive", "hit", "miss", "pass", "deliver"] {
      try run { simulation, policy, _ in
        if step == "hit" { _ = ask(simulation) }
        var wanted = 3
        func once<T>(_ action: T) -> T? {
          wanted -= 1
          return wanted >= 0 ? action : nil
        }
        switch step {
        case "receive": policy.onReceive = { _ in once(.restart) }
        case "hit": policy.onHit = { _ in once(.restart) }
        case "miss": policy.onMiss = { _ in once(.restart) }
        case "pass": policy.onPass = { _ in once(.restart) }
        default: policy.onDeliver = { _ in once(.restart) }
        }
        let request = step == "pass" ? "DELETE /page" : "GET /page"
        simulation.expect(ask(simulation, request).status, 200, "status after three restarts in \(step)")
        wanted = 100
        policy.steps = []
        let another = step == "miss" ? "GET /another" : request
        simulation.expect(ask(simulation, another).status, 503, "status after endless restarts in \(step)")
        let rounds = policy.steps.count { $0 == "receive" }
        simulation.expect(rounds, 5, "rounds of endless restarts in \(step)")
      }
    }
  }

  @Test func `a response of the policy's own is delivered from every step that may make one`() throws {
    let made = Synthetic(status: 418, body: "short and stout")
    for step in ["receive", "hit", "miss", "pass", "purge", "deliver"] {
      try run { simulation, policy, server in
        if step == "hit" { _ = ask(simulation) }
        let before = server.requests.count
        switch step {
        case "receive": policy.onReceive = { _ in .synthesize(made) }
        case "hit": policy.onHit = { _ in .synthesize(made) }
        case "miss": policy.onMiss = { _ in .synthesize(made) }
        case "pass": policy.onPass = { _ in .synthesize(made) }
        case "purge": policy.onPurge = .synthesize(made)
        default: policy.onDeliver = { _ in .synthesize(made) }
        }
        let request = step == "pass" ? "DELETE /page" : step == "purge" ? "PURGE /page" : "GET /page"
        let reply = ask(simulation, request)
        simulation.expect(reply.status, 418, "status from \(step)")
        simulation.expect(reply.bodyText, "short and stout", "body from \(step)")
        simulation.expect(server.requests.count - before, step == "deliver" ? 1 : 0, "requests from \(step)")
      }
    }
  }

  @Test func `a failing policy answers 503 from every step`() throws {
    for step in ["receive", "hash", "hit", "miss", "pass", "purge", "deliver"] {
      try run { simulation, policy, _ in
        if step == "hit" { _ = ask(simulation) }
        switch step {
        case "receive": policy.onReceive = { _ in .fail }
        case "hash": policy.onHash = .fail
        case "hit": policy.onHit = { _ in .fail }
        case "miss": policy.onMiss = { _ in .fail }
        case "pass": policy.onPass = { _ in .fail }
        case "purge": policy.onPurge = .fail
        default: policy.onDeliver = { _ in .fail }
        }
        let request = step == "pass" ? "DELETE /page" : step == "purge" ? "PURGE /page" : "GET /page"
        simulation.expect(ask(simulation, request).status, 503, "status from \(step)")
      }
    }
  }

  @Test func `pass, from each step that may choose it, goes past the cache`() throws {
    for step in ["receive", "hit", "miss"] {
      try run { simulation, policy, server in
        if step == "hit" { _ = ask(simulation) }
        let before = server.requests.count
        switch step {
        case "receive": policy.onReceive = { _ in .pass(.policy) }
        case "hit": policy.onHit = { _ in .pass(.policy) }
        default: policy.onMiss = { _ in .pass(.policy) }
        }
        simulation.expect(ask(simulation).cacheStatus, "BYPASS", "status of a pass from \(step)")
        simulation.expect(server.requests.count - before, 1, "requests of a pass from \(step)")
        simulation.expect(simulation.count(.fillsStored), step == "hit" ? 1 : 0, "fills stored")
      }
    }
  }

  @Test func `a miss forced on a hit fetches anew`() throws {
    try run { simulation, policy, server in
      _ = ask(simulation)
      policy.onHit = { _ in .miss }
      simulation.expect(ask(simulation).status, 200, "status")
      simulation.expect(server.requests.count, 2, "requests")
    }
  }

  @Test func `a pipe without an upgrade is passed`() throws {
    try run { simulation, policy, _ in
      policy.onReceive = { _ in .pipe }
      simulation.expect(ask(simulation).cacheStatus, "BYPASS", "status")
      simulation.expect(policy.steps.contains("pipe"), "pipe was not called")
    }
  }

  @Test func `an offer to change the protocol goes out by pipe only`() throws {
    let offer = "GET /page HTTP/1.1\r\nHost: example.com\r\nUpgrade: raw\r\nConnection: upgrade\r\n\r\n"
    for (action, offered) in [(nil, "raw"), (.pass(.policy), nil), (.hash, nil)]
      as [(ReceiveAction?, String?)]
    {
      try run { simulation, policy, server in
        policy.onReceive = { _ in action }
        let client = simulation.client()
        client.ask(offer)
        simulation.runClients()
        simulation.checkWhole(client)
        let sent = server.requests.map { $0["upgrade"] }
        simulation.expect(sent, [offered], "offers at \(String(describing: action))")
        simulation.expect(
          server.requests.map { $0["connection"] }, [offered.map { _ in "upgrade" }], "Connection")
      }
    }
  }

  @Test func `a response is fetched again as often as the policy asks, at most four times`() throws {
    try run { simulation, policy, server in
      var wanted = 2
      policy.onFetchResponse = { _ in
        wanted -= 1
        return wanted >= 0 ? .retry : nil
      }
      simulation.expect(ask(simulation, "GET /a").status, 200, "status")
      simulation.expect(server.requests.count, 3, "requests")
      wanted = 100
      simulation.expect(ask(simulation, "GET /b").status, 200, "status when retries are used up")
      simulation.expect(server.requests.count, 3 + 5, "requests")
    }
  }

  @Test func `after a failure the policy may have the fetch tried again`() throws {
    try run { simulation, policy, _ in
      var failures = 2
      let server = simulation.server { request, _ in
        failures -= 1
        return failures >= 0 ? [.reset] : Page.response(request.target)
      }
      policy.onFetchError = { _ in .retry }
      simulation.expect(ask(simulation).status, 200, "status")
      simulation.expect(server.requests.count, 3, "requests")
      failures = 100
      simulation.expect(ask(simulation, "GET /other").status, 502, "status")
      // One more where a connection that had served before was used: its reset says nothing.
      simulation.expect([8, 9].contains(server.requests.count), "\(server.requests.count) requests")
    }
  }

  @Test func `what readers have begun to read is not fetched again, whatever the policy asks`() throws {
    try run { simulation, policy, _ in
      let server = simulation.server { request, _ in
        Array(Page.response(request.target, pieces: 2).prefix(2)) + [.wait(50), .reset]
      }
      policy.onFetchError = { _ in .retry }
      let client = simulation.client()
      client.get("/page")
      simulation.runClients()
      simulation.check(client)
      simulation.expect(client.ending, .cut, "ending")
      simulation.expect(server.requests.count, 1, "requests")
    }
  }

  @Test(arguments: ["abandon", "fail"])
  func `a fetch that the policy gives up is an error for all who wait`(_ way: String) throws {
    for isBefore in [true, false] {
      try run { simulation, policy, server in
        if isBefore {
          policy.onFetch = { _ in way == "fail" ? .fail : .abandon }
        } else {
          policy.onFetchResponse = { _ in way == "fail" ? .fail : .abandon }
        }
        for _ in 0..<5 { simulation.client().get("/page") }
        simulation.runClients()
        for client in simulation.clients {
          simulation.checkWhole(client, errors: [500, 502, 503])
          simulation.expect(
            (client.replies.first?.status ?? 0) >= 500, "an answer from a fetch that was given up")
        }
        if isBefore { simulation.expect(server.requests.count, 0, "requests") }
      }
    }
  }

  @Test func `a response that the policy wants passed is not stored`() throws {
    try run { simulation, policy, server in
      policy.onFetchResponse = { _ in .pass }
      for _ in 0..<2 { simulation.expect(ask(simulation).status, 200, "status") }
      simulation.expect(simulation.count(.fillsStored), 0, "fills stored")
      simulation.expect(server.requests.count, 2, "requests")
    }
  }
}
