import Bytes
import IO

/// The state of a pool, without its lock: which servers there are, how they stand, what is in use, who waits.
///
/// Invariant: after each call, nobody waits for whom a server in rotation has room. So a newcomer that finds
/// room takes nothing from anybody in the queue.
struct Balancer {
  struct Member {
    let server: Server
    var health = ServerHealth()
    var inUse = 0
    var isDraining = false
    var requests: UInt64 = 0
    var failures: UInt64 = 0
  }

  struct Grant {
    let worker: Int
    let ticket: UInt64
    let server: Server
  }

  enum Choice {
    case member(Int)
    case full
    case none
  }

  let options: PoolOptions
  private(set) var members: [Member] = []
  private(set) var queue = WaiterQueue()
  /// Whom the last calls gave a connection; the pool tells them after it has let go of its lock.
  var grants: [Grant] = []
  /// Waiters so far, over the pool's life.
  private(set) var queuedInAll: UInt64 = 0
  /// The round-robin position: index of the member whose turn is next.
  private var turn = 0
  private var nextID: UInt32 = 0
  /// Workers read their clocks at different moments; time does not go back here.
  private var now: Milliseconds = 0

  init(options: PoolOptions) { self.options = options }

  mutating func advance(to moment: Milliseconds) { now = max(now, moment) }

  /// Servers that answer as far as is known.
  private(set) var upCount = 0

  // MARK: Choosing

  /// The next server in turn. With `needsRoom`, servers at their limit are passed over.
  mutating func choose(tried: TriedServers, needsRoom: Bool) -> Choice {
    var isFull = false
    // Ejected servers are not asked, unless none is up: then all are.
    for includesEjected in [false, true] {
      if includesEjected && upCount > 0 { break }
      for step in members.indices {
        let at = (turn + step) % members.count
        // Read field by field: a copy of the member would count references.
        guard !members[at].isDraining, !tried.contains(members[at].server) else { continue }
        guard includesEjected || members[at].health.isInRotation(now: now) else { continue }
        if needsRoom && members[at].inUse >= options.maxConnectionsPerServer {
          isFull = true
          continue
        }
        turn = (at + 1) % members.count
        members[at].health.trialStarted(now: now, options)
        return .member(at)
      }
    }
    return isFull ? .full : .none
  }

  /// Chooses a server and counts a connection to it.
  mutating func take(tried: TriedServers) -> Choice {
    let choice = choose(tried: tried, needsRoom: true)
    if case .member(let at) = choice {
      members[at].inUse += 1
      members[at].requests += 1
    }
    return choice
  }

  /// A connection is no longer in use: the first in the queue gets it.
  mutating func release(_ server: Server) {
    let at = server.place.load(ordering: .relaxed)
    precondition(at >= 0 && members[at].inUse > 0, "releasing a connection that was not acquired")
    members[at].inUse -= 1
    if members[at].isDraining && members[at].inUse == 0 { remove(at) }
    serveQueue()
  }

  // MARK: The queue

  mutating func enqueue(_ waiter: Waiter) {
    queue.append(waiter)
    queuedInAll += 1
    serveQueue()
  }

  mutating func cancel(worker: Int, ticket: UInt64) -> Bool { queue.remove(worker: worker, ticket: ticket) }

  /// Gives what is free to those who wait, in their order.
  mutating func serveQueue() {
    var next = queue.first
    while let place = next {
      next = queue.after(place)
      let waiter = queue[place]
      var choice = take(tried: waiter.tried)
      // All that it had not tried is gone since: better a second try than to wait for nothing.
      if case .none = choice { choice = take(tried: TriedServers()) }
      switch choice {
      case .member(let at):
        queue.remove(at: place)
        grants.append(Grant(worker: waiter.worker, ticket: waiter.ticket, server: members[at].server))
      case .full, .none:
        // Whoever accepts any server finds none: those behind cannot fare better.
        if waiter.tried.isEmpty { return }
      }
    }
  }

  // MARK: Health

  mutating func report(_ server: Server, _ outcome: ServerOutcome) {
    let at = server.place.load(ordering: .relaxed)
    guard at >= 0 else { return }
    switch outcome {
    case .answered: members[at].health.answered(now: now)
    case .connectFailed, .resetBeforeFirstByte: failed(at, timedOutKey: nil)
    case .timedOut(let key): failed(at, timedOutKey: key)
    }
    countUp()
    server.awaitsAnswer.store(members[at].health.awaitsAnswer, ordering: .relaxed)
    serveQueue()
  }

  private mutating func failed(_ at: Int, timedOutKey: UInt64?) {
    members[at].failures += 1
    let isAnotherUp = members.indices.contains {
      $0 != at && !members[$0].isDraining && members[$0].health.standing == .up
    }
    members[at].health.failed(
      timedOutKey: timedOutKey, now: now, isAnotherUp: isAnotherUp, options)
  }

  // MARK: Addresses

  /// Makes `addresses` the servers of one backend. Those that stay keep their place, their standing and their
  /// connections; new ones join at the end, gone ones drain.
  mutating func apply(_ addresses: [SocketAddress], to backend: BackendAddress) {
    for at in members.indices.reversed() where members[at].server.backend == backend {
      let stays = addresses.contains(members[at].server.address)
      members[at].isDraining = !stays
      members[at].server.hasLeft.store(!stays, ordering: .relaxed)
      if !stays && members[at].inUse == 0 { remove(at) }
    }
    for address in addresses {
      let isThere = members.contains { $0.server.backend == backend && $0.server.address == address }
      if !isThere { add(address, backend) }
    }
    countUp()
    serveQueue()
  }

  mutating func add(_ address: SocketAddress, _ backend: BackendAddress) {
    let server = Server(id: nextID, address: address, backend: backend)
    nextID += 1
    server.place.store(members.count, ordering: .relaxed)
    members.append(Member(server: server))
    countUp()
  }

  private mutating func countUp() {
    upCount = members.count { !$0.isDraining && $0.health.standing == .up }
  }

  private mutating func remove(_ at: Int) {
    members.remove(at: at).server.place.store(Server.nowhere, ordering: .relaxed)
    for later in at..<members.count { members[later].server.place.store(later, ordering: .relaxed) }
    if turn > at { turn -= 1 }
    if turn >= members.count { turn = 0 }
  }
}
