import IO
import Upstream

/// Idle connections to servers, kept for the next request; the one used last is used first.
extension Worker {
  static let idlePerServer = 128

  func takeIdle(_ server: Server) -> UpstreamConnection? {
    guard let connection = idleUpstreams[server.id]?.popLast() else { return nil }
    counters.add(.upstreamConnectionsIdle, -1)
    return connection
  }

  func park(_ connection: UpstreamConnection) {
    let server = connection.server
    guard !isDraining, pool.mayKeep(server, worker: index),
      idleUpstreams[server.id, default: []].count < Self.idlePerServer
    else {
      close(connection)
      return
    }
    counters.add(.upstreamConnectionsIdle)
    idleUpstreams[server.id, default: []].append(connection)
    loop.setDeadline(connection, loop.now + limits.upstreamIdleTimeoutMilliseconds)
  }

  /// Takes an idle connection out, wherever it stands; one that is in use is not there.
  func unpark(_ connection: UpstreamConnection) {
    let id = connection.server.id
    guard let at = idleUpstreams[id]?.firstIndex(where: { $0 === connection }) else { return }
    idleUpstreams[id]?.remove(at: at)
    counters.add(.upstreamConnectionsIdle, -1)
  }

  func close(_ connection: UpstreamConnection) {
    guard connection.fd >= 0 else { return }
    counters.add(.upstreamConnectionsOpen, -1)
    loop.close(connection)
  }
}
