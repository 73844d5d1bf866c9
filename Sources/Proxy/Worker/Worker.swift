// Proxy: what answers requests. Worker: a thread's share. Connection: a client's bytes. Exchange: one request
// and its response. Fetch: a fill's owner and the server's bytes. Service: start, end and the operator.
// Configuration: the flags. It imports all modules below it and puts them together; the command line is its
// only caller. The way of a request through it is told in docs/REQUEST.md.

import Bytes
import Caching
import Glibc
import HTTP
import IO
import Storage
import Telemetry
import Upstream

/// One thread's share of the proxy: its loop, its connections, its memory for one request at a time. Made on
/// its own thread, so that nothing of it is shared, locked or counted.
@safe final class Worker {
  let index: Int
  let deployment: Deployment
  let configuration: Configuration
  let store: MemoryStore
  /// `nil`: memory is the only tier.
  let disk: DiskStore?
  let pool: Pool
  private let mailbox: Mailbox<Mail>
  let counters: WorkerCounters
  let keyTemplate: KeyTemplate
  let policy: Policy
  let loop: EventLoop
  let limits: WorkerLimits
  let cachingOptions: CachingOptions
  let defaultHost: [UInt8]
  /// Some server is to be told for whom a connection is made.
  let introducesClients: Bool
  let admin: AdminService
  let requestRates: RequestRates?
  /// When idle clients may next be ended for want of room.
  var reliefDueAt: Milliseconds = 0

  /// For one read at a time; nothing keeps a pointer into it over a turn.
  let scratch: UnsafeMutableRawPointer
  static let scratchBytes = 65536
  var readAhead = ReadAhead()
  /// Body bytes of a file, for one write at a time.
  let fileBytes = UnsafeMutableRawBufferPointer.allocate(byteCount: BodySource.copiedBytes, alignment: 64)
  let iovecs: UnsafeMutablePointer<iovec>
  static let iovecCapacity = 64
  /// The fields that are made for one response.
  var tail = OutputBuffer(capacity: 4096)
  var key = OutputBuffer(capacity: 1024)
  var url = OutputBuffer(capacity: 1024)
  var headBytes = OutputBuffer(capacity: 4096)
  /// For one field's value at a time.
  var note = OutputBuffer(capacity: 256)
  let viaValue: [UInt8]
  var logBuffer: AccessLogBuffer
  let readsResponseHead: Bool
  /// The known field that each part of the log's format names.
  let logFields: [KnownField]
  private let idSeed: HashSeed
  private var idsMade: UInt64 = 0

  /// Turns since the start.
  private(set) var turnCount: Milliseconds = 0
  private var spareExchanges: [Exchange] = []
  private var spareFetchMemory: [FetchMemory] = []
  /// Of fetches that ended in this turn, and may still be on the stack.
  private var endedFetchMemory: [FetchMemory] = []
  private var fetchesUnderWay = 0
  private var queued: [UInt64: Fetch] = [:]
  private var lastTicket: UInt64 = 0
  /// Those who wait for the disk.
  var diskWaiters: [UInt64: Exchange] = [:]
  /// Of them, those who wait for one file to be opened.
  var opening: [EntryName: [UInt64]] = [:]
  var connections: [ObjectIdentifier: ClientConnection] = [:]
  var listeners: [Listener] = []
  var idleUpstreams: [IdleConnections] = []
  private var mail: [Mail] = []
  private(set) var isDraining = false
  private(set) var mustClose = false

  static let lingerMilliseconds: Milliseconds = 2000
  /// How long a key stays known as unshareable (lifecycle L14).
  static let markSeconds: CacheSeconds = 120
  static let spareLimit = 1024

