import IO
import Upstream

/// Idle connections to servers, kept for the next request; the one used last is used first.
extension Worker {
  static let idlePerServer = 128

  /// Requests are begun when all events of a turn have been seen (`ClientConnection.ready`): a connection on
  /// which a server has spoken unasked, or ended, is no longer among these.
  func takeIdle(_ server: Server) -> UpstreamConnection? {
    guard let connection = idleConnections(to: server)?.list.popLast() else { return nil }
    counters.add(.upstreamConnectionsIdle, -1)
    return connection
  }

  func park(_ connection: UpstreamConnection) {
    let server = connection.server
    let idle = idleConnections(to: server) ?? addIdleConnections(to: server)
    guard !isDraining, pool.mayKeep(server, worker: index), idle.list.count < Self.idlePerServer else {
      close(connection)
      return
    }
    counters.add(.upstreamConnectionsIdle)
    idle.list.append(connection)
    loop.setDeadline(connection, loop.now + limits.upstreamIdleTimeoutMilliseconds)
  }

  /// Takes an idle connection out, wherever it stands; one that is in use is not there.
  func unpark(_ connection: UpstreamConnection) {
    guard let idle = idleConnections(to: connection.server),
      let at = idle.list.firstIndex(where: { $0 === connection })
    else { return }
    idle.list.remove(at: at)
    counters.add(.upstreamConnectionsIdle, -1)
    if connection.server.isDraining { idleUpstreams.removeAll { $0.list.isEmpty } }
  }

  func closeIdleUpstreams() {
    for idle in idleUpstreams {
      counters.add(.upstreamConnectionsIdle, -idle.list.count)
      for connection in idle.list { close(connection) }
    }
    idleUpstreams = []
  }

  /// Pools are small: the servers are looked through one by one.
  private func idleConnections(to server: Server) -> IdleConnections? {
    for idle in idleUpstreams where idle.server === server { return idle }
    return nil
  }

  private func addIdleConnections(to server: Server) -> IdleConnections {
    let idle = IdleConnections(server)
    idleUpstreams.append(idle)
    return idle
  }

  func close(_ connection: UpstreamConnection, abruptly: Bool = false) {
    guard connection.fd >= 0 else { return }
    counters.add(.upstreamConnectionsOpen, -1)
    loop.close(connection, abruptly: abruptly)
  }
}

/// A worker's idle connections to one server.
final class IdleConnections {
  let server: Server
  var list: [UpstreamConnection] = []

  init(_ server: Server) { self.server = server }
}
