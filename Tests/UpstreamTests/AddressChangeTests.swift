import Bytes
import Glibc
import IO
import Testing

@testable import Upstream

@Suite("L27: addresses that come and go")
struct AddressChangeTests {
  static let name = "api.test:80"
  static let one = "10.0.0.1:80"
  static let two = "10.0.0.2:80"
  static let three = "10.0.0.3:80"

  @Test func `new addresses join the rotation`() {
    let pool = makePool([Self.name])
    pool.apply([address(Self.one), address(Self.two)], to: backend(Self.name))
    #expect(pool.order(4) == [Self.one, Self.two, Self.one, Self.two])
    pool.apply([address(Self.three), address(Self.two), address(Self.one)], to: backend(Self.name))
    #expect(pool.order(3) == [Self.one, Self.two, Self.three])
  }

  @Test func `an address that left drains: no new request, those under way go on`() {
    let pool = makePool([Self.name])
    pool.apply([address(Self.one), address(Self.two)], to: backend(Self.name))
    let gone = pool.server(Self.one)
    _ = pool.acquire(now: 0)
    guard case .server(let held) = pool.acquire(now: 0) else { return #expect(Bool(false)) }
    #expect(held === gone)
    pool.apply([address(Self.two)], to: backend(Self.name))
    #expect(gone.isDraining)
    #expect(!pool.mayKeep(gone, worker: 0))
    #expect(pool.state(Self.one) == .draining)
    #expect(pool.order(3) == [Self.two, Self.two, Self.two])
    pool.report(gone, .answered, now: 0)
    pool.release(gone)
    #expect(pool.state(Self.one) == nil)
    pool.report(gone, .connectFailed, now: 0)  // late news of a server that is no more
    #expect(pool.isAnyUsable)
  }

  @Test func `an address that comes back while it drains is the same server`() {
    let pool = makePool([Self.name])
    pool.apply([address(Self.one), address(Self.two)], to: backend(Self.name))
    guard case .server(let server) = pool.acquire(now: 0) else { return #expect(Bool(false)) }
    pool.apply([address(Self.two)], to: backend(Self.name))
    pool.apply([address(Self.two), address(Self.one)], to: backend(Self.name))
    #expect(!server.isDraining)
    #expect(pool.server(Self.one) === server)
    pool.release(server)
    #expect(pool.inUse(Self.one) == 0)
  }

  @Test func `connections are counted right after servers before them have left`() {
    let pool = makePool([Self.name, a])
    pool.apply([address(Self.one), address(Self.two)], to: backend(Self.name))
    let held = (0..<3).map { _ in pool.acquire(now: 0) }
    pool.apply([address(Self.three)], to: backend(Self.name))
    for case .server(let server) in held { pool.release(server) }
    #expect(pool.snapshot().servers.map(\.name) == [a, Self.three])
    #expect(pool.snapshot().servers.map(\.inUse) == [0, 0])
  }

  @Test func `backends do not touch each other's servers`() {
    let pool = makePool(["x.test:80", "y.test:80", a])
    pool.apply([address(Self.one)], to: backend("x.test:80"))
    pool.apply([address(Self.one)], to: backend("y.test:80"))
    #expect(pool.order(3) == [a, Self.one, Self.one])
    pool.apply([address(Self.two)], to: backend("x.test:80"))
    #expect(Set(pool.order(3)) == [a, Self.one, Self.two])
  }

  @Test func `no addresses change nothing`() {
    let pool = makePool([Self.name])
    pool.apply([address(Self.one)], to: backend(Self.name))
    pool.apply([], to: backend(Self.name))
    #expect(pool.order(1) == [Self.one])
  }

  @Test func `connections of a server that returned after it was removed are its own`() {
    let pool = makePool([Self.name], limit: 1)
    pool.apply([address(Self.one), address(Self.two)], to: backend(Self.name))
    let before = pool.server(Self.one)
    pool.apply([address(Self.two)], to: backend(Self.name))
    pool.apply([address(Self.one), address(Self.two)], to: backend(Self.name))
    let after = pool.server(Self.one)
    #expect(before !== after)
    #expect(before.id != after.id)
    #expect(before.isDraining)
  }
}

/// Answers of a name server that the test sets.
private final class Names: Sendable {
  let answers = Guarded<[String: Result<[SocketAddress], ResolveError>]>([:])
  let asked = Guarded<[String]>([])
  let told = Guarded<[String]>([])

  func set(_ host: String, _ addresses: [String]) {
    answers.withLock { $0[host] = .success(addresses.map { address($0) }) }
  }

  func fail(_ host: String, _ code: CInt) {
    answers.withLock { $0[host] = .failure(ResolveError(code: code)) }
  }

  func resolver(_ pools: [Pool], interval: Int64 = 30_000) -> Resolver {
    Resolver(
      pools: pools, intervalMilliseconds: interval,
      lookUp: { (host, _) throws(ResolveError) in
        self.asked.withLock { $0.append(host) }
        let answer = self.answers.withLock { $0[host] } ?? .failure(ResolveError(code: EAI_NONAME))
        return try answer.get()
      },
      changed: { backend, failure in
        self.told.withLock { $0.append("\(backend) \(failure.map { "\($0.code)" } ?? "found")") }
      })
  }
}

@Suite("L27: names are resolved off the workers")
struct ResolverTests {
  @Test func `addresses join and leave with each round`() {
    let names = Names()
    let pool = makePool(["api.test:80"])
    let resolver = names.resolver([pool])
    names.set("api.test", ["10.0.0.1:80", "10.0.0.2:80"])
    #expect(resolver.resolveAll().isEmpty)
    #expect(pool.order(2) == ["10.0.0.1:80", "10.0.0.2:80"])
    names.set("api.test", ["10.0.0.2:80", "10.0.0.3:80"])
    resolver.resolveAll()
    #expect(Set(pool.order(2)) == ["10.0.0.2:80", "10.0.0.3:80"])
  }

  @Test func `the last good answer is kept when a look-up fails or is empty`() {
    let names = Names()
    let pool = makePool(["api.test:80"])
    let resolver = names.resolver([pool])
    names.set("api.test", ["10.0.0.1:80"])
    resolver.resolveAll()
    names.fail("api.test", EAI_AGAIN)
    #expect(resolver.resolveAll().map(\.failure) == [ResolveError(code: EAI_AGAIN)])
    #expect(pool.order(1) == ["10.0.0.1:80"])
    names.set("api.test", [])
    #expect(resolver.resolveAll().count == 1)
    #expect(pool.order(1) == ["10.0.0.1:80"])
    #expect(pool.state("10.0.0.1:80") == .up)
  }

  @Test func `only names are looked up, and one that fails does not hold up the others`() {
    let names = Names()
    let pool = makePool(["bad.test:80", "10.0.0.9:80", "unix:/a", "good.test:80"])
    names.set("good.test", ["10.0.0.1:80"])
    let failed = names.resolver([pool]).resolveAll()
    #expect(names.asked.withLock { $0 } == ["bad.test", "good.test"])
    #expect(failed.map(\.backend) == [backend("bad.test:80")])
    #expect(Set(pool.order(3)) == ["10.0.0.9:80", "unix:/a", "10.0.0.1:80"])
  }

  @Test func `a failure is told once, and its end once`() {
    let names = Names()
    let resolver = names.resolver([makePool(["api.test:80"])])
    for _ in 0..<3 { resolver.resolveAll() }
    names.set("api.test", ["10.0.0.1:80"])
    for _ in 0..<3 { resolver.resolveAll() }
    #expect(names.told.withLock { $0 } == ["api.test:80 \(EAI_NONAME)", "api.test:80 found"])
  }

  @Test(.timeLimit(.minutes(1))) func `its thread goes on resolving until it is stopped`() async throws {
    let names = Names()
    let pool = makePool(["api.test:80"])
    let resolver = names.resolver([pool], interval: 1)
    try resolver.start()
    while names.asked.withLock({ $0.count }) < 3 { await Task.yield() }
    names.set("api.test", ["10.0.0.1:80"])
    while pool.pick(now: 0) == nil { await Task.yield() }
    resolver.stop()
    #expect(pool.isAnyUsable)
  }

  @Test func `a resolver that was stopped asks no more`() {
    let names = Names()
    let resolver = names.resolver([makePool(["api.test:80"])])
    resolver.stop()
    resolver.resolveAll()
    #expect(names.asked.withLock { $0 }.isEmpty)
  }
}
