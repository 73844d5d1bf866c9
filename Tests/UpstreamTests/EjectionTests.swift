import Bytes
import IO
import Testing

@testable import Upstream

@Suite("L27: passive ejection")
struct EjectionTests {
  @Test(arguments: [ServerOutcome.connectFailed, .resetBeforeFirstByte])
  func `the third failure within the window ejects`(_ failure: ServerOutcome) {
    let pool = makePool([a, b])
    let server = pool.server(a)
    pool.report(server, failure, now: 0)
    pool.report(server, failure, now: 5_000)
    #expect(pool.state(a) == .up)
    pool.report(server, failure, now: 9_999)
    #expect(pool.state(a) == .ejected)
    #expect(pool.order(3, now: 9_999) == [b, b, b])
  }

  @Test func `connect failures and resets add up`() {
    let pool = makePool([a, b])
    let server = pool.server(a)
    pool.report(server, .connectFailed, now: 0)
    pool.report(server, .resetBeforeFirstByte, now: 0)
    pool.report(server, .connectFailed, now: 0)
    #expect(pool.state(a) == .ejected)
  }

  @Test func `a failure counts for ten seconds`() {
    let pool = makePool([a, b])
    let server = pool.server(a)
    for now: Milliseconds in [0, 5_000, 10_000, 15_000, 20_000] {
      pool.report(server, .connectFailed, now: now)
      #expect(pool.state(a) == .up)
    }
  }

  @Test func `an answer forgets the failures before it`() {
    let pool = makePool([a, b])
    let server = pool.server(a)
    for _ in 0..<10 {
      pool.report(server, .connectFailed, now: 0)
      pool.report(server, .resetBeforeFirstByte, now: 0)
      pool.report(server, .answered, now: 0)
    }
    #expect(pool.state(a) == .up)
  }

  @Test func `one URL that hangs ejects nobody`() {
    let pool = makePool([a, b])
    for name in [a, b] {
      let server = pool.server(name)
      for now in 0..<100 { pool.report(server, .timedOut(keyHash: 7), now: Milliseconds(now)) }
      #expect(pool.state(name) == .up)
    }
  }

  @Test func `time-outs count when three different keys time out within the window`() {
    let pool = makePool([a, b])
    let server = pool.server(a)
    pool.report(server, .timedOut(keyHash: 1), now: 0)
    pool.report(server, .timedOut(keyHash: 2), now: 5_000)
    pool.report(server, .timedOut(keyHash: 3), now: 10_000)  // the first is too old now
    #expect(pool.state(a) == .up)
    pool.report(server, .timedOut(keyHash: 2), now: 11_000)  // counted already
    #expect(pool.state(a) == .up)
    pool.report(server, .timedOut(keyHash: 1), now: 14_000)
    #expect(pool.state(a) == .ejected)
  }

  @Test func `two timed-out keys do not add to connect failures`() {
    let pool = makePool([a, b])
    let server = pool.server(a)
    for key: UInt64 in [1, 2] { pool.report(server, .timedOut(keyHash: key), now: 0) }
    for _ in 0..<2 { pool.report(server, .connectFailed, now: 0) }
    #expect(pool.state(a) == .up)
    pool.report(server, .connectFailed, now: 0)
    #expect(pool.state(a) == .ejected)
  }

  @Test func `the last usable server is never ejected`() {
    let pool = makePool([a, b])
    pool.takeOut(pool.server(a), now: 0)
    let last = pool.server(b)
    for _ in 0..<20 { pool.report(last, .connectFailed, now: 1) }
    #expect(pool.state(b) == .failing)
    #expect(pool.order(4, now: 1) == [b, b, b, b])
    let alone = makePool([a])
    alone.takeOut(alone.server(a), now: 0)
    #expect(alone.order(2, now: 0) == [a, a])
  }

  @Test func `when the last one up fails, its requests are retried on the ejected ones`() {
    let pool = makePool([a, b])
    pool.takeOut(pool.server(a), now: 0)
    let last = pool.server(b)
    var tried = TriedServers()
    tried.insert(last)
    #expect(outcome(pool.acquire(tried: tried, now: 1)) == "none")  // B is up: A is left in peace
    pool.takeOut(last, now: 1)
    #expect(outcome(pool.acquire(tried: tried, now: 1)) == a)
  }

  @Test func `when all are out, all are tried`() {
    let pool = makePool([a, b, "last.test:80"])
    pool.apply([address(c)], to: backend("last.test:80"))
    pool.takeOut(pool.server(a), now: 0)
    pool.takeOut(pool.server(b), now: 0)
    #expect(pool.order(3, now: 1) == [c, c, c])
    // The last one up leaves by its name: what remains is ejected.
    pool.apply([address("127.0.0.1:4")], to: backend("last.test:80"))
    pool.takeOut(pool.server("127.0.0.1:4"), now: 1)
    #expect(pool.state("127.0.0.1:4") == .failing)
    let other = pool.server("127.0.0.1:4", now: 1)
    var tried = TriedServers()
    tried.insert(other)
    #expect(Set((0..<4).map { _ in outcome(pool.acquire(tried: tried, now: 1)) }) == [a, b])
  }

