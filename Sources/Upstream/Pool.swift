// Upstream: the servers behind one name: whose turn it is, which are out, who waits for a connection, and
// looking their names up. It has no sockets. It imports CLinux, Bytes and IO. The proxy's fetches ask it
// before and tell it after each request; the command line reads `--backend` with it.

public import Bytes
public import IO
import Synchronization

/// The servers behind one name, shared by all workers: whose turn it is, who is out, how many connections are
/// in use, and who waits for one. It holds no sockets: each worker keeps its own connections.
///
/// Everything is under one lock, which is held for some tens of nanoseconds and never across a system call or
/// `granted`. A request that goes upstream takes it twice (`acquire`, `release`); an answer from cache never
/// touches the pool but for `isAnyUsable`, one read of a word that seldom changes (L5).
///
/// ## Order (L27) One position for all workers: two backends alternate A, B, A, B, whichever workers ask. A
/// server that is out, full or tried is passed over and the turn moves behind the one that was chosen.
///
/// ## Health (L27) `report` what happened to each request; `PoolOptions` states the rules. The last server
/// that is up is never ejected: it stays in rotation, known to be failing. When none is up, all are tried.
///
/// ## Limit and queue (L11) `acquire` gives at most `maxConnectionsPerServer` connections per server. On
/// `full`, `enqueue`; a connection that is released goes to the first in the queue, whichever worker that is
/// on, through `granted`.
public final class Pool: Sendable {
  public typealias Granted = @Sendable (_ worker: Int, _ ticket: UInt64, _ server: Server) -> Void

  public enum Acquired: Sendable {
    /// One connection to this server is counted as in use until `release`.
    case server(Server)
    /// Every server that may be asked is at its limit: `enqueue`, or give up.
    case full
    /// There is no server that has not been tried.
    case none
  }

  public let backends: [BackendAddress]
  public let options: PoolOptions
  private let granted: Granted
  private let balancer: Guarded<Balancer>
  private let up = Atomic<Int>(0)
  private let queued = Atomic<Int>(0)

  /// - Parameters:
  ///   - backends: Those given in numbers are servers at once, each occurrence one; names become servers when
  ///     `apply` brings their addresses (see `Resolver`).
  ///   - granted: Called for each waiter that gets a connection, on whatever thread freed it (perhaps within
  ///     `enqueue`), without a lock held: it is to post to the worker's mailbox.
  public init(backends: [BackendAddress], options: PoolOptions = PoolOptions(), granted: @escaping Granted) {
    precondition(options.maxConnectionsPerServer > 0 && options.failuresToEject > 0, "limits of a pool")
    self.backends = backends
    self.options = options
    self.granted = granted
    var balancer = Balancer(options: options)
    for backend in backends {
      if let address = backend.fixed { balancer.add(address, backend) }
    }
    up.store(balancer.upCount, ordering: .relaxed)
    self.balancer = Guarded(balancer)
  }

  /// Some server is up, as far as requests have shown. If not, stale content that may be served instead of an
  /// error is served at once, without waiting for an attempt (L15); the caller must go on making attempts in
  /// the background, since nothing but an answer brings this back to true.
  public var isAnyUsable: Bool { up.load(ordering: .relaxed) > 0 }

  /// How many wait for a connection.
  public var queueLength: Int { queued.load(ordering: .relaxed) }

  // MARK: Requests

  /// The server whose turn it is, without counting a connection.
  public func pick(tried: TriedServers = TriedServers(), now: Milliseconds) -> Server? {
    balancer.withLock { balancer in
      balancer.advance(to: now)
      guard case .member(let at) = balancer.choose(tried: tried, needsRoom: false) else { return nil }
      return balancer.members[at].server
    }
  }

  /// The server whose turn it is, with a connection to it counted as in use. Never overtakes the queue.
  ///
  /// - Parameter tried: Servers that this request is not to be sent to again.
  public func acquire(tried: TriedServers = TriedServers(), now: Milliseconds) -> Acquired {
    change { balancer in
      balancer.advance(to: now)
      if !balancer.queue.isEmpty { balancer.serveQueue() }
      switch balancer.take(tried: tried) {
      case .member(let at): return .server(balancer.members[at].server)
      case .full: return .full
      case .none: return .none
      }
    }
  }

  /// Waits for a connection, after `full`. It may be granted before this returns.
  ///
  /// - Parameters:
  ///   - ticket: The caller's name for the waiter, unique among the worker's for all time.
  ///   - tried: Servers that are given only if no other remains in the pool.
  public func enqueue(worker: Int, ticket: UInt64, tried: TriedServers = TriedServers()) {
    change { $0.enqueue(Waiter(worker: worker, ticket: ticket, tried: tried)) }
  }

  /// Leaves the queue: the client has gone, or the queue time-out has passed.
  ///
  /// - Returns: false if the ticket is no longer in the queue: then it was granted a connection, the news of
  ///   which has arrived or will, and which must be released.
  @discardableResult
  public func cancel(worker: Int, ticket: UInt64) -> Bool {
    change { $0.cancel(worker: worker, ticket: ticket) }
  }

  /// Ends what `acquire` or a grant began, once for each. A connection that is to be closed is closed before,
  /// so that the next one does not exceed the server's limit.
  public func release(_ server: Server) {
    change { $0.release(server) }
  }

  /// Whether the worker may keep a connection that it is about to release, to use it again. Not while the
  /// next in the queue is on another worker, which would open one more; not to a server that has left.
  public func mayKeep(_ server: Server, worker: Int) -> Bool {
    if server.isDraining { return false }
    if queueLength == 0 { return true }
    return balancer.withLock { balancer in
      guard let first = balancer.queue.first else { return true }
      return balancer.queue[first].worker == worker
    }
  }

  // MARK: What happened

  /// Notes how a request to `server` went, whether or not its connection has been released.
  public func report(_ server: Server, _ outcome: ServerOutcome, now: Milliseconds) {
    // The usual case needs no lock: an answer from a server that nothing is held against.
    if outcome == .answered && !server.awaitsAnswer.load(ordering: .relaxed) { return }
    change { balancer in
      balancer.advance(to: now)
      balancer.report(server, outcome)
    }
  }

  /// Makes `addresses` the servers of a backend. New ones join; those that are gone drain: they get no more
  /// requests, those under way go on. Nothing changes for no addresses: the last good answer stays.
  public func apply(_ addresses: [SocketAddress], to backend: BackendAddress) {
    guard !addresses.isEmpty else { return }
    change { $0.apply(addresses, to: backend) }
  }

  /// For metrics and the admin listener.
  public func snapshot() -> PoolSnapshot {
    balancer.withLock { balancer in
      PoolSnapshot(
        servers: balancer.members.map { ServerSnapshot($0) }, queueLength: balancer.queue.count,
        queuedInAll: balancer.queuedInAll)
    }
  }

  /// Changes the state under the lock, publishes what is read without it, and then tells the waiters that
  /// were served.
  private func change<Result: Sendable>(_ body: (inout Balancer) -> Result) -> Result {
    let (result, grants) = balancer.withLock { balancer in
      let result = body(&balancer)
      up.store(balancer.upCount, ordering: .relaxed)
      queued.store(balancer.queue.count, ordering: .relaxed)
      let grants = balancer.grants
      if !grants.isEmpty { balancer.grants = [] }
      return (result, grants)
    }
    for grant in grants { granted(grant.worker, grant.ticket, grant.server) }
    return result
  }
}
