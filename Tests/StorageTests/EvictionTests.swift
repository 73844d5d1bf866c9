import Bytes
import Testing

@testable import Storage

@Suite("Eviction, L31 and L32")
struct EvictionTests {
  @Test(arguments: [UInt64(7), UInt64.random(in: 0...UInt64.max)])
  func `ten turnovers of mixed sizes stay within the budget, and most of it is used`(_ seed: UInt64) {
    print("eviction: seed \(seed)")
    var random = SeededRandom(seed)
    let budget = 4 << 20
    let larder = Larder(budget: budget)
    let text = String(repeating: "0123456789abcdef", count: 8192)
    var stored = 0
    var key = 0
    while stored < 10 * budget {
      let size = random.below(8) == 0 ? random.below(120_000) : random.below(6000)
      let outcome = larder.fetch("key \(key)", String(text.prefix(size)), now: Int64(key) * 1000)
      #expect(outcome == .stored)
      stored += size
      key += 1
      let counted = larder.store.arena.statistics.countedBytes
      if counted > budget { Issue.record("\(counted) bytes, seed \(seed), key \(key)") }
    }
    let statistics = larder.store.statistics
    #expect(statistics.arena.countedBytes > budget * 8 / 10)
    #expect(statistics.evictions > 0)
    #expect(statistics.arena.heapBytes < budget / 100, "the cache lives in its slabs")
    #expect(statistics.arena.spansResident * SlabArena.spanBytes <= budget + budget / 16 + (4 << 20))
  }

  @Test func `the least recently used goes first`() {
    let larder = Larder(budget: 2 << 20)
    let body = String(repeating: "x", count: 10_000)
    for i in 0..<100 { larder.fetch("old \(i)", body, now: Int64(i) * 1000) }
    for i in stride(from: 0, to: 100, by: 2) { _ = larder.lookUp("old \(i)", now: 1000) }
    var i = 0
    while larder.store.statistics.evictions < 20 {
      larder.fetch("new \(i)", body, now: 2_000_000)
      i += 1
    }
    let used = (0..<100).filter { $0 % 2 == 0 && larder.lookUp("old \($0)", now: 2000) != .nothing }
    let unused = (0..<100).filter { $0 % 2 == 1 && larder.lookUp("old \($0)", now: 2000) != .nothing }
    #expect(used.count == 50)
    #expect(unused == (0..<100).filter { $0 % 2 == 1 && $0 >= 2 * (50 - unused.count) })
    #expect(unused.count < 50)
  }

  @Test func `a kept fill that finds no room evicts, and is not kept when that does not help`() throws {
    let larder = Larder(budget: 1 << 20) { $0.maxObject = 16 << 20 }
    larder.fetch("victim", String(repeating: "x", count: 50_000))
    let fill = try #require(larder.join("k").started)
    larder.head(fill)
    let chunk = [UInt8](repeating: 7, count: 100_000)
    for _ in 0..<15 { #expect(fill.append(chunk.span) == chunk.count) }
    #expect(!fill.keep)
    #expect(larder.lookUp("victim") == .nothing)
    fill.complete()
    #expect(larder.commit(fill) == .noRoom)
    larder.store.end(fill)
  }

  @Test func `what is longer than the limit for one object is passed on, not kept`() throws {
    let larder = Larder(budget: 8 << 20) { $0.maxObject = 100_000 }
    let known = try #require(larder.join("known").started)
    larder.head(known, length: 100_001)
    #expect(!known.keep)
    let unknown = try #require(larder.join("unknown").started)
    larder.head(unknown)
    let chunk = [UInt8](repeating: 7, count: 90_000)
    #expect(unknown.append(chunk.span) == chunk.count)
    #expect(unknown.keep)
    #expect(unknown.append(chunk.span) == chunk.count)
    #expect(!unknown.keep)
  }

  @Test func `a head too large for a block is not stored`() throws {
    let larder = Larder()
    let fill = try #require(larder.join("k").started)
    larder.head(fill)
    fill.complete()
    #expect(larder.commit(fill, head: String(repeating: "h", count: 65_536)) == .noRoom)
  }

  @Test func `the index counts: keys alone use the budget up`() {
    let larder = Larder(budget: 1 << 20)
    for i in 0..<5000 { larder.fetch("a key of some length, number \(i)", "") }
    #expect(larder.store.arena.statistics.countedBytes <= 1 << 20)
    #expect(larder.store.statistics.evictions > 1000)
  }
}
