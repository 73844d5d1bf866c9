import Bytes
import Glibc
import HTTP
import IO
import Upstream

/// The fetch's dealings with its connection.
extension Fetch {
  func connect() {
    guard let server else { return }
    upstream.attempts += 1
    upstream.connect = nil
    // What is sent once more goes to a connection that cannot have been closed while it was idle.
    if !machine.isRepeat, let idle = worker.takeIdle(server) {
      worker.counters.add(.upstreamConnectionsReused)
      use(idle)
      upstream.connect = 0
      perform(machine.handle(.connected))
      return
    }
    connectBeganAt = worker.loop.kernel.microseconds()
    let fd = worker.loop.kernel.connect(server.address)
    guard fd >= 0 else { return couldNotConnect(isOurFault: Self.exhaustion.contains(-fd)) }
    let connection = UpstreamConnection(
      worker: worker, server: server, fd: fd, introduction: introduction(to: server))
    do {
      try worker.loop.add(connection)
    } catch {
      worker.loop.kernel.close(fd)
      return couldNotConnect(isOurFault: true)
    }
    worker.counters.add(.upstreamConnectionsOpened)
    worker.counters.add(.upstreamConnectionsOpen)
    use(connection)
    setDeadline(worker.limits.connectTimeoutMilliseconds)
  }

  private func use(_ connection: UpstreamConnection) {
    self.connection = connection
    connection.assign(self)
  }

  /// What says that we have run out of something, and nothing about the server.
  private static let exhaustion: Set<CInt> = [EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL]

  private func couldNotConnect(isOurFault: Bool) {
    worker.counters.add(.connectFailed)
    guard !isOurFault else {
      // Clients between two requests hold what is missing here.
      worker.makeRoom()
      return perform(machine.handle(.exhausted))
    }
    report(.connectFailed)
    leaveServer()
    perform(machine.handle(.connectFailed))
  }

  func connected() {
    let time = Int(worker.loop.kernel.microseconds() - connectBeganAt)
    worker.counters.observe(.upstreamConnect, microseconds: time)
    upstream.connect = time
    perform(machine.handle(.connected))
  }

  func connectionFailed() {
    worker.counters.add(.connectFailed)
    report(.connectFailed)
    leaveServer()
    perform(machine.handle(.connectFailed))
  }

  /// The server ended the connection before its response was complete.
  func connectionBroke(inBody: Bool) {
    let wasReused = connection?.wasReused ?? false
    worker.counters.add(inBody ? .resetInBody : .resetBeforeFirstByte)
    let sawNothing = connection?.hasPartialHead != true && interims == 0
    if !inBody, !wasReused { report(.resetBeforeFirstByte) }
    if inBody || !wasReused { leaveServer() } else { dropConnection() }
    perform(
      machine.handle(
        inBody ? .brokeInBody : .brokeBeforeHead(wasReused: wasReused && sawNothing && !bodyHasLeft)))
  }

  /// Another server is asked next, if there is one.
  private func leaveServer() {
    if let server { tried.insert(server) }
    dropConnection()
  }

  /// What came is no response, or one that two parsers could read differently.
  func responseWasBad() {
    dropConnection()
    perform(machine.handle(.responseWasBad))
  }
}