  @Test func `a server that stays is proof that a failing one may be ejected`() {
    let pool = makePool([a, b])
    let (one, other) = (pool.server(a), pool.server(b))
    pool.takeOut(one, now: 0)
    pool.takeOut(other, now: 0)
    #expect(pool.state(b) == .failing)
    pool.report(one, .answered, now: 100)
    #expect(pool.state(a) == .up)
    pool.report(other, .connectFailed, now: 200)  // known to be down: one more is enough
    #expect(pool.state(b) == .ejected)
  }

  @Test func `all down is known at once, and known to be over at the first answer (L15)`() {
    let pool = makePool([a, b])
    let (one, other) = (pool.server(a), pool.server(b))
    pool.takeOut(one, now: 0)
    #expect(pool.isAnyUsable)
    pool.takeOut(other, now: 0)
    #expect(!pool.isAnyUsable)
    #expect(!pool.snapshot().isAnyUsable)
    #expect(outcome(pool.acquire(now: 60_000)) != "none")  // time alone proves nothing
    #expect(!pool.isAnyUsable)
    pool.report(other, .answered, now: 60_001)
    #expect(pool.isAnyUsable)
    #expect(pool.state(b) == .up)
  }
}

@Suite("L27: coming back")
struct ReadmissionTests {
  @Test func `after its time a server is on trial, and an answer brings it back`() {
    let pool = makePool([a, b])
    let server = pool.server(a)
    pool.takeOut(server, now: 0)
    #expect(pool.order(4, now: 9_999) == [b, b, b, b])
    // One request a second while it has not answered.
    #expect(Set(pool.order(2, now: 10_000)) == [a, b])
    #expect(pool.order(4, now: 10_999) == [b, b, b, b])
    #expect(Set(pool.order(2, now: 11_000)) == [a, b])
    pool.report(server, .answered, now: 11_050)
    #expect(pool.state(a) == .up)
    #expect(Set(pool.order(2, now: 11_050)) == [a, b])
    #expect(Set(pool.order(2, now: 11_050)) == [a, b])
  }

  @Test func `a failed trial doubles the time out, up to a minute`() {
    let pool = makePool([a, b])
    let server = pool.server(a)
    var now: Milliseconds = 0
    pool.takeOut(server, now: now)
    for seconds: Milliseconds in [10, 20, 40, 60, 60] {
      #expect(pool.order(2, now: now + seconds * 1000 - 1) == [b, b])
      now += seconds * 1000
      #expect(pool.order(2, now: now).contains(a))
      pool.report(server, .connectFailed, now: now)
      #expect(pool.state(a) == .ejected)
    }
  }

  @Test func `a time-out on trial is not enough to send it out again`() {
    let pool = makePool([a, b])
    let server = pool.server(a)
    pool.takeOut(server, now: 0)
    #expect(pool.order(2, now: 10_000).contains(a))
    pool.report(server, .timedOut(keyHash: 1), now: 10_500)
    #expect(pool.order(2, now: 11_000).contains(a))
    pool.report(server, .timedOut(keyHash: 2), now: 11_500)
    pool.report(server, .timedOut(keyHash: 3), now: 11_500)
    #expect(pool.order(4, now: 31_499) == [b, b, b, b])
    #expect(pool.order(2, now: 31_500).contains(a))
  }

  @Test func `failures of requests that were under way do not prolong the ejection`() {
    let pool = makePool([a, b])
    let server = pool.server(a)
    pool.takeOut(server, now: 0)
    for now: Milliseconds in [1, 5_000, 9_999] { pool.report(server, .resetBeforeFirstByte, now: now) }
    #expect(pool.order(2, now: 10_000).contains(a))
  }

  @Test func `a server that came back and fails soon is out for longer, one that stayed is not`() {
    let pool = makePool([a, b])
    let server = pool.server(a)
    pool.takeOut(server, now: 0)
    pool.report(server, .answered, now: 10_000)
    pool.takeOut(server, now: 20_000)  // up for 10 s
    #expect(pool.order(4, now: 39_999) == [b, b, b, b])
    #expect(pool.order(2, now: 40_000).contains(a))
    pool.report(server, .answered, now: 40_000)
    pool.takeOut(server, now: 100_000)  // up for 60 s
    #expect(pool.order(4, now: 109_999) == [b, b, b, b])
    #expect(pool.order(2, now: 110_000).contains(a))
  }

  @Test func `counts are kept for metrics`() {
    let pool = makePool([a, b])
    pool.takeOut(pool.server(a), now: 0)
    _ = pool.order(3, now: 1)
    let servers = pool.snapshot().servers
    #expect(servers.map(\.failures) == [3, 0])
    #expect(servers.map(\.ejections) == [1, 0])
    #expect(servers.map(\.requests) == [0, 3])
    #expect(servers.map(\.inUse) == [0, 0])
  }
}
