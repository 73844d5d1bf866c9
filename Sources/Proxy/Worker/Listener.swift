import Bytes
import Glibc
import IO
import Telemetry

/// A listening socket of one worker.
final class Listener: Channel {
  private let worker: Worker
  private let role: ListenerRole
  private let expectsProxyHeader: Bool
  /// On the operator's listener, a descriptor that is given up when no other is left: with the process out of
  /// descriptors, somebody has to be able to look. -1: none in hand.
  private var reserve: CInt = -1
  /// Connections taken per turn, so that a storm of them does not keep others waiting.
  private static let acceptsPerTurn = 64
  /// Out of descriptors or memory, accepting rests for so long.
  static let pauseMilliseconds: Milliseconds = 100

  init(worker: Worker, fd: CInt, role: ListenerRole, expectsProxyHeader: Bool) {
    self.worker = worker
    self.role = role
    self.expectsProxyHeader = expectsProxyHeader
    super.init(adopting: fd)
    takeReserve()
  }

  override func ready(_ readiness: Readiness) { acceptSome() }
  override func resumed() { if fd >= 0 { acceptSome() } }
  override func timedOut() { if fd >= 0 { acceptSome() } }

  private func acceptSome() {
    takeReserve()
    for _ in 0..<Self.acceptsPerTurn {
      guard acceptOne() else { return }
    }
    worker.loop.resumeLater(self)
  }

  /// False: there are no more, or none can be taken now.
  private func acceptOne() -> Bool {
    var peer: SocketAddress?
    let client = worker.loop.kernel.accept(fd, peer: &peer)
    guard client >= 0 else { return goesOn(after: -client) }
    let count = worker.deployment.clients.wrappingAdd(1, ordering: .relaxed).newValue
    // The operator gets in when clients no longer do.
    guard count <= worker.limits.maxClients || role == .admin else {
      worker.makeRoom()
      return refuse(client, .connectionsRefused)
    }
    let connection = ClientConnection(
      worker: worker, fd: client, facts: worker.facts(of: peer, role: role),
      awaitsProxyHeader: expectsProxyHeader)
    guard expectsProxyHeader || connection.takePlace() else {
      return refuse(client, .connectionsRefusedPerAddress)
    }
    do {
      try worker.loop.add(connection)
    } catch {
      connection.givePlaceBack()
      return refuse(client, .connectionsRefusedForWant)
    }
    connection.start()
    return true
  }

  /// What follows when no connection could be taken. accept(2) also tells errors of the one connection that
  /// it was to give; then there may be more behind it.
  private func goesOn(after code: CInt) -> Bool {
    switch code {
    case EAGAIN: return false
    case EINTR, ECONNABORTED, EPROTO, ENETDOWN, ENETUNREACH, EHOSTDOWN, EHOSTUNREACH, ENOPROTOOPT, ETIMEDOUT:
      return true
    case EMFILE, ENFILE: if giveReserve() { return true }
    default: break
    }
    // The edge will not come again, so time has to bring us back; and until then nothing spins.
    worker.counters.add(.acceptPauses)
    worker.makeRoom()
    worker.loop.setDeadline(self, worker.loop.now + Self.pauseMilliseconds)
    return false
  }

  private func takeReserve() {
    guard role == .admin, reserve < 0 else { return }
    reserve = worker.loop.kernel.openReserve()
    if reserve < 0 { worker.loop.setDeadline(self, worker.loop.now + Self.pauseMilliseconds) }
  }

  /// False: there is none.
  private func giveReserve() -> Bool {
    guard reserve >= 0 else { return false }
    worker.loop.kernel.close(reserve)
    reserve = -1
    worker.loop.setDeadline(self, worker.loop.now + Self.pauseMilliseconds)
    return true
  }

  private func refuse(_ client: CInt, _ tally: Tally) -> Bool {
    worker.deployment.clients.wrappingSubtract(1, ordering: .relaxed)
    worker.counters.add(tally)
    worker.loop.kernel.close(client)
    return true
  }

  /// Listens no more. Connections that the kernel has already accepted are taken first (lifecycle L30),
  /// unless another process takes them: it has the same socket.
  func stop(_ drain: Drain) {
    guard fd >= 0 else { return }
    if drain == .last { while acceptOne() {} }
    if reserve >= 0 { worker.loop.kernel.close(reserve) }
    worker.loop.closeShared(self)
  }
}

extension Worker {
  func facts(of peer: SocketAddress?, role: ListenerRole) -> ClientFacts {
    var facts = ClientFacts()
    facts.address = peer
    facts.role = role
    if let peer, !configuration.trustedProxies.isEmpty {
      facts.isTrusted = configuration.trustedProxies.contains { $0.contains(peer) }
    }
    return facts
  }

  func listen(_ fd: CInt, role: ListenerRole, expectsProxyHeader: Bool = false) throws(SystemError) {
    let listener = Listener(worker: self, fd: fd, role: role, expectsProxyHeader: expectsProxyHeader)
    try loop.add(listener, onlyReadable: true)
    listeners.append(listener)
  }
}
