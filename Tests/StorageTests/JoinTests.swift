import Bytes
import Testing

@testable import Storage

@Suite("Joining, L3, L9, L12 and L13")
struct JoinTests {
  @Test func `the first starts, all others join, before and after the head`() throws {
    let larder = Larder()
    let fill = try #require(larder.join("k").started)
    #expect(fill.status == .awaitingHead)
    #expect(larder.join("k").joined === fill)
    larder.head(fill)
    #expect(larder.join("k").joined === fill)
    #expect(larder.finish(fill, "x") == .stored)
    #expect(larder.join("k").isChanged)
    #expect(larder.lookUp("k") == .body("x"))
  }

  @Test func `after five seconds one, not all, starts a second fill; at most three wait at once, L13`() throws
  {
    let larder = Larder()
    let first = try #require(larder.join("k", now: 0).started)
    #expect(larder.join("k", now: 4999).joined === first)
    let second = try #require(larder.join("k", now: 5000).started)
    #expect(larder.join("k", now: 5000).joined === second)
    #expect(larder.join("k", now: 9999).joined === second)
    let third = try #require(larder.join("k", now: 10_000).started)
    for now in [10_000, 15_000, 1_000_000] as [Int64] { #expect(larder.join("k", now: now).joined === third) }
    // One that has a head does not count.
    larder.head(first)
    larder.store.end(first)
    #expect(larder.join("k", now: 20_000).started != nil)
  }

  @Test func `who may not start joins what there is, and leaves nothing behind`() throws {
    let larder = Larder()
    let before = larder.store.arena.statistics.allocatedBytes
    #expect(larder.join("k", mayStart: false).isNothing)
    #expect(larder.store.arena.statistics.allocatedBytes == before)
    let fill = try #require(larder.join("k").started)
    #expect(larder.join("k", mayStart: false).joined === fill)
    // It has waited too long to be enough: only who may start does something about it.
    #expect(larder.join("k", now: 5000, mayStart: false).isNothing)
    larder.head(fill)
    #expect(larder.finish(fill, "x") == .stored)
    #expect(larder.join("k", mayStart: false).isChanged)
    let seen = try #require(larder.born("k"))
    #expect(larder.join("k", replacing: seen, mayStart: false).isNothing)
    #expect(larder.lookUp("k") == .body("x"))
  }

  @Test func `a fill that failed or is not shareable takes nobody`() throws {
    let larder = Larder()
    let failed = try #require(larder.join("k").started)
    failed.fail(3)
    #expect(failed.failureReason == 3)
    let private1 = try #require(larder.join("k").started)
    larder.head(private1, isJoinable: false)
    let next = larder.join("k").started
    #expect(next != nil && next !== private1)
  }

  @Test func `a fill that will not be kept takes nobody from when this is known, L12`() throws {
    let larder = Larder()
    let fill = try #require(larder.join("k").started)
    #expect(fill.enter(worker: 0))
    #expect(fill.enter(worker: 1))
    fill.stopKeeping()
    larder.head(fill)
    #expect(!fill.enter(worker: 1))
    #expect(larder.join("k").started != nil)
  }

  @Test func `whoever has seen an entry gets a newer one instead of a fill`() throws {
    let larder = Larder()
    larder.fetch("k", "one")
    let first = try #require(larder.born("k"))
    #expect(larder.join("k").isChanged)
    let refresh = try #require(larder.join("k", replacing: first).started)
    #expect(larder.join("k", replacing: first).joined === refresh)
    larder.head(refresh)
    #expect(larder.finish(refresh, "two") == .stored)
    #expect(larder.join("k", replacing: first).isChanged)
  }

  @Test func `whoever has seen an entry that was purged since looks again, L19 and L21`() throws {
    let larder = Larder()
    larder.fetch("k", "old")
    let seen = try #require(larder.born("k"))
    #expect(larder.purge("k") == 1)
    // A fill begun now could bring the old body back by a 304: no purge comes after its birth.
    #expect(larder.join("k", replacing: seen).isChanged)
    #expect(larder.join("k").started != nil)
  }

  @Test func `nobody joins a fill that began before what they have seen`() throws {
    let larder = Larder()
    let slow = try #require(larder.join("k", now: 0).started)
    let quick = try #require(larder.join("k", now: 6000).started)
    larder.head(quick)
    #expect(larder.finish(quick, "x") == .stored)
    #expect(larder.join("k", now: 6000, replacing: quick.born).started !== slow)
  }

  @Test func `a fill alone is joined by nobody`() {
    let larder = Larder()
    let alone = larder.startPrivate("k")
    let next = larder.join("k").started
    #expect(next != nil && next !== alone)
  }

  @Test func `ended fills leave nothing behind, and may be ended again`() throws {
    let larder = Larder()
    for round in 0..<100 {
      let fill = try #require(larder.join("k \(round)", ["a": "b"]).started)
      if round % 2 == 0 { larder.head(fill, vary: "a", ["a": "b"]) }
      if round % 3 == 0 { fill.fail(1) }
      larder.store.end(fill)
      larder.store.end(fill)
    }
    let statistics = larder.store.statistics
    #expect(statistics.registeredFills == 0)
    #expect(statistics.fillsInFlight == 0)
    #expect(statistics.arena.allocatedBytes == 0)
  }

  @Test func `the second waiter's request is kept for the one retry, L11`() throws {
    let larder = Larder()
    let fill = try #require(larder.join("k").started)
    #expect(fill.alternateRequest == nil)
    let request = AlternateRequest([1, 2], .cookie)
    #expect(fill.offerAlternateRequest(request))
    #expect(!fill.offerAlternateRequest(AlternateRequest([3], [])))
    #expect(fill.alternateRequest == request)
  }
}
