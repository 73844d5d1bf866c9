import Bytes
import Testing

@testable import Storage

@Suite("Purge, L7 and L19 to L21")
struct PurgeTests {
  @Test func `a purge takes every key and variant of the URL, and nothing else`() {
    let larder = Larder()
    larder.fetch("http GET u", url: "u", "1")
    larder.fetch("https GET u", url: "u", "2")
    larder.fetch("v", url: "u", "3", vary: "a", ["a": "1"])
    larder.fetch("v", url: "u", "4", vary: "a", ["a": "2"])
    larder.fetch("other", "5")
    #expect(larder.purge("u") == 4)
    #expect(larder.purge("u") == 0)
    for key in ["http GET u", "https GET u"] { #expect(larder.lookUp(key) == .nothing) }
    #expect(larder.lookUp("v", ["a": "1"]) == .nothing)
    #expect(larder.lookUp("other") == .body("5"))
    #expect(larder.store.statistics.entries == 1)
  }

  @Test func `one key for several URLs: the entry goes with the URL that filled it`() throws {
    let larder = Larder()
    larder.fetch("k", url: "u1", "1")
    let born = try #require(larder.born("k"))
    larder.fetch("k", url: "u2", "2", replacing: born)
    #expect(larder.purge("u1") == 0)
    #expect(larder.lookUp("k") == .body("2"))
    #expect(larder.purge("u2") == 1)
    #expect(larder.lookUp("k") == .nothing)
  }

  @Test func `purge, then fill: stored`() {
    let larder = Larder()
    _ = larder.purge("k")
    #expect(larder.fetch("k", "x") == .stored)
    #expect(larder.lookUp("k") == .body("x"))
  }

  @Test(arguments: ["before the head", "after the head", "after the body"])
  func `fill, then purge: detached from its key, not stored, still read by those who wait`(_ moment: String)
    throws
  {
    let larder = Larder()
    let fill = try #require(larder.join("k").started)
    #expect(fill.enter(worker: 0))
    if moment != "before the head" { larder.head(fill) }
    let body = Array("old".utf8)
    if moment == "after the body" { #expect(fill.append(body.span) == 3) }
    #expect(larder.purge("k") == 0)

    let after = try #require(larder.join("k").started)
    #expect(after !== fill)
    #expect(larder.join("k").joined === after)
    if moment == "before the head" { larder.head(fill) }
    if moment != "after the body" { #expect(fill.append(body.span) == 3) }
    fill.complete()
    #expect(larder.commit(fill) == .fenced)
    #expect(fill.published == 3)
    larder.store.end(fill)
    larder.head(after)
    #expect(larder.finish(after, "new") == .stored)
    #expect(larder.lookUp("k") == .body("new"))
  }

  @Test func `fill, commit, purge: gone`() {
    let larder = Larder()
    larder.fetch("k", "x")
    #expect(larder.purge("k") == 1)
    #expect(larder.lookUp("k") == .nothing)
  }

  @Test func `a 304 for a revalidation that began before the purge renews nothing`() throws {
    let larder = Larder()
    larder.fetch("k", "x")
    guard let old = larder.handle("k") else { throw LookUpTests.Missing() }
    let fill = try #require(larder.join("k", replacing: old.born).started)
    #expect(larder.purge("k") == 1)
    let head = Array("HTTP/1.1 200 OK\r\n".utf8)
    let renewed = larder.store.refresh(
      fill, old: old, head: head.span, freshness: larder.freshness(0), etag: nil, lastModified: nil)
    let isNone = renewed == nil
    #expect(isNone)
    #expect(larder.lookUp("k") == .nothing)
  }

  @Test func `a soft purge leaves entries, but not as fresh`() throws {
    let larder = Larder()
    larder.fetch("k", "x")
    #expect(larder.purge("k", soft: true) == 1)
    #expect(larder.lookUp("k") == .softlyPurged("x"))
    let born = try #require(larder.born("k"))
    larder.fetch("k", "y", replacing: born)
    #expect(larder.lookUp("k") == .body("y"))
  }

  @Test func `a fill that began before a soft purge is stored stale and joined by nobody, L21`() throws {
    let larder = Larder()
    let fill = try #require(larder.join("k").started)
    larder.head(fill)
    #expect(larder.purge("k", soft: true) == 0)
    #expect(larder.join("k").started !== fill)
    #expect(larder.finish(fill, "x") == .storedStale)
    #expect(larder.lookUp("k") == .softlyPurged("x"))
  }

  @Test func `a hard purge after a soft one is hard, and a soft one after a hard one does not undo it`()
    throws
  {
    let larder = Larder()
    let fill = try #require(larder.join("k").started)
    larder.head(fill)
    _ = larder.purge("k", soft: true)
    _ = larder.purge("k")
    _ = larder.purge("k", soft: true)
    #expect(larder.finish(fill, "x") == .fenced)
  }

  @Test func `purging another key 1,000 times keeps this one neither from being stored nor from being found`()
    throws
  {
    let larder = Larder()
    larder.fetch("stored", "x")
    let fill = try #require(larder.join("k").started)
    // More purges than there are slots, so that every slot is newer than the fill.
    for i in 0..<1000 { _ = larder.purge("another"); _ = larder.purge("more \(i)") }
    for i in 0..<20_000 { _ = larder.purge("still more \(i)") }
    larder.head(fill)
    #expect(larder.finish(fill, "y") == .stored)
    #expect(larder.lookUp("k") == .body("y"))
    #expect(larder.lookUp("stored") == .body("x"))
  }

  @Test func `a collision of slots is looked up once, not at every hit, L5`() throws {
    let larder = Larder()
    larder.fetch("k", "x")
    for i in 0..<20_000 { _ = larder.purge("other \(i)") }
    let node = try #require(larder.node("k"))
    #expect(node.it.clearedThrough == 0)
    _ = larder.lookUp("k")
    #expect(node.it.clearedThrough == larder.store.fences.newestPurge(near: larder.hash("k")))
  }

  @Test func `records go when no older fill is in flight, L20`() throws {
    let larder = Larder()
    let old = try #require(larder.join("old").started)
    for i in 0..<10 { _ = larder.purge("u \(i)") }
    for _ in 0..<1000 { _ = larder.purge("u 0") }
    let young = try #require(larder.join("young").started)
    _ = larder.purge("last")
    #expect(larder.store.statistics.purgeRecords == 11)
    larder.store.end(old)
    #expect(larder.store.statistics.purgeRecords == 1)
    larder.store.end(young)
    #expect(larder.store.statistics.purgeRecords == 0)
    #expect(larder.store.statistics.fillsInFlight == 0)
  }

  @Test func `each birth and each purge has a number of its own, rising`() throws {
    let larder = Larder()
    let a = try #require(larder.join("a").started)
    let url = Array("u".utf8)
    let first = larder.store.purge(url: url.span, soft: false).sequence
    let b = try #require(larder.join("b").started)
    let second = larder.store.purge(url: url.span, soft: true).sequence
    #expect([a.born, first, b.born, second] == [a.born, a.born + 1, a.born + 2, a.born + 3])
    #expect(larder.store.fences.sequence == second)
  }

  @Test func `births are forgotten in any order`() {
    for seed in 1...20 as ClosedRange<UInt64> {
      var random = SeededRandom(seed)
      var queue = BirthQueue()
      var model: [UInt64] = []
      for number in 1...3000 as ClosedRange<UInt64> {
        queue.append(number)
        model.append(number)
        while random.below(3) > 0, !model.isEmpty {
          let gone = model.remove(at: random.below(min(model.count, 50)))
          queue.remove(gone)
          queue.remove(gone)
        }
        if queue.first != model.first || queue.count != model.count { Issue.record("seed \(seed)") }
      }
    }
  }

  @Test func `beyond the limit of records everything in flight is fenced, nothing wrong is stored`() throws {
    let larder = Larder(budget: 64 << 20)
    let fill = try #require(larder.join("k").started)
    let url = larder.hash("k")
    _ = larder.store.fences.purge(urlHash: url, soft: false)
    for i in 0...UInt64(Fences.recordLimit) {
      let sequence = larder.store.fences.purge(urlHash: KeyHash(low: i, high: i), soft: false)
      larder.store.fences.ended(sequence)
    }
    #expect(larder.store.statistics.purgeRecords <= Fences.recordLimit)
    #expect(larder.store.fences.isFenced(born: fill.born, urlHash: url) == .hard)
  }
}
