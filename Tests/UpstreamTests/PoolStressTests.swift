import Bytes
import IO
import Synchronization
import Testing

@testable import Upstream

/// Workers of a test: mailboxes that grants are posted to, and what each server's connections are at most.
private final class Workers: Sendable {
  let limit: Int
  let mailboxes: [Mailbox]
  /// Connections in use per server id, counted by those who hold them.
  let held = Guarded<[UInt32: Int]>([:])
  let mostHeld = Atomic<Int>(0)
  let granted = Atomic<Int>(0)
  let acquired = Atomic<Int>(0)
  let cancelled = Atomic<Int>(0)

  final class Mailbox: Sendable { let grants = Guarded<[(ticket: UInt64, server: Server)]>([]) }

  init(count: Int, limit: Int) {
    self.limit = limit
    mailboxes = (0..<count).map { _ in Mailbox() }
  }

  func post(_ worker: Int, _ ticket: UInt64, _ server: Server) {
    mailboxes[worker].grants.withLock { $0.append((ticket, server)) }
  }

  func hold(_ server: Server) {
    let now = held.withLock { held in
      held[server.id, default: 0] += 1
      return held[server.id]!
    }
    mostHeld.max(now, ordering: .relaxed)
  }

  func drop(_ server: Server) { held.withLock { $0[server.id]! -= 1 } }
}

/// One worker: acquires, waits, is granted, gives up, reports and releases, as a seed says.
private struct StressWorker {
  let number: Int
  let pool: Pool
  let workers: Workers
  var seed: UInt64
  var holding: [Server] = []
  var waiting: [UInt64] = []
  var ticket: UInt64 = 0

  mutating func random(_ bound: UInt64) -> UInt64 {
    seed ^= seed << 13
    seed ^= seed >> 7
    seed ^= seed << 17
    return seed % bound
  }

  mutating func step(_ now: Milliseconds) {
    receive()
    switch random(4) {
    case 0, 1: acquire(now)
    case 2: release(now)
    default: giveUp()
    }
  }

  mutating func receive() {
    let mail = workers.mailboxes[number].grants.withLock { grants in
      let mail = grants
      grants = []
      return mail
    }
    for (ticket, server) in mail {
      workers.granted.add(1, ordering: .relaxed)
      workers.hold(server)
      holding.append(server)
      waiting.removeAll { $0 == ticket }
    }
  }

  mutating func acquire(_ now: Milliseconds) {
    switch pool.acquire(now: now) {
    case .server(let server):
      workers.acquired.add(1, ordering: .relaxed)
      workers.hold(server)
      holding.append(server)
    case .full:
      ticket += 1
      waiting.append(ticket)
      pool.enqueue(worker: number, ticket: ticket)
    case .none: break
    }
  }

  mutating func release(_ now: Milliseconds) {
    guard let server = holding.popLast() else { return }
    switch random(8) {
    case 0: pool.report(server, .connectFailed, now: now)
    case 1: pool.report(server, .timedOut(keyHash: random(4)), now: now)
    default: pool.report(server, .answered, now: now)
    }
    _ = pool.mayKeep(server, worker: number)
    workers.drop(server)
    pool.release(server)
  }

  mutating func giveUp() {
    guard let ticket = waiting.first else { return }
    // Not in the queue: it is granted, and the news will come.
    guard pool.cancel(worker: number, ticket: ticket) else { return }
    workers.cancelled.add(1, ordering: .relaxed)
    waiting.removeFirst()
  }

  mutating func finish() {
    for ticket in waiting where pool.cancel(worker: number, ticket: ticket) {}
    while !holding.isEmpty { release(0) }
  }
}

@Suite("The pool under many threads")
struct PoolStressTests {
  @Test func `the limit holds, no connection is lost and nobody is forgotten`() async {
    let workers = Workers(count: 4, limit: 3)
    var options = PoolOptions()
    options.maxConnectionsPerServer = workers.limit
    let name = backend("api.test:80")
    let pool = Pool(backends: [backend(a), backend(b), name], options: options) {
      workers.post($0, $1, $2)
    }
    await withTaskGroup(of: StressWorker.self) { group in
      for number in 0..<4 {
        let seed = UInt64(number + 1) &* 0x9e37_79b9_7f4a_7c15
        group.addTask {
          var worker = StressWorker(number: number, pool: pool, workers: workers, seed: seed)
          for turn in 0..<5_000 {
            worker.step(Milliseconds(turn * 10))
            // The resolver's part, from yet another thread's point of view.
            if number == 0 && turn % 100 == 0 {
              pool.apply([address(turn % 200 == 0 ? "10.0.0.1:80" : "10.0.0.2:80")], to: name)
            }
          }
          return worker
        }
      }
      // All have ended: what they hold and wait for is settled one by one, until nothing moves.
      var finished: [StressWorker] = []
      for await worker in group { finished.append(worker) }
      for _ in 0..<3 {
        for at in finished.indices {
          finished[at].receive()
          finished[at].finish()
        }
      }
    }
    let snapshot = pool.snapshot()
    #expect(workers.mostHeld.load(ordering: .relaxed) <= workers.limit)
    #expect(workers.acquired.load(ordering: .relaxed) > 0)
    #expect(workers.granted.load(ordering: .relaxed) > 0)
    #expect(snapshot.queueLength == 0)
    #expect(snapshot.servers.allSatisfy { $0.inUse == 0 })
    #expect(workers.held.withLock { $0.values.allSatisfy { $0 == 0 } })
  }
}
