public import IO
import Synchronization

/// One server of a pool. What changes about it is in the pool, under the pool's lock, except for the three
/// words here that are read without it.
///
/// A worker keeps idle connections to it in a list of its own. Idle connections to a server that `isDraining`
/// are to be closed.
public final class Server: Sendable {
  /// Unique in its pool, never given again.
  public let id: UInt32
  public let address: SocketAddress
  /// `127.0.0.1:3000`, for logs and metrics.
  public let name: String
  /// What the operator wrote. Several servers share it if it is a host name with several addresses.
  public let backend: BackendAddress

  /// Where the pool keeps this server; `Server.nowhere` after it has left. Written under the pool's lock.
  let place = Atomic<Int>(Server.nowhere)
  static let nowhere = -1
  /// The pool wants to hear of answers: there are failures to forget. Lets the usual answer go without a
  /// lock.
  let awaitsAnswer = Atomic<Bool>(false)
  let hasLeft = Atomic<Bool>(false)

  init(id: UInt32, address: SocketAddress, backend: BackendAddress) {
    self.id = id
    self.address = address
    self.backend = backend
    name = address.description
  }

  /// It has left the pool: its connections in use go on, no new one is made, idle ones are to be closed. It
  /// may come back.
  public var isDraining: Bool { hasLeft.load(ordering: .relaxed) }
}

/// How a request to a server went.
public enum ServerOutcome: Sendable, Equatable {
  /// A response's head arrived, of whatever status: a 5xx is the application's word, not the server's
  /// absence.
  case answered
  /// Refused, unreachable, or not connected within the connect time-out.
  case connectFailed
  /// The connection ended before the first byte of a response. Not for a reused connection that the server
  /// had closed while it was idle: that is no failure.
  case resetBeforeFirstByte
  /// Connected, but no first byte in time.
  /// - Parameter keyHash: Tells URLs apart: one that hangs on every server must not eject them all.
  case timedOut(keyHash: UInt64)
}

/// The servers that a request has been sent to. Costs no memory while it is empty.
public struct TriedServers: Sendable, Equatable {
  private var ids: [UInt32] = []

  public init() {}

  public var isEmpty: Bool { ids.isEmpty }
  public var count: Int { ids.count }
  public func contains(_ server: Server) -> Bool { ids.contains(server.id) }
  public mutating func insert(_ server: Server) { if !contains(server) { ids.append(server.id) } }
  public mutating func removeAll() { ids.removeAll(keepingCapacity: true) }
}
