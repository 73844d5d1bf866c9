import Bytes
import IO
import Testing

@testable import Upstream

@Suite("L11: limit and queue")
struct QueueTests {
  @Test func `at most 256 connections per server are in use unless told otherwise`() {
    let pool = makePool([a, b])
    let outcomes = (0..<513).map { _ in outcome(pool.acquire(now: 0)) }
    #expect(outcomes.count { $0 == a } == 256)
    #expect(outcomes.count { $0 == b } == 256)
    #expect(outcomes.last == "full")
  }

  @Test func `a full server's turn goes to one that has room`() {
    let pool = makePool([a, b], limit: 2)
    let held = pool.server(b)
    for _ in 0..<4 { _ = pool.acquire(now: 0) }
    pool.release(held)
    #expect(outcome(pool.acquire(now: 0)) == b)
    #expect(outcome(pool.acquire(now: 0)) == "full")
  }

  @Test func `a freed connection goes to the first in the queue, over all workers`() throws {
    let grants = Grants()
    let pool = makePool([a], limit: 1, grants: grants)
    guard case .server(let server) = pool.acquire(now: 0) else { return #expect(Bool(false)) }
    let queue: [(worker: Int, ticket: UInt64)] = [(0, 10), (1, 10), (1, 11), (0, 12), (2, 13)]
    for (worker, ticket) in queue { pool.enqueue(worker: worker, ticket: ticket) }
    #expect(pool.queueLength == 5)
    #expect(grants.tickets.isEmpty)
    for served in 1...5 {
      pool.release(server)
      #expect(grants.tickets == queue.prefix(served).map(\.ticket))
      #expect(grants.workers == queue.prefix(served).map(\.worker))
      #expect(pool.inUse(a) == 1)  // handed over, not freed
    }
    pool.release(server)
    #expect(pool.inUse(a) == 0)
    #expect(pool.snapshot().queuedInAll == 5)
  }

  @Test func `a newcomer does not overtake the queue`() {
    let grants = Grants()
    let pool = makePool([a], limit: 1, grants: grants)
    let server = pool.server(a)
    _ = pool.acquire(now: 0)
    pool.enqueue(worker: 0, ticket: 1)
    #expect(outcome(pool.acquire(now: 0)) == "full")
    pool.release(server)
    #expect(grants.tickets == [1])
    #expect(outcome(pool.acquire(now: 0)) == "full")
  }

  @Test func `who leaves the queue is passed over, from its start, middle and end`() {
    let grants = Grants()
    let pool = makePool([a], limit: 1, grants: grants)
    let server = pool.server(a)
    _ = pool.acquire(now: 0)
    for ticket: UInt64 in 0..<6 { pool.enqueue(worker: 0, ticket: ticket) }
    for ticket: UInt64 in [0, 3, 5] { #expect(pool.cancel(worker: 0, ticket: ticket)) }
    #expect(!pool.cancel(worker: 0, ticket: 3))
    #expect(!pool.cancel(worker: 1, ticket: 1))  // another worker's ticket of that number
    #expect(pool.queueLength == 3)
    pool.enqueue(worker: 0, ticket: 6)  // takes a place that was left
    for _ in 0..<4 { pool.release(server) }
    #expect(grants.tickets == [1, 2, 4, 6])
  }

  @Test func `a ticket that was granted cannot be cancelled, so its connection is released`() {
    let grants = Grants()
    let pool = makePool([a], limit: 1, grants: grants)
    let server = pool.server(a)
    _ = pool.acquire(now: 0)
    pool.enqueue(worker: 0, ticket: 1)
    pool.release(server)
    #expect(!pool.cancel(worker: 0, ticket: 1))
    pool.release(server)
    #expect(pool.inUse(a) == 0)
  }

  @Test func `who joins when there is room again is served at once`() {
    let grants = Grants()
    let pool = makePool([a], limit: 1, grants: grants)
    let server = pool.server(a)
    _ = pool.acquire(now: 0)
    #expect(outcome(pool.acquire(now: 0)) == "full")
    pool.release(server)  // between `full` and `enqueue`
    pool.enqueue(worker: 3, ticket: 9)
    #expect(grants.tickets == [9])
    #expect(pool.queueLength == 0)
  }

  @Test func `a waiter is not given a server that it has tried, and holds nobody up meanwhile`() {
    let grants = Grants()
    let pool = makePool([a, b], limit: 1, grants: grants)
    let (one, other) = (pool.server(a), pool.server(b))
    _ = pool.acquire(now: 0)
    _ = pool.acquire(now: 0)
    var tried = TriedServers()
    tried.insert(one)
    pool.enqueue(worker: 0, ticket: 1, tried: tried)
    pool.enqueue(worker: 0, ticket: 2)
    pool.release(one)
    #expect(grants.tickets == [2])
    #expect(grants.servers == [a])
    pool.release(one)
    #expect(outcome(pool.acquire(now: 0)) == a)  // of no use to the one who waits for B
    pool.release(other)
    #expect(grants.tickets == [2, 1])
    #expect(grants.servers == [a, b])
  }

  @Test func `a waiter for whom only tried servers remain gets one of them`() {
    let grants = Grants()
    let pool = makePool([a, "b.test:80"], limit: 1, grants: grants)
    pool.apply([address(b)], to: backend("b.test:80"))
    let one = pool.server(a)
    for _ in 0..<2 { _ = pool.acquire(now: 0) }
    var tried = TriedServers()
    tried.insert(one)
    pool.enqueue(worker: 0, ticket: 1, tried: tried)
    pool.apply([address("127.0.0.1:4")], to: backend("b.test:80"))
    #expect(grants.servers == ["127.0.0.1:4"])
    var both = tried
    both.insert(pool.server("127.0.0.1:4"))
    pool.enqueue(worker: 0, ticket: 2, tried: both)
    pool.release(one)
    #expect(grants.servers == ["127.0.0.1:4", a])
  }

  @Test func `a server that comes back or joins serves the queue`() {
    let grants = Grants()
    let pool = makePool([a, b], limit: 1, grants: grants)
    let one = pool.server(a)
    pool.takeOut(one, now: 0)
    _ = pool.acquire(now: 0)
    pool.enqueue(worker: 0, ticket: 1)
    #expect(grants.tickets.isEmpty)
    pool.report(one, .answered, now: 1)
    #expect(grants.servers == [a])
  }

  @Test func `a connection is kept unless the next in the queue is on another worker`() {
    let pool = makePool([a], limit: 1)
    let server = pool.server(a)
    _ = pool.acquire(now: 0)
    #expect(pool.mayKeep(server, worker: 0))
    pool.enqueue(worker: 1, ticket: 1)
    #expect(!pool.mayKeep(server, worker: 0))
    #expect(pool.mayKeep(server, worker: 1))
  }

  @Test func `10,000 waiters are served in order within the limit`() {
    let grants = Grants()
    let pool = makePool([a], limit: 256, grants: grants)
    for _ in 0..<256 { _ = pool.acquire(now: 0) }
    for ticket: UInt64 in 0..<10_000 { pool.enqueue(worker: Int(ticket % 4), ticket: ticket) }
    let server = pool.server(a)
    for _ in 0..<10_000 { pool.release(server) }
    #expect(grants.tickets == Array(0..<10_000))
    #expect(pool.inUse(a) == 256)
    #expect(pool.queueLength == 0)
  }
}
