import Bytes
import Caching
import HTTP
import IO
import Storage
import Telemetry

/// One request with its response. It knows nothing of sockets: its client pulls the response, its fill brings
/// it (lifecycle L1, L2).
///
/// Belongs to its worker, which lends it to one request after the other: a hit allocates nothing.
final class Exchange: Timed {
  let worker: Worker
  /// The stream that the response goes to.
  var stream: (any ExchangeClient)?
  /// Who asks; see `findClient`.
  var client: SocketAddress?
  var scheme: StaticString = "http"
  var facts = ClientFacts()
  var phase = ExchangePhase.receiving
  /// `req`.
  var request = RequestHead()
  /// `resp`, filled only where a policy looks at it.
  var editedHead: EditedHead?
  var body = BodySource()
  var outgoing = Outgoing()
  /// The entry that was found but may not be served as it is.
  var stale: EntryHandle?
  /// The fill this exchange waits for or reads, as its worker knows it.
  var reading: LocalFill?
  /// The fetch that carries this request's own body.
  var ownFetch: Fetch?
  /// The head of the fill that it was answered from.
  var arrived: ArrivedHead?
  /// Of the fill that it was answered from, for the log.
  var upstream = UpstreamFacts()
  /// For the heads of other requests' fills, in microseconds; `nil`: it waited for none.
  var waited: Int?
  var waitBeganAt: Int64 = 0
  /// Under which the disk's answer comes; 0: none is awaited.
  var diskTicket: UInt64 = 0
  /// Where the stored response lies that is sent.
  var hitTier: Tally?
  /// The disk has been asked for this request's key.
  var hasAskedDisk = false
  /// The first bytes of a body in a file have been waited for.
  var hasPreparedBody = false
  /// What a purge has done that is yet to be answered.
  var purged = (purged: 0, sequence: UInt64(0))
  var purgedHost: [UInt8] = []
  var madeRequestID: KeyHash?
  /// As it was sent; filled only where the log's format looks at it.
  var sentHead = OutputBuffer(capacity: 1)
  var decision = Decision.hit
  var missReason = MissReason.cold
  /// Its place among the readers of `reading`.
  var readerIndex = -1
  var directives = RequestDirectives()
  var traits = RequestTraits()
  var keyHash = KeyHash(low: 0, high: 0)
  var urlHash = KeyHash(low: 0, high: 0)
  var restarts = 0
  var lookUps = 0
  /// Status of the response given to the client; 0 before that.
  var status: UInt16 = 0
  /// Of the body.
  var bytesSent = 0
  var headBytesSent = 0
  var isSentWhole = false
  var bodyReceived = 0
  var startedAt: Int64 = 0
  var requestHasBody = false
  /// The request may change the protocol, see `RequestHead.upgradeOffer`.
  var offersUpgrade = false
  /// The protocols that the origin may switch to; empty: none.
  var upgrade: [UInt8] = []
  private var isPersistent = false
  /// A body that is for us and not for the origin.
  var collected: [UInt8] = []
  var collectLimit = 0

  static let restartLimit = 4
  /// Look-ups of one request: each one after the first follows a head that could not be shared.
  static let lookUpLimit = 8

  init(worker: Worker) {
    self.worker = worker
    super.init()
  }

  /// For the next request.
  func prepare(client: any ExchangeClient, facts: ClientFacts) {
    stream = client
    self.facts = facts
    // Until the head is complete; a refusal before that is logged with it.
    self.client = facts.address
    scheme = facts.scheme
    phase = .receiving
    request.begin()
    decision = .synthetic(.refused)
    missReason = .cold
    restarts = 0
    lookUps = 0
    status = 0
    bytesSent = 0
    headBytesSent = 0
    isSentWhole = false
    waited = nil
    hasAskedDisk = false
    hasPreparedBody = false
    hitTier = nil
    madeRequestID = nil
    keyHash = KeyHash(low: 0, high: 0)
    startedAt = 0
    bodyReceived = 0
    requestHasBody = false
    collected = []
    if !upgrade.isEmpty { upgrade = [] }
    collectLimit = 0
  }

  /// Lets go of all that it holds.
  func clear() {
    phase = .finished
    stream = nil
    forgetPersistent()
    leaveFill()
    leaveDisk()
    arrived = nil
    upstream = UpstreamFacts()
    body.clear()
    if stale != nil { stale = nil }
    outgoing = Outgoing()
    worker.loop.setDeadline(self, 0)
  }

  /// The request's head is complete.
  func start() {
    startedAt = worker.loop.kernel.microseconds()
    requestHasBody = request.framing != .none
    findClient()
    switch facts.role {
    case .proxy: if worker.requestRates == nil || isInTime() { receive() }
    case .admin: worker.admin.answer(self)
    case .demoOrigin: DemoOrigin.answer(self)
    }
  }

  /// The head must outlive the buffer it was parsed in.
  func persistRequest() {
    guard !isPersistent else { return }
    isPersistent = true
    request.head.persist(count: request.end)
    worker.store.inFlight.add(request.end)
  }

  private func forgetPersistent() {
    guard isPersistent else { return }
    isPersistent = false
    worker.store.inFlight.add(-request.end)
  }

  /// The client's connection is gone; nothing more can be said to it.
  func clientGone() {
    if let ownFetch {
      self.ownFetch = nil
      ownFetch.clientGone()
    }
    if phase != .finished { report() }
    leaveFill()
  }

  /// The response's last byte is written.
  func responseEnded() {
    if let ownFetch, !ownFetch.requestIsSent { ownFetch.clientGone() }
    ownFetch = nil
    isSentWhole = true
    report()
    leaveFill()
    phase = .finished
  }

  override func timedOut() {
    if facts.role == .demoOrigin { DemoOrigin.answerSlowly(self) } else { waitTimedOut() }
  }

  func leaveFill() {
    guard let reading else { return }
    self.reading = nil
    reading.leave(self)
  }

  func bodyConsumed(_ count: Int) {
    let offset = body.offset
    body.consumed(count)
    reading?.moved(from: offset)
  }
}

/// What the connection is to send.
@safe struct Outgoing {
  /// A serialised head without the empty line, kept by the body source or the fill; `nil`: all of the head is
  /// in the worker's `tail`.
  var storedHead: UnsafePointer<UInt8>?
  var storedCount = 0
  /// Bytes of the body; `nil`: not known.
  var bodyLength: Int?
  /// The body follows, other than in answers to HEAD, 204 and 304.
  var sendsBody = true
  /// `Content-Length` belongs into the head.
  var statesLength = true
  /// The connection must not be used again.
  var closes = false
}