  init(index: Int, deployment: Deployment, kernel: Kernel, policy: Policy) throws(SystemError) {
    self.index = index
    self.deployment = deployment
    self.policy = policy
    configuration = deployment.configuration
    store = deployment.store
    disk = deployment.disk
    pool = deployment.pool
    mailbox = deployment.mailboxes[index]
    counters = deployment.counters[index]
    keyTemplate = deployment.keyTemplate
    loop = try EventLoop(kernel: kernel, cacheOffset: deployment.cacheOffset)
    limits = WorkerLimits(configuration)
    cachingOptions = configuration.cachingOptions
    viaValue = Array("1.1 ".utf8) + deployment.pseudonym
    admin = AdminService(deployment: deployment)
    requestRates = deployment.requestRates
    defaultHost = Array((configuration.backends.first?.authority ?? "localhost").utf8)
    introducesClients = configuration.backends.contains { $0.proxyHeader != nil }
    unsafe scratch = .allocate(byteCount: Self.scratchBytes, alignment: 64)
    unsafe iovecs = .allocate(capacity: Self.iovecCapacity)
    logBuffer = deployment.accessLog.buffer(worker: index, counters: deployment.counters[index])
    readsResponseHead = logBuffer.isOn && configuration.accessLogFormat.readsResponseHead
    logFields = configuration.accessLogFormat.fieldNames.map { KnownField.identify($0.span) }
    let seed = store.seed.hash(Array("request id \(index)".utf8).span)
    idSeed = HashSeed(seed.low, seed.high)
  }

  deinit {
    unsafe scratch.deallocate()
    unsafe iovecs.deallocate()
    unsafe fileBytes.deallocate()
  }

  // MARK: The turn

  /// Runs until the worker was asked to drain and has nothing left to do, or is told to close.
  func run() {
    mailbox.adopt()
    while !isFinished { turn(longest: -1) }
    logBuffer.flush()
  }

  var isFinished: Bool { mustClose || isDraining && connections.isEmpty && fetchesUnderWay == 0 }

  func turn(longest: Int) {
    turnCount += 1
    counters.add(.turns)
    reuseFetchMemory()
    let isQuiet = takeMail()
    if logBuffer.hasLines { logBuffer.flushIfOld(loop.now) }
    loop.turn(longest: isQuiet ? (logBuffer.hasLines && longest < 0 ? 1000 : longest) : 0)
    _ = takeMail()
  }

  /// Handles what was posted, some of it by this worker itself. False: there is more.
  private func takeMail() -> Bool {
    for _ in 0..<8 {
      mailbox.drain(into: &mail)
      if mail.isEmpty { return true }
      var taken: [Mail] = []
      swap(&taken, &mail)
      for item in taken { handle(item) }
      taken.removeAll(keepingCapacity: true)
      swap(&taken, &mail)
    }
    return false
  }

  private func handle(_ item: Mail) {
    switch item {
    case .advanced(let fill):
      if let local = localIfAny(fill) { local.progressed() } else { fill.clearPending(worker: index) }
    case .drained(let fill):
      fill.clearDrained()
      if let fetch = unsafe fill.ownerAttachment { unsafe unsafeDowncast(fetch, to: Fetch.self).drained() }
    case .granted(let ticket, let server):
      if let fetch = queued.removeValue(forKey: ticket) {
        fetch.granted(server)
      } else {
        pool.release(server)
      }
    case .disk(let ticket, let answer): diskAnswered(ticket, answer)
    case .drain(let drain): self.drain(drain)
    case .closeNow: closeNow()
    }
  }

  // MARK: Exchanges and fills

  func takeExchange(client: any ExchangeClient, facts: ClientFacts) -> Exchange {
    let exchange: Exchange
    if let spare = spareExchanges.popLast() {
      exchange = spare
    } else {
      exchange = Exchange(worker: self)
      loop.enroll(exchange)
    }
    exchange.prepare(client: client, facts: facts)
    return exchange
  }

  func recycle(_ exchange: Exchange) {
    exchange.clear()
    if spareExchanges.count < Self.spareLimit {
      spareExchanges.append(exchange)
    } else {
      loop.withdraw(exchange)
    }
  }

  func local(_ fill: Fill) -> LocalFill {
    if let known = localIfAny(fill) { return known }
    let local = LocalFill(worker: self, fill: fill)
    fill.attach(local, worker: index)
    return local
  }

  func localIfAny(_ fill: Fill) -> LocalFill? {
    // SAFETY: nothing else is attached by a worker.
    fill.attachment(worker: index).map { unsafe unsafeDowncast($0, to: LocalFill.self) }
  }

  func forget(_ local: LocalFill) { local.fill.attach(nil, worker: index) }

  func begin(_ fetch: Fetch) {
    unsafe fetch.fill.ownerAttachment = fetch
    fetchesUnderWay += 1
    fetch.begin()
  }

