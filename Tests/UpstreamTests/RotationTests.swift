import Bytes
import IO
import Testing

@testable import Upstream

@Suite("L27: round robin")
struct RotationTests {
  @Test func `two backends alternate A, B, A, B`() {
    #expect(makePool([a, b]).order(6) == [a, b, a, b, a, b])
  }

  @Test func `the turn is one for all workers`() async {
    let pool = makePool([a, b, c])
    let counts = await withTaskGroup(of: [String: Int].self) { group in
      for _ in 0..<4 {
        group.addTask {
          var counts: [String: Int] = [:]
          for name in pool.order(300) { counts[name, default: 0] += 1 }
          return counts
        }
      }
      return await group.reduce(into: [:]) { $0.merge($1, uniquingKeysWith: +) }
    }
    // 1200 turns, one after the other: exactly a third each, however the workers interleave.
    #expect(counts == [a: 400, b: 400, c: 400])
  }

  @Test func `requests held by several workers at once still alternate`() {
    let pool = makePool([a, b])
    #expect((0..<4).map { _ in outcome(pool.acquire(now: 0)) } == [a, b, a, b])
    #expect(pool.inUse(a) == 2)
    #expect(pool.inUse(b) == 2)
  }

  @Test func `a backend named twice gets twice the share`() {
    #expect(makePool([a, a, b]).order(6) == [a, a, b, a, a, b])
  }

  @Test func `a retry goes to the next server that was not tried, until none is left`() {
    let pool = makePool([a, b, c])
    var tried = TriedServers()
    #expect(tried.isEmpty)
    var names: [String] = []
    while let server = pool.pick(tried: tried, now: 0) {
      names.append(server.name)
      tried.insert(server)
    }
    #expect(names == [a, b, c])
    #expect(tried.count == 3)
    #expect(outcome(pool.acquire(tried: tried, now: 0)) == "none")
  }

  @Test func `an ejected server is passed over and its turn is not given to its neighbour`() {
    let pool = makePool([a, b, c])
    pool.takeOut(pool.server(a), now: 0)
    #expect(pool.state(a) == .ejected)
    // Skipping without moving the turn would give B two of three.
    #expect(Set(pool.order(2, now: 1)) == [b, c])
    let order = pool.order(6, now: 1)
    #expect(order == [b, c, b, c, b, c] || order == [c, b, c, b, c, b])
  }

  @Test func `without servers there is none`() {
    let pool = makePool(["name.test:80"])
    #expect(pool.pick(now: 0) == nil)
    #expect(outcome(pool.acquire(now: 0)) == "none")
    #expect(!pool.isAnyUsable)
  }
}
