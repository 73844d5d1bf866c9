import Glibc
import IO

/// A listening socket of one worker.
final class Listener: Channel {
  private let worker: Worker
  private let role: ListenerRole
  private let expectsProxyHeader: Bool
  /// Connections taken per turn, so that a storm of them does not keep others waiting.
  private static let acceptsPerTurn = 64
  private static let retryMilliseconds: Int64 = 100

  init(worker: Worker, fd: CInt, role: ListenerRole, expectsProxyHeader: Bool) {
    self.worker = worker
    self.role = role
    self.expectsProxyHeader = expectsProxyHeader
    super.init(adopting: fd)
  }

  override func ready(_ readiness: Readiness) { acceptSome() }
  override func resumed() { if fd >= 0 { acceptSome() } }
  override func timedOut() { if fd >= 0 { acceptSome() } }

  private func acceptSome() {
    for _ in 0..<Self.acceptsPerTurn {
      guard acceptOne() else { return }
    }
    worker.loop.resumeLater(self)
  }

  /// False: there are no more, or none can be taken now.
  private func acceptOne() -> Bool {
    var peer: SocketAddress?
    let client = worker.loop.kernel.accept(fd, peer: &peer)
    guard client >= 0 else {
      switch -client {
      case EAGAIN: break
      case EINTR, ECONNABORTED: return true
      default:
        // Out of descriptors or memory: the edge will not come again, so time has to bring us back.
        worker.loop.setDeadline(self, worker.loop.now + Self.retryMilliseconds)
      }
      return false
    }
    let count = worker.deployment.clients.wrappingAdd(1, ordering: .relaxed).newValue
    // The operator gets in when clients no longer do.
    guard count <= worker.limits.maxClients || role == .admin else { return refuse(client) }
    let connection = ClientConnection(
      worker: worker, fd: client, facts: worker.facts(of: peer, role: role),
      awaitsProxyHeader: expectsProxyHeader)
    do {
      try worker.loop.add(connection)
    } catch {
      return refuse(client)
    }
    connection.start()
    return true
  }

  private func refuse(_ client: CInt) -> Bool {
    worker.deployment.clients.wrappingSubtract(1, ordering: .relaxed)
    worker.counters.add(.connectionsRefused)
    worker.loop.kernel.close(client)
    return true
  }

  /// Listens no more. Connections that the kernel has already accepted are taken first (lifecycle L30),
  /// unless another process takes them: it has the same socket.
  func stop(_ drain: Drain) {
    guard fd >= 0 else { return }
    if drain == .last { while acceptOne() {} }
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