  func ended(_ fetch: Fetch) {
    unsafe fetch.fill.ownerAttachment = nil
    fetchesUnderWay -= 1
    // What a long upload has made large is not kept.
    guard fetch.memory.pending.heldBytes <= Fetch.replayLimit else { return }
    if endedFetchMemory.count < Self.spareLimit { endedFetchMemory.append(fetch.memory) }
  }

  func receiveBuffer(for count: Int) -> ReceiveBuffer {
    ReceiveBuffer(capacity: max(4096, count), countedIn: store.inFlight)
  }

  func takeFetchMemory() -> FetchMemory { spareFetchMemory.popLast() ?? FetchMemory() }

  private func reuseFetchMemory() {
    guard !endedFetchMemory.isEmpty else { return }
    if spareFetchMemory.count < Self.spareLimit { spareFetchMemory.append(contentsOf: endedFetchMemory) }
    endedFetchMemory.removeAll(keepingCapacity: true)
  }

  func enqueue(_ fetch: Fetch) -> UInt64 {
    let ticket = nextTicket()
    queued[ticket] = fetch
    return ticket
  }

  func nextTicket() -> UInt64 {
    lastTicket += 1
    return lastTicket
  }

  func forget(ticket: UInt64) { queued[ticket] = nil }

  /// 128 bits that nobody can guess and that do not come again.
  func makeID() -> KeyHash {
    idsMade += 1
    return unsafe withUnsafeBytes(of: idsMade) { number in
      idSeed.hash(unsafe Span(_unsafeBytes: number))
    }
  }

  // MARK: The end

  func drain(_ drain: Drain) {
    guard !isDraining else { return }
    isDraining = true
    for listener in listeners { listener.stop(drain) }
    for connection in Array(connections.values) { connection.drain() }
    closeIdleUpstreams()
  }

  /// What is still under way is cut, and so logged.
  private func closeNow() {
    mustClose = true
    for connection in Array(connections.values) { connection.giveUp() }
  }
}

/// The configuration's numbers in the form that the data path compares with.
struct WorkerLimits {
  let head: HeadLimits
  let headTimeoutMilliseconds: Milliseconds
  let idleTimeoutMilliseconds: Milliseconds
  let bodyTimeoutMilliseconds: Milliseconds
  let tunnelTimeoutMilliseconds: Milliseconds
  let connectTimeoutMilliseconds: Milliseconds
  let firstByteTimeoutMilliseconds: Milliseconds
  let gapTimeoutMilliseconds: Milliseconds
  let upstreamIdleTimeoutMilliseconds: Milliseconds
  let queueTimeoutMilliseconds: Milliseconds
  let collapseTimeoutMilliseconds: Milliseconds
  let maxObjectBytes: Int
  let maxBodyBytes: Int
  let maxClients: Int
  /// Bytes that a client must move in `bodyTimeoutMilliseconds`.
  let leastProgressBytes: Int

  init(_ configuration: Configuration) {
    head = HeadLimits(
      headBytes: configuration.maxHeadBytes, targetBytes: configuration.maxTargetBytes,
      fieldCount: configuration.maxFields)
    headTimeoutMilliseconds = Milliseconds(configuration.headTimeoutMilliseconds)
    idleTimeoutMilliseconds = Milliseconds(configuration.idleTimeoutMilliseconds)
    bodyTimeoutMilliseconds = Milliseconds(configuration.bodyTimeoutMilliseconds)
    tunnelTimeoutMilliseconds = Milliseconds(configuration.tunnelTimeoutMilliseconds)
    connectTimeoutMilliseconds = Milliseconds(configuration.connectTimeoutMilliseconds)
    firstByteTimeoutMilliseconds = Milliseconds(configuration.firstByteTimeoutMilliseconds)
    gapTimeoutMilliseconds = Milliseconds(configuration.gapTimeoutMilliseconds)
    upstreamIdleTimeoutMilliseconds = Milliseconds(configuration.upstreamIdleTimeoutMilliseconds)
    queueTimeoutMilliseconds = Milliseconds(configuration.queueTimeoutMilliseconds)
    collapseTimeoutMilliseconds = Milliseconds(configuration.collapseTimeoutMilliseconds)
    maxObjectBytes = configuration.maxObjectBytes
    maxBodyBytes = configuration.maxBodyBytes
    maxClients = configuration.maxClients
    leastProgressBytes = max(1, configuration.minRateBytes * configuration.bodyTimeoutMilliseconds / 1000)
  }
}
