import Bytes
import IO
import Testing

@testable import Proxy
@testable import Storage

/// Each single call of a run that does everything fails, in every way that Linux knows, and each allocation
/// of a block: no trap, no wrong byte, nobody who waits for nothing, and nothing is left behind.
@Suite("Simulated: any one call fails")
struct AnomalySimulationTests {
  /// In milliseconds: shorter than every time-out, so that none can hide a lost wake-up.
  private static let patience: Milliseconds = 4000
  private static let ownErrors: Set<Int> = [502, 503, 504]

  /// Each n meets one error of every kind, the next n the next of each; with `LARDER_SEEDS`, all.
  @Test(arguments: [
    Faults.Call.read, .write, .sendFile, .accept, .connect, .connectOutcome, .watch,
  ])
  func `the n-th call fails, for each n, with each kind of error`(_ call: Faults.Call) throws {
    let kinds = Seeds.isThorough ? call.errors.joined().map { [$0] } : call.errors
    for kind in kinds {
      var n = 1
      var wasReached = true
      while wasReached {
        let error = kind[n % kind.count]
        try runEverything("\(call) number \(n) fails with \(error)") { simulation in
          let before = simulation.kernel.faults.count(of: call)
          simulation.kernel.faults.plan(call, before + n, error)
          return { wasReached = simulation.kernel.faults.count(of: call) >= before + n }
        }
        n += 1
      }
      #expect(n > 2, "there are no calls of \(call)")
    }
  }

  @Test(arguments: [1, Int.max])
  func `the n-th allocation of a block finds no room, alone or with all that follow`(_ count: Int) throws {
    var n = 1
    var wasReached = true
    while wasReached {
      try runEverything("\(count) allocations from number \(n) on fail") { simulation in
        let arena = simulation.deployment.store.arena
        let first = arena.allocations + n
        arena.fail(allocations: first..<(count == 1 ? first + 1 : Int.max))
        return { wasReached = arena.allocations >= first }
      }
      n += 1
    }
    #expect(n > 2, "there are no allocations")
  }

  @Test func `without a poll descriptor a worker does not begin, and holds nothing`() throws {
    for error in Faults.Call.makePoll.errors.joined() {
      try simulate([1]) { simulation in
        let kernel = simulation.kernel
        kernel.faults.plan(.makePoll, kernel.faults.count(of: .makePoll) + 1, error)
        #expect(throws: SystemError(call: "epoll_create1", code: error)) {
          _ = try Worker(index: 0, deployment: simulation.deployment, kernel: kernel, policy: Policy())
        }
      }
    }
  }

  /// - Parameter plan: Called before the first request; what it returns is called after the last.
  private func runEverything(_ fault: String, _ plan: (Simulation) -> () -> Void) throws {
    try simulate(
      [7], servers: 2,
      {
        $0.collapseTimeoutMilliseconds = 8000
        $0.maxConnections = 4
      }
    ) { simulation in
      simulation.network.bufferSizes = [20_000, 400_000]
      for index in 0..<2 { simulation.server(index, respond: Self.respond) }
      let after = plan(simulation)
      let start = simulation.network.now
      everything(simulation)
      let took = simulation.network.now - start
      simulation.expect(took < Self.patience, "it took \(took) ms: somebody waited for nothing")
      after()
      check(simulation)
      if !simulation.network.violations.isEmpty { simulation.network.violate(fault) }
    }
  }

  private static func respond(_ request: Message, _ connection: ServerConnection) -> [ServerStep] {
    let path = request.target
    switch path {
    case "/large": return Page.response(path, length: 135_000, pieces: 3)
    case "/chunked":
      return Page.response(path, length: 9000, ["Cache-Control: no-store"], framing: .chunked, pieces: 4)
    case "/ends": return Page.response(path, length: 3000, framing: .untilEnd, pieces: 2)
    case "/shared":
      return [.wait(20), .text("HTTP/1.1 103 Early Hints\r\n\r\n")] + Page.response(path, length: 7000)
    case "/vary":
      return Page.response(
        "\(path)|\(request["accept-encoding"] ?? "")",
        ["Cache-Control: max-age=100", "Vary: Accept-Encoding"])
    case "/short" where request["if-none-match"] != nil:
      return [.text("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nCache-Control: max-age=1\r\n\r\n")]
    case "/failing" where connection.server.network.now > 5_002_000: return [.reset]
    case "/short", "/failing":
      return Page.response(path, length: 900, ["Cache-Control: max-age=1, stale-if-error=60", "ETag: \"a\""])
    default: return Page.response(path, length: 100 + request.body.count, ["Cache-Control: no-store"])
    }
  }

  /// Misses, hits from memory and by `sendfile`, collapse, passes with bodies, streams, revalidation, stale
  /// after an error, variants, a purge, clients that leave, and a drain with requests under way.
  private func everything(_ simulation: Simulation) {
    let first = simulation.client(worker: 0)
    first.pipelines = true
    for method in ["GET", "HEAD", "GET"] {
      first.ask("\(method) /large HTTP/1.1\r\nHost: example.com\r\n\r\n")
    }
    simulation.runClients()
    simulation.client(worker: 1).get("/large", "Range: bytes=60000-134000")
    let narrow = simulation.client(worker: 0)
    narrow.pace = .slow(bytes: 30_000, milliseconds: 1)
    narrow.get("/large")
    for i in 0..<4 { simulation.client(worker: i % 2).get("/shared") }
    simulation.runClients()
    let sender = simulation.client(worker: 1)
    let body = String(repeating: "x", count: 3000)
    sender.writePiece = 900
    sender.ask("POST /form HTTP/1.1\r\nHost: example.com\r\nContent-Length: 3000\r\n\r\n\(body)")
    sender.ask(
      "PUT /form HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    let slow = simulation.client(worker: 0)
    slow.pace = .slow(bytes: 3000, milliseconds: 5)
    for path in ["/chunked", "/ends", "/short", "/failing"] { slow.get(path) }
    let leaving = simulation.client(worker: 1)
    leaving.get("/chunked")
    simulation.network.after(6) { leaving.leave(abruptly: true) }
    simulation.runClients()
    simulation.run(for: 2100)
    for path in ["/short", "/failing"] { simulation.client(worker: 1).get(path) }
    for coding in ["br", "gzip", "br"] {
      simulation.client(worker: 0).get("/vary", "Accept-Encoding: \(coding)")
    }
    simulation.runClients()
    simulation.client("purger", worker: 1).ask("PURGE /large HTTP/1.1\r\nHost: example.com\r\n\r\n")
    simulation.runClients()
    for (i, path) in ["/late", "/large", "/ends"].enumerated() { simulation.client(worker: i % 2).get(path) }
    simulation.run(for: 3)
    simulation.drain()
    simulation.runClients()
  }

  private func check(_ simulation: Simulation) {
    for client in simulation.clients where !client.name.hasPrefix("purger") {
      simulation.check(client, errors: Self.ownErrors)
    }
    simulation.run(for: Int(Self.patience))
    for worker in simulation.workers {
      simulation.expect(worker.isFinished, "worker \(worker.index) is not finished")
    }
  }
}
