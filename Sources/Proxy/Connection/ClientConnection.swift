import Bytes
import HTTP
import IO
import Telemetry

/// A client's HTTP/1 connection: framing and output for one exchange after the other.
///
/// Belongs to its worker. While idle it owns nothing but this object and its descriptor: bytes are read into
/// the worker's memory and parsed there, and only what cannot be used at once is kept in `input`.
final class ClientConnection: Channel, ExchangeClient {
  let worker: Worker
  var facts: ClientFacts
  var machine = ConnectionMachine()
  /// The exchange whose head is being read or that is being answered.
  var exchange: Exchange?
  var input: ReceiveBuffer?
  var requestBody = RequestBodyReader.none
  var output = ResponseOutput()
  /// What the connection has become after a 101.
  var tunnel: Tunnel?
  /// The first bytes are to be a PROXY header, and have not all arrived.
  var awaitsProxyHeader: Bool
  /// The socket may hold bytes that were not read.
  var isReadable = true
  var isWritable = true
  /// The exchange asked for its body; before that it is not read (lifecycle L28).
  var wantsBody = false
  var hasSentContinue = false
  /// The bytes in `input` are the beginning of a head that needs more.
  var headNeedsMore = false
  /// What was read before it was this connection's turn, and how many bytes.
  var aheadSlot: Int?
  var aheadCount = 0
  /// The peer has ended its side: the end is to be read even after a short read.
  var peerEndAnnounced = false
  /// The client that it was counted for, where that is limited.
  private(set) var countedAs: ClientNetwork?
  /// What the deadline measures while a body or a response is under way.
  var transfer = Transfer.none
  /// The drain begins for this connection when the answer under way is written.
  var isDrainDue = false
  /// Requests taken in this turn, against the share of lifecycle L3.
  private var requestsThisTurn = 0
  private var turn: Milliseconds = -1

  static let requestsPerTurn = 32

  init(worker: Worker, fd: CInt, facts: ClientFacts, awaitsProxyHeader: Bool) {
    self.worker = worker
    self.facts = facts
    self.awaitsProxyHeader = awaitsProxyHeader
    super.init(adopting: fd)
  }

  var localAddress: SocketAddress? { worker.loop.kernel.localAddress(fd) }

  /// Between two requests: whoever is there has had an answer, and has not begun to ask again.
  var isIdle: Bool { machine.phase == .idle && !machine.isNew && input == nil }

  /// Ends it as the idle time-out would, if nothing has come meanwhile.
  func endIdle() {
    isReadable = true
    receive()
    guard fd >= 0, isIdle else { return }
    worker.counters.add(.idleConnectionsEnded)
    perform(machine.handle(.timedOut))
  }

  /// Counts the connection among its client's. False: it has as many as it may have. Proxies that are trusted
  /// carry many clients, and are not counted.
  func takePlace() -> Bool {
    guard let counts = worker.deployment.clientCounts, facts.role == .proxy, !facts.isTrusted,
      let network = ClientNetwork(facts.address)
    else { return true }
    guard counts.enter(network) else { return false }
    countedAs = network
    return true
  }

  /// For a connection that did not begin.
  func givePlaceBack() { if let countedAs { worker.deployment.clientCounts?.leave(countedAs) } }

  /// The first call after the connection was accepted and added to the loop.
  func start() {
    worker.connectionOpened(self)
    worker.loop.setDeadline(self, worker.loop.now + worker.limits.headTimeoutMilliseconds)
    receive()
  }

  override func ready(_ readiness: Readiness) {
    if machine.phase == .tunnelling {
      tunnel?.ready(self, readiness)
      return
    }
    if readiness.contains(.failed) || readiness.contains(.hungUp) {
      perform(machine.handle(.failed))
      return
    }
    if readiness.contains(.writable), !isWritable {
      isWritable = true
      if output.isActive { continueSending() }
    }
    if !readiness.isDisjoint(with: [.readable, .peerEnded]), fd >= 0 {
      isReadable = true
      peerEndAnnounced = readiness.contains(.peerEnded)
      switch machine.phase {
      case .idle, .readingHead:
        // A request is begun when all events of the turn have been seen, see `ReadAhead` and `takeIdle`.
        if !readsAhead() { worker.loop.resumeLater(self) }
      case .exchanging, .tunnelling, .lingering, .closed: receive()
      }
    }
  }

