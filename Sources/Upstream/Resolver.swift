public import Bytes
import CLinux
import Glibc
public import IO
import Synchronization

/// Looks host names of backends up on a thread of its own, at the start and every 30 s, and brings the
/// addresses to their pools (L27). Workers never wait for it. A name that cannot be looked up keeps its last
/// good answer.
public final class Resolver: Sendable {
  public typealias LookUp =
    @Sendable (_ host: String, _ port: UInt16) throws(ResolveError) -> [SocketAddress]
  public typealias Changed = @Sendable (_ backend: BackendAddress, _ failure: ResolveError?) -> Void

  private struct NamedBackend {
    let pool: Pool
    let backend: BackendAddress
  }

  private let names: [NamedBackend]
  private let intervalMilliseconds: Milliseconds
  private let lookUp: LookUp
  private let changed: Changed
  /// The failure of each name's last look-up. Held during a round, so that rounds do not overlap.
  private let failures: Guarded<[ResolveError?]>
  private let stopped: StopSignal

  /// - Parameters:
  ///   - pools: Their backends that are names are looked up.
  ///   - intervalMilliseconds: From the end of one round to the start of the next. getaddrinfo(3) does not
  ///   tell how long an answer holds.
  ///   - lookUp: Blocks until there is an answer.
  ///   - changed: Called on the resolver's thread when a name's look-up begins to fail, fails in another way,
  ///     or succeeds again.
  public init(
    pools: [Pool], intervalMilliseconds: Milliseconds = 30_000,
    lookUp: @escaping LookUp = { (host, port) throws(ResolveError) in
      try SocketAddress.resolve(host: host, port: port)
    },
    changed: @escaping Changed = { _, _ in }
  ) {
    names = pools.flatMap { pool in
      pool.backends.filter { $0.fixed == nil }.map { NamedBackend(pool: pool, backend: $0) }
    }
    self.intervalMilliseconds = intervalMilliseconds
    self.lookUp = lookUp
    self.changed = changed
    failures = Guarded(Array(repeating: nil, count: names.count))
    stopped = StopSignal()
  }

  /// Looks each name up once and applies what was found. Blocks. Called before the first request is accepted,
  /// so that names have servers by then.
  ///
  /// - Returns: The names that have no answer, with the reason.
  @discardableResult
  public func resolveAll() -> [(backend: BackendAddress, failure: ResolveError)] {
    failures.withLock { failures in
      var failed: [(backend: BackendAddress, failure: ResolveError)] = []
      for (at, name) in names.enumerated() {
        if stopped.isSet { break }
        let failure = resolve(name)
        if let failure { failed.append((name.backend, failure)) }
        if failure != failures[at] { changed(name.backend, failure) }
        failures[at] = failure
      }
      return failed
    }
  }

  private func resolve(_ name: NamedBackend) -> ResolveError? {
    do throws(ResolveError) {
      let addresses = try lookUp(name.backend.host, name.backend.port)
      name.pool.apply(addresses, to: name.backend)
      return addresses.isEmpty ? ResolveError(code: EAI_NONAME) : nil
    } catch {
      return error
    }
  }

  /// Starts the thread, which begins with a pause: `resolveAll` comes before. Without names there is nothing
  /// to start. To be called once.
  ///
  /// - Throws: when the system gives no thread.
  public func start() throws(SystemError) {
    guard !names.isEmpty else { return }
    let thread = try startThread { [self] in
      unsafe linux_name_thread("resolver")
      while !stopped.wait(milliseconds: intervalMilliseconds) { resolveAll() }
    }
    pthread_detach(thread)
  }

  /// Ends the thread: at once if it pauses, else after the look-up that it waits for. Does not wait for that.
  public func stop() { stopped.set() }
}

/// Set once; wakes the thread that waits for it.
private final class StopSignal: Sendable {
  private let descriptor: CInt
  private let flag = Atomic<Bool>(false)

  init() {
    descriptor = eventfd(0, CInt(EFD_CLOEXEC))
    if descriptor < 0 { fatalError("eventfd: \(errno)") }
  }

  deinit { close(descriptor) }

  var isSet: Bool { flag.load(ordering: .acquiring) }

  func set() {
    flag.store(true, ordering: .releasing)
    eventfd_write(descriptor, 1)
  }

  /// Waits until it is set, or for the time given. Returns whether it is set.
  func wait(milliseconds: Milliseconds) -> Bool {
    var interest = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    _ = unsafe poll(&interest, 1, CInt(clamping: milliseconds))
    return isSet
  }
}
