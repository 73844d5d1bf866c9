import Bytes
import Caching
import HTTP
import IO
import Storage
import Upstream

/// The owner of a fill: it asks an upstream server and brings the response, whoever still waits for it.
///
/// Belongs to the worker that began it. The fill is what it shares with readers on other workers.
final class Fetch: Timed {
  enum Kind {
    /// For everybody who asks for the same; its request is built, not forwarded (lifecycle L10).
    case shared
    /// A shared one that nobody waits for: a refresh behind a stale response.
    case background
    /// For one exchange under a hit-for-miss mark; built, so that its response may end the mark.
    case alone
    /// For one exchange, its request forwarded as it is.
    case passed
  }

  let worker: Worker
  let fill: Fill
  let kind: Kind
  /// What the policy said when it saw the request.
  var policyAction = FetchAction.fetch
  var machine = FetchMachine(isReplayable: true)
  var method = Method.get
  /// The request: `memory.request` is `bereq`.
  let memory: FetchMemory
  var pendingSent = 0
  var headCount = 0
  var bodyFraming = BodyFraming.none
  var bodyHasEnded = true
  /// Body bytes have been taken from the client that are no longer in our hands.
  var bodyHasLeft = false
  /// Selecting hash and traits of the request it was made from.
  var traits = RequestTraits()
  var revalidated: EntryHandle?
  /// The protocols that the server may switch to.
  var upgrade: [UInt8] = []
  /// For whom a connection is made, where the server is told.
  var ends = RelayedEnds.none
  var connection: UpstreamConnection?
  var server: Server?
  var tried = TriedServers()
  var ticket: UInt64 = 0
  var requestedAt: CacheSeconds = 0
  var sentAt: Int64 = 0
  var queuedAt: Int64 = 0
  var connectBeganAt: Int64 = 0
  var upstream = UpstreamFacts()
  var retries = 0
  var interims = 0
  var response: ArrivedHead?
  /// The policy wants this response for its one client only.
  var isPassedByPolicy = false
  /// The response will be stored if it arrives whole.
  var isStorable = false
  /// Bytes of the response's body that are still to come; `nil`: not known.
  var bodyLeft: Int?
  var received = 0

  /// What a fetch with a server is taken to hold besides the blocks of its fill: a usual request with the
  /// first bytes of its body, a head.
  static let inFlightBytes = 16 << 10
  static let slowReaderMilliseconds: Milliseconds = 5000
  static let interimLimit = 16
  static let interimFloodLimit = 256
  static let retryLimit = 4
  /// What is read on although nobody waits for it (lifecycle L13), in bytes.
  static let unreadLimit = 4 << 20
  /// Bytes of a request that are kept for a replay; a longer one is sent once.
  static let replayLimit = 16384
  /// Bytes of a request's body kept while the server does not take them.
  static let bodyWindow = 65536

  init(worker: Worker, fill: Fill, kind: Kind) {
    self.worker = worker
    self.fill = fill
    self.kind = kind
    memory = worker.takeFetchMemory()
    super.init()
  }

  func begin() {
    worker.loop.enroll(self)
    worker.counters.add(.fillsStarted)
    worker.counters.add(.fillsInFlight)
    switch policyAction {
    case .fetch: acquire()
    case .abandon: fail(.cancelled)
    case .fail: fail(.policy)
    }
  }

  /// Asks the pool for a server.
  func acquire() {
    switch worker.pool.acquire(tried: tried, now: worker.loop.now) {
    case .server(let server): granted(server)
    case .full:
      worker.counters.add(.queuedForConnection)
      queuedAt = worker.loop.kernel.microseconds()
      ticket = worker.enqueue(self)
      worker.pool.enqueue(worker: worker.index, ticket: ticket, tried: tried)
      perform(machine.handle(.poolFull))
    case .none: perform(machine.handle(.poolEmpty))
    }
  }

  func granted(_ server: Server) {
    leftQueue()
    self.server = server
    upstream.server = server
    ticket = 0
    let memory = worker.store.inFlight
    let isExhausted = memory.isExhausted
    memory.add(Self.inFlightBytes)
    perform(machine.handle(isExhausted ? .exhausted : .acquired))
  }

  func perform(_ action: FetchMachine.Action) {
    switch action {
    case .none: break
    case .connect: connect()
    case .wait: setDeadline(worker.limits.queueTimeoutMilliseconds)
    case .send: sendRequest()
    case .tryNext:
      pendingSent = 0
      acquire()
    case .publish: break
    case .complete: complete()
    case .handOver: handOver()
    case .fail(let failure): failed(failure)
    case .cancel: cancelled()
    }
  }

  func setDeadline(_ milliseconds: Milliseconds) {
    worker.loop.setDeadline(self, worker.loop.now + milliseconds)
  }

  override func timedOut() {
    let phase = machine.phase
    switch phase {
    case .queued: worker.counters.add(.queueTimeouts)
    case .connecting:
      worker.counters.add(.connectTimeouts)
      report(.connectFailed)
      if let server { tried.insert(server) }
    case .awaitingHead:
      // It waits for the rest of the request, as we do; the client's own time-out bounds that.
      if requestWaitsForClient { return setDeadline(worker.limits.firstByteTimeoutMilliseconds) }
      worker.counters.add(.firstByteTimeouts)
      report(.timedOut(keyHash: fill.hash.low))
    case .readingBody:
      // The window is full and the readers are slow: the origin is not to blame.
      if fill.isPaused { return readersWereSlow() }
      if fill.hasPaused { return drained() }
      worker.counters.add(.gapTimeouts)
    case .ended: return
    }
    dropConnection()
    if phase == .queued { leaveQueue() }
    perform(machine.handle(.timedOut))
  }

