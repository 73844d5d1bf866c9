import Bytes
import Caching
import Testing

@testable import Storage

@Suite("Look-up and storing")
struct LookUpTests {
  @Test func `what is stored is found, with its head, body and facts`() throws {
    let larder = Larder()
    let fill = try #require(larder.join("GET a/x", url: "a/x").started)
    larder.head(fill, length: 5)
    #expect(larder.finish(fill, "hello", responseTime: 7) == .stored)
    guard let handle = larder.handle("GET a/x") else { throw Missing() }
    let head = String(decoding: handle.head.array, as: UTF8.self)
    #expect(head == "HTTP/1.1 200 OK\r\nETag: \"a\"\r\n")
    #expect(String(decoding: handle.key.array, as: UTF8.self) == "GET a/x")
    #expect(String(decoding: handle.url.array, as: UTF8.self) == "a/x")
    let etag = handle.etag?.array
    #expect(etag == Array("\"a\"".utf8))
    #expect(handle.lastModified == 784_111_777)
    #expect(handle.status == 200)
    #expect(handle.bodyLength == 5)
    #expect(handle.freshness == larder.freshness(7))
    #expect(handle.born == fill.born)
    #expect(String(decoding: handle.wholeBody, as: UTF8.self) == "hello")
  }

  @Test func `the whole key is compared: two keys with one hash stay apart`() {
    let larder = Larder()
    let same = larder.hash("same")
    func place(_ key: String) {
      let bytes = Array(key.utf8)
      let fill = larder.store.startPrivate(
        hash: same, key: bytes.span, urlHash: larder.hash(key), url: bytes.span, now: 0, worker: 0,
        mayStore: true)
      larder.head(fill)
      #expect(larder.finish(fill, "body of \(key)") == .stored)
    }
    func find(_ key: String) -> Seen {
      let bytes = Array(key.utf8)
      return Seen(
        larder.store.lookUp(hash: same, key: bytes.span, now: 0, selecting: larder.selecting([:])))
    }
    place("first")
    #expect(find("second") == .nothing)
    place("second")
    #expect(find("first") == .body("body of first"))
    #expect(find("second") == .body("body of second"))
  }

  @Test func `an entry in use outlives its replacement, its eviction and its store`() throws {
    let arena: SlabArena
    do {
      var larder: Larder? = Larder()
      larder?.fetch("k", "old")
      arena = try #require(larder?.store.arena)
      let handle = larder?.handle("k")
      guard let handle else { throw Missing() }
      larder?.fetch("k", "new", replacing: handle.born)
      #expect(larder?.lookUp("k") == .body("new"))
      larder = nil
      #expect(String(decoding: handle.wholeBody, as: UTF8.self) == "old")
      #expect(arena.statistics.allocatedBytes > 0)
    }
    #expect(arena.statistics.allocatedBytes == 0)
    #expect(arena.statistics.chargedBytes == 0)
  }

  @Test func `a later response is not displaced by one that was asked for earlier`() throws {
    let larder = Larder()
    let early = larder.startPrivate("k")
    larder.head(early)
    #expect(larder.fetch("k", "later") == .stored)
    #expect(larder.finish(early, "earlier") == .superseded)
    #expect(larder.lookUp("k") == .body("later"))
  }

  @Test func `a fill that must not store does not, nor one that has ended`() {
    let larder = Larder()
    let fill = larder.startPrivate("k", mayStore: false)
    larder.head(fill)
    #expect(larder.finish(fill, "x") == .noRoom)
    let ended = larder.startPrivate("k")
    larder.head(ended)
    larder.store.end(ended)
    #expect(larder.finish(ended, "x") == .noRoom)
    #expect(larder.lookUp("k") == .nothing)
  }

  @Test func `a 304 renews the head and shares the body, L19: born of the revalidation`() throws {
    let larder = Larder()
    larder.fetch("k", "body")
    guard let old = larder.handle("k") else { throw Missing() }
    let fill = try #require(larder.join("k", replacing: old.born).started)
    let before = larder.store.arena.statistics.allocatedBytes
    let head = Array("HTTP/1.1 200 OK\r\nX: renewed\r\n".utf8)
    let renewed = larder.store.refresh(
      fill, old: old, head: head.span, freshness: larder.freshness(100), etag: nil, lastModified: nil)
    larder.store.end(fill)
    guard let renewed else { throw Missing() }
    #expect(renewed.born == fill.born)
    let isShared = unsafe renewed.bodySegment(0).0 == old.bodySegment(0).0
    #expect(isShared)
    let hasTag = renewed.etag != nil
    #expect(!hasTag)
    #expect(renewed.lastModified == nil)
    guard let found = larder.handle("k") else { throw Missing() }
    #expect(found.born == fill.born)
    #expect(found.freshness.responseTime == 100)
    // Only a second record, while the first is held.
    #expect(larder.store.arena.statistics.allocatedBytes - before < 512)
  }

  @Test func `recency moves at most once in five seconds, L32`() throws {
    let larder = Larder()
    larder.fetch("k", "body")
    let node = try #require(larder.node("k"))
    _ = larder.lookUp("k", now: 4)
    #expect(node.it.lastUse == 0)
    _ = larder.lookUp("k", now: 5)
    #expect(node.it.lastUse == 5)
    _ = larder.lookUp("k", now: 9)
    #expect(node.it.lastUse == 5)
  }

  struct Missing: Error {}
}

extension Larder {
  func node(_ key: String) -> NodeRef? {
    let bytes = Array(key.utf8)
    let hash = hash(key)
    return store.stripe(of: hash).withLock { $0.find(hash, key: bytes.span) }
  }
}
