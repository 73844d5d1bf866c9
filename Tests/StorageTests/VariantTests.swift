import Bytes
import Testing

@testable import Storage

@Suite("Variants, L8 and L9")
struct VariantTests {
  @Test func `a response is found only under the selecting values that it was made for`() {
    let larder = Larder()
    larder.fetch("k", "zipped", vary: "accept-encoding", ["accept-encoding": "gzip"])
    larder.fetch("k", "plain", vary: "accept-encoding", [:])
    #expect(larder.lookUp("k", ["accept-encoding": "gzip"]) == .body("zipped"))
    #expect(larder.lookUp("k") == .body("plain"))
    #expect(larder.lookUp("k", ["accept-encoding": "br"]) == .nothing)
  }

  @Test func `four values make four fetches, though the first came before Vary was known`() throws {
    let larder = Larder()
    let codings = ["gzip", "br", "zstd", "identity"]
    let first = try #require(larder.join("k", ["accept-encoding": "gzip"]).started)
    // All of 100 wait for the one fill, whatever they accept: nobody knows better yet.
    for i in 0..<100 {
      let joined = larder.join("k", ["accept-encoding": codings[i % 4]]).joined
      #expect(joined === first)
    }
    larder.head(first, vary: "accept-encoding", ["accept-encoding": "gzip"])
    var fills: [Fill] = [first]
    for i in 0..<100 {
      switch larder.join("k", ["accept-encoding": codings[i % 4]]) {
      case .started(let fill): fills.append(fill)
      case .joined(let fill): #expect(fill === (i % 4 < fills.count ? fills[i % 4] : nil))
      case .changed, .nothing: Issue.record("nothing is stored yet")
      }
    }
    #expect(fills.count == 4)
    for (i, fill) in fills.enumerated() {
      if i > 0 { larder.head(fill, vary: "accept-encoding", ["accept-encoding": codings[i]]) }
      #expect(larder.finish(fill, codings[i]) == .stored)
    }
    for coding in codings { #expect(larder.lookUp("k", ["accept-encoding": coding]) == .body(coding)) }
    #expect(larder.store.statistics.entries == 4)
  }

  @Test func `the newest list is tried first, the older still serve`() throws {
    let larder = Larder()
    larder.fetch("k", "by language", vary: "accept-language", ["accept-language": "de"])
    larder.fetch("k", "by coding", vary: "accept-encoding", ["accept-encoding": "br"])
    #expect(larder.lookUp("k", ["accept-language": "de"]) == .body("by language"))
    #expect(larder.lookUp("k", ["accept-language": "de", "accept-encoding": "br"]) == .body("by coding"))
    #expect(larder.lookUp("k", ["accept-encoding": "br"]) == .body("by coding"))
    #expect(larder.lookUp("k") == .nothing)
  }

  @Test func `a response without Vary is a variant like others once one had it`() {
    let larder = Larder()
    larder.fetch("k", "for all")
    let fill = larder.startPrivate("k")
    larder.head(fill, vary: "cookie", ["cookie": "a"])
    #expect(larder.finish(fill, "for a") == .stored)
    #expect(larder.lookUp("k", ["cookie": "a"]) == .body("for a"))
    #expect(larder.lookUp("k", ["cookie": "b"]) == .body("for all"))
  }

  @Test func `a fifth list pushes out the oldest with its variants`() {
    let larder = Larder()
    for i in 0..<5 { larder.fetch("k", "\(i)", vary: "x-\(i)", ["x-\(i)": "v"]) }
    #expect(larder.lookUp("k", ["x-0": "v"]) == .nothing)
    for i in 1..<5 { #expect(larder.lookUp("k", ["x-\(i)": "v"]) == .body("\(i)")) }
    #expect(larder.store.statistics.entries == 4)
  }

  @Test func `lists come and go without leaving anything behind`() {
    let larder = Larder()
    for round in 0..<50 {
      for list in ["", "a", "b", "a,b", "c", "d"] {
        let fill = larder.startPrivate("k")
        larder.head(fill, vary: list, ["a": "\(round % 3)", "b": "\(round % 2)"])
        #expect(larder.finish(fill, "x") == .stored)
      }
    }
    _ = larder.purge("k")
    #expect(larder.store.statistics.entries == 0)
    #expect(larder.store.arena.statistics.allocatedBytes == 0)
  }

  @Test func `at most 256 variants of a key, the oldest out and counted`() {
    let larder = Larder(budget: 16 << 20)
    for i in 0..<300 { larder.fetch("k", "\(i)", vary: "user-agent", ["user-agent": "\(i)"]) }
    #expect(larder.store.statistics.entries == 256)
    #expect(larder.store.statistics.variantsDropped == 44)
    #expect(larder.lookUp("k", ["user-agent": "43"]) == .nothing)
    #expect(larder.lookUp("k", ["user-agent": "44"]) == .body("44"))
    #expect(larder.lookUp("k", ["user-agent": "299"]) == .body("299"))
  }

  @Test func `100,000 User-Agents on one URL leave other keys' entries alone`() {
    let larder = Larder(budget: 16 << 20)
    for i in 0..<100 { larder.fetch("other \(i)", "other \(i)") }
    for i in 0..<100_000 { larder.fetch("k", "x", vary: "user-agent", ["user-agent": "agent \(i)"]) }
    for i in 0..<100 { #expect(larder.lookUp("other \(i)") == .body("other \(i)")) }
    #expect(larder.store.statistics.entries == 356)
    #expect(larder.store.statistics.evictions == 0)
  }
}

@Suite("Hit-for-miss and back-off, L14 and L15")
struct MarkTests {
  @Test func `a mark is found until its time, and replaced by the first storable response`() throws {
    let larder = Larder()
    let fill = try #require(larder.join("k").started)
    larder.head(fill, isJoinable: false)
    larder.store.mark(fill, until: 120)
    larder.store.end(fill)
    #expect(larder.lookUp("k", now: 119) == .mark)
    #expect(larder.lookUp("k", now: 120) == .nothing)
    #expect(larder.join("k", now: 1000).isChanged)
    let alone = larder.startPrivate("k")
    larder.head(alone)
    #expect(larder.finish(alone, "now shareable") == .stored)
    #expect(larder.lookUp("k", now: 60) == .body("now shareable"))
    #expect(larder.store.statistics.marks == 0)
  }

  @Test func `a mark displaces no entry`() throws {
    let larder = Larder()
    larder.fetch("k", "stale but good")
    let born = try #require(larder.born("k"))
    let fill = try #require(larder.join("k", replacing: born).started)
    larder.head(fill, isJoinable: false)
    larder.store.mark(fill, until: 120)
    larder.store.end(fill)
    #expect(larder.lookUp("k") == .markedStale("stale but good"))
    // Whoever has seen both is not sent round in circles.
    #expect(!larder.join("k", replacing: born).isChanged)
  }

  @Test func `a mark is per variant`() throws {
    let larder = Larder()
    let fill = try #require(larder.join("k", ["cookie": "a"]).started)
    larder.head(fill, vary: "cookie", ["cookie": "a"], isJoinable: false)
    larder.store.mark(fill, until: 120)
    larder.store.end(fill)
    #expect(larder.lookUp("k", ["cookie": "a"]) == .mark)
    #expect(larder.lookUp("k", ["cookie": "b"]) == .nothing)
  }

  @Test func `marks cost memory that eviction takes back`() {
    let larder = Larder(budget: 1 << 20)
    for i in 0..<20_000 {
      let fill = larder.startPrivate("key number \(i)")
      larder.head(fill, isJoinable: false)
      larder.store.mark(fill, until: 120)
      larder.store.end(fill)
    }
    larder.fetch("k", String(repeating: "x", count: 5000))
    let counted = larder.store.arena.statistics.countedBytes
    #expect(counted <= 1 << 20)
    #expect(larder.store.statistics.marks < 20_000)
  }

  @Test func `failed refreshes wait 1 s, then twice as long, at most 30 s; success forgets`() throws {
    let larder = Larder()
    larder.fetch("k", "stale")
    var now: Int64 = 100_000
    for pause in [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] as [Int64] {
      let born = try #require(larder.born("k"))
      let fill = try #require(larder.join("k", now: now, replacing: born).started)
      larder.store.refreshFailed(fill, now: now)
      fill.fail(1)
      larder.store.end(fill)
      #expect(larder.blockedUntil("k") == now + pause)
      #expect(!larder.mayRefresh("k", now: now + pause - 1))
      #expect(larder.mayRefresh("k", now: now + pause))
      now += pause
    }
    let born = try #require(larder.born("k"))
    larder.fetch("k", "fresh", replacing: born, now: now)
    #expect(larder.blockedUntil("k") == 0)
  }
}

extension Larder {
  func mayRefresh(_ key: String, now: Int64) -> Bool {
    let bytes = Array(key.utf8)
    return store.mayRefresh(hash: hash(key), key: bytes.span, now: now, selecting: selecting([:]))
  }
}