  /// After five seconds those who hold up the others are cut (lifecycle L12). One alone may take its time:
  /// its own connection bounds that.
  private func readersWereSlow() {
    _ = fill.cutSlowest()
    setDeadline(Self.slowReaderMilliseconds)
  }

  /// The window is full: from now on the time-out is the readers'.
  func paused() { setDeadline(Self.slowReaderMilliseconds) }

  func report(_ outcome: ServerOutcome) {
    guard let server else { return }
    worker.pool.report(server, outcome, now: worker.loop.now)
  }

  private func leaveQueue() {
    leftQueue()
    guard ticket != 0 else { return }
    _ = worker.pool.cancel(worker: worker.index, ticket: ticket)
    worker.forget(ticket: ticket)
    ticket = 0
  }

  private func leftQueue() {
    guard queuedAt != 0 else { return }
    let time = Int(worker.loop.kernel.microseconds() - queuedAt)
    worker.counters.observe(.upstreamQueue, microseconds: time)
    upstream.queued += time
    queuedAt = 0
  }

  /// Gives the connection up and the place at the server back.
  func dropConnection() {
    if let connection {
      self.connection = nil
      connection.fetch = nil
      worker.close(connection)
    }
    releaseServer()
  }

  func releaseServer() {
    guard let server else { return }
    self.server = nil
    worker.store.inFlight.add(-Self.inFlightBytes)
    worker.pool.release(server)
  }

  /// One more try with another waiter's request, then everybody shares the failure (lifecycle L11).
  private func failed(_ failure: FetchFailure) {
    if response == nil, failure.deservesRetry, retryWithAlternate() { return }
    switch worker.policy.fetchError(self) {
    case .deliver, .abandon, .fail: fail(failure)
    case .retry: if !retry() { fail(failure) }
    }
  }

  /// False: nobody else waits, or the request has been sent twice already.
  func retryWithAlternate() -> Bool {
    guard kind == .shared, !machine.isRepeat, takeAlternate() else { return false }
    retries += 1
    // The other request asks for the whole response: no 304 answers it.
    revalidated = nil
    return startOver()
  }

  /// By the policy's wish.
  func retry() -> Bool {
    guard response == nil, retries < Self.retryLimit, machine.isReplayable, !bodyHasLeft else { return false }
    retries += 1
    return startOver()
  }

  private func startOver() -> Bool {
    worker.counters.add(.upstreamRetries)
    dropConnection()
    pendingSent = 0
    tried.removeAll()
    machine.retry()
    acquire()
    return true
  }

  private func fail(_ failure: FetchFailure) {
    dropConnection()
    worker.counters.add(.fillsFailed)
    worker.store.refreshFailed(fill, now: worker.loop.now)
    worker.localIfAny(fill)?.starter?.upstream = upstream
    fill.fail(failure.rawValue)
    end()
  }

  private func cancelled() {
    leaveQueue()
    dropConnection()
    worker.counters.add(.fillsCancelled)
    fill.fail(FetchFailure.cancelled.rawValue)
    end()
  }

  func end() {
    worker.counters.add(.fillsInFlight, -1)
    // One that the disk finishes can be joined until the entry is there.
    if fill.status != .complete || !fill.isSpilled { worker.store.end(fill) }
    worker.loop.withdraw(self)
    worker.ended(self)
    revalidated = nil
  }

  /// The exchange that this fetch serves alone has lost its client, or has all it wanted.
  func clientGone() {
    guard kind == .passed || kind == .alone else { return }
    abandonIfUnread(readers: 0)
  }

  /// Called when readers have left or consumed (lifecycle L12, L13).
  func drained() {
    if fill.readerCount == 0, kind != .background {
      abandonIfUnread(readers: 0)
      if machine.phase == .ended { return }
    }
    guard let connection else { return }
    // From here on it is the origin's time again, not the readers'.
    if machine.phase == .readingBody { setDeadline(worker.limits.gapTimeoutMilliseconds) }
    connection.resumeReading()
  }

  private func abandonIfUnread(readers: Int) {
    switch machine.phase {
    case .queued, .connecting, .awaitingHead: perform(machine.handle(.abandoned))
    case .readingBody where !isWorthFinishing: perform(machine.handle(.abandoned))
    case .readingBody, .ended: break
    }
  }

  /// At most 4 MiB or half is left, and it will be kept.
  private var isWorthFinishing: Bool {
    guard isStorable, fill.keep, kind != .passed else { return false }
    guard let left = bodyLeft else { return received <= Self.unreadLimit }
    return left <= Self.unreadLimit || left <= received
  }
}

/// Memory of a fetch that its worker lends to one after the other.
final class FetchMemory {
  /// `bereq`.
  var request = Head()
  /// Serialised request head, then what of the body is not yet sent.
  var pending = OutputBuffer(capacity: 512)
}