  override func resumed() {
    if let tunnel { return tunnel.carry() }
    if output.isActive { continueSending() }
    if fd >= 0 {
      receive()
    } else if aheadSlot != nil {
      aheadSlot = nil
      worker.readAhead.giveBack()
    }
    if isDrainDue, fd >= 0, machine.phase != .exchanging { drain() }
  }

  override func timedOut() {
    if keepsPace() { return }
    worker.counters.add(timeOut)
    if let tunnel { return tunnel.timedOut() }
    // An answer that the peer does not take cannot be followed by another.
    if output.isActive {
      output.isOverdue = true
      return perform(machine.handle(.failed))
    }
    if machine.phase == .exchanging, machine.bodyIsArriving, let exchange {
      return exchange.requestBodyFailed(status: 408)
    }
    perform(machine.handle(.timedOut))
  }

  private var timeOut: Tally {
    switch machine.phase {
    case .idle, .lingering, .closed: .idleTimeouts
    case .readingHead: .headTimeouts
    case .exchanging: output.isActive ? .sendTimeouts : .bodyTimeouts
    case .tunnelling: .tunnelTimeouts
    }
  }

  /// Whether this connection has had its share of the turn; if so it goes on after the others.
  func hasUsedItsShare() -> Bool {
    if turn != worker.turnCount {
      turn = worker.turnCount
      requestsThisTurn = 0
    }
    requestsThisTurn += 1
    return requestsThisTurn > Self.requestsPerTurn
  }

  func perform(_ action: ConnectionMachine.Action) {
    switch action {
    case .none: break
    case .startExchange: startExchange()
    case .readNext: readNext()
    case .awaitFirstRequest: worker.loop.setDeadline(self, worker.loop.now + Worker.lingerMilliseconds)
    case .refuseSlowHead: refuse(status: 408)
    case .linger: linger()
    case .close: close()
    case .abandon: abandon()
    }
  }

  private func startExchange() {
    guard let exchange else { return }
    worker.loop.setDeadline(self, 0)
    exchange.start()
  }

  private func readNext() {
    recycleExchange()
    output = ResponseOutput()
    transfer = .none
    wantsBody = false
    hasSentContinue = false
    worker.loop.setDeadline(self, worker.loop.now + worker.limits.idleTimeoutMilliseconds)
  }

  private func recycleExchange() {
    guard let exchange else { return }
    self.exchange = nil
    worker.recycle(exchange)
  }

  /// Drops what the exchange has still to say, and ends.
  private func abandon() {
    let abruptly = output.framing == .untilClose || output.isOverdue
    output = ResponseOutput()
    if let exchange {
      exchange.clientGone()
      recycleExchange()
    }
    worker.connectionClosed(self)
    worker.loop.close(self, abruptly: abruptly)
  }

  private func close() {
    recycleExchange()
    input = nil
    worker.connectionClosed(self)
    worker.loop.close(self)
  }

  /// Closing at once would reset the connection if the peer is still sending, and so might take the response
  /// away from it.
  private func linger() {
    recycleExchange()
    input = nil
    output = ResponseOutput()
    worker.loop.kernel.shutdownWrite(fd)
    worker.loop.setDeadline(self, worker.loop.now + Worker.lingerMilliseconds)
    isReadable = true
    worker.loop.resumeLater(self)
  }

  /// A request that is here already was accepted, and is answered. So is one that came while an answer was
  /// under way whose head had promised another (L30).
  func drain() {
    isDrainDue = false
    if machine.phase == .idle {
      isReadable = true
      receive()
    }
    let hasMore = machine.phase == .idle && !awaitsProxyHeader && input?.isEmpty == false
    if hasMore || machine.phase == .exchanging && output.isActive && output.keepsAlive {
      isDrainDue = true
      return
    }
    perform(machine.handle(.drainBegan))
  }

  /// The process ends without waiting for this connection.
  func giveUp() {
    if let tunnel { return tunnel.fail() }
    perform(machine.handle(.failed))
  }

  /// Answers something that is no request we may act upon. Framing is in doubt: the connection ends.
  func refuse(status: UInt16, because reason: StaticString? = nil) {
    let exchange = exchange ?? worker.takeExchange(client: self, facts: facts)
    self.exchange = exchange
    exchange.refuse(status: status, because: reason)
  }
}
