import Glibc
import Storage
import Testing

@testable import Proxy

@Suite("Simulated: limits and overload")
struct LimitSimulationTests {
  @Test func `S5 connections of one address are bounded over all workers, others get in`() throws {
    try simulate(Seeds.some(5), { $0.maxClientsPerAddress = 3 }) { simulation in
      simulation.server { request, _ in [.wait(50)] + Page.response(request.target, length: 100) }
      for _ in 0..<10 { simulation.client("greedy", address: 0xc000_0201).get("/a") }
      for i in 0..<10 { simulation.client("other", address: 0xc000_0300 + UInt32(i)).get("/a") }
      simulation.runClients()
      let greedy = simulation.clients.prefix(10)
      let served = greedy.count { $0.replies.count == 1 }
      simulation.expect(served >= 3, "only \(served) of the one address were served")
      simulation.expect(
        simulation.count(.connectionsRefusedPerAddress) == 10 - served, "refused connections are not counted")
      for client in simulation.clients.dropFirst(10) { simulation.check(client) }
      simulation.expect(
        simulation.clients.dropFirst(10).allSatisfy { $0.replies.count == 1 }, "another address was refused")
      simulation.run(for: 5000)
      simulation.expect(
        simulation.deployment.clientCounts?.clientCount ?? 0, 0, "clients still counted at the end")
    }
  }

  /// accept(2): of each of these the caller learns nothing but to come again later, or at once.
  @Test(arguments: [
    EMFILE, ENFILE, ENOBUFS, ENOMEM, ECONNABORTED, EPROTO, ENETDOWN, EHOSTUNREACH, EINTR, EPERM,
  ])
  func `R5 an accept that fails neither loses the listener nor makes it spin`(_ code: CInt) throws {
    try simulate(Seeds.some(3), workers: 1) { simulation in
      simulation.server { request, _ in Page.response(request.target, length: 100) }
      // Twenty in a row: two seconds, if each makes it rest.
      for n in 1...20 { simulation.kernel.faults.plan(.accept, n, code) }
      for _ in 0..<25 { simulation.client().get("/a") }
      let start = simulation.network.now
      simulation.runClients()
      let served = simulation.clients.count { $0.replies.count == 1 }
      // The aborted ones are gone; nobody else is.
      simulation.expect(served, code == ECONNABORTED ? 5 : 25, "clients served")
      let rests = [EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM].contains(code)
      simulation.expect(simulation.count(.acceptPauses), rests ? 20 : 0, "pauses")
      if rests { simulation.expect(simulation.network.now - start >= 2000, "it came back too early") }
    }
  }

  @Test func `R5 without descriptors for a server the answer is 503, and the server is not blamed`() throws {
    try simulate(Seeds.some(3), workers: 1) { simulation in
      simulation.server { request, _ in Page.response(request.target, length: 100) }
      simulation.kernel.faults.plan(.connect, 1, EMFILE)
      let client = simulation.client()
      client.get("/a")
      client.get("/b")
      simulation.runClients()
      simulation.expect(client.replies.map(\.status) == [503, 200], "\(client.replies.map(\.line))")
      simulation.expect(client.replies.first?["retry-after"] == "1", "no Retry-After")
      simulation.expect(
        simulation.deployment.pool.snapshot().servers.allSatisfy { $0.failures == 0 }, "the server is blamed")
    }
  }

  @Test func `S5 who sends a body or takes a response below the rate is cut, who keeps above it is not`()
    throws
  {
    try simulate(
      Seeds.some(5), workers: 1,
      {
        $0.bodyTimeoutMilliseconds = 1000
        $0.minRateBytes = 1000
      }
    ) { simulation in
      simulation.network.bufferSizes = [300]
      simulation.server { request, _ in Page.response(request.target, length: 20_000) }
      let slow = simulation.client("slow")
      slow.pace = .slow(bytes: 50, milliseconds: 250)
      slow.get("/page")
      let fair = simulation.client("fair")
      fair.pace = .slow(bytes: 600, milliseconds: 50)
      fair.get("/page")
      simulation.runClients()
      simulation.check(fair)
      simulation.expect(fair.replies.count == 1, "the one that takes enough was cut")
      simulation.expect(slow.ending != .whole && slow.replies.isEmpty, "\(slow.ending)")
      simulation.expect(simulation.count(.sendTimeouts), 1, "send time-outs")
    }
  }

  /// Servers that send more than their readers take, to more of them than there is memory for.
  @Test func `R6 memory under way stays within its limit, and what does not fit is 503`() throws {
    try simulate(
      Seeds.some(5), workers: 2,
      {
        $0.memoryBytes = 4 << 20
        $0.inFlightBytes = 512 << 10
        $0.maxConnections = 20
      }
    ) { simulation in
      simulation.network.bufferSizes = [4096]
      simulation.server { request, _ in
        Page.response(request.target, length: 150_000, ["Cache-Control: no-store"])
      }
      for i in 0..<30 {
        let client = simulation.client()
        client.pace = .slow(bytes: 4096, milliseconds: 50)
        client.get("/page\(i)")
      }
      var most = 0
      simulation.run {
        most = max(most, simulation.deployment.store.inFlight.bytes)
        return simulation.clients.allSatisfy { $0.isDone }
      }
      for client in simulation.clients { simulation.check(client, errors: [503]) }
      let served = simulation.clients.count { $0.replies.first?.status == 200 }
      let shed = simulation.clients.filter { $0.replies.first?.status == 503 }
      simulation.expect(served + shed.count, 30, "clients answered")
      simulation.expect(served >= 5, "only \(served) were served")
      simulation.expect(!shed.isEmpty, "nobody was refused at \(most) bytes")
      simulation.expect(shed.allSatisfy { $0.replies[0]["retry-after"] != nil }, "no Retry-After")
      // Those who were in when it was reached go on in small steps, of a window, a block and a read each.
      simulation.expect(most < 512 << 10 + 20 * 192 << 10, "\(most) bytes")
    }
  }

  @Test func `L12 what readers took while a body was kept counts when it is not kept any more`() throws {
    try simulate(
      Seeds.some(10), workers: 2,
      {
        $0.maxObjectBytes = 100_000
        $0.inFlightBytes = 200_000
      }
    ) { simulation in
      simulation.network.bufferSizes = [4096, 65_536]
      simulation.server { request, _ in
        Page.response(request.target, length: 600_000, framing: .chunked, pieces: 40)
      }
      for i in 0..<4 { simulation.client().get("/page\(i % 2)") }
      simulation.runClients()
      for client in simulation.clients {
        simulation.check(client, errors: [503])
        simulation.expect(client.replies.count == 1, "\(client.name) ended as \(client.ending)")
      }
    }
  }
}
