/// A pool at one moment, as plain values.
public struct PoolSnapshot: Sendable, Equatable {
  public let servers: [ServerSnapshot]
  /// Exchanges that wait for a connection.
  public let queueLength: Int
  /// Exchanges that ever waited for one.
  public let queuedInAll: UInt64

  /// At least one server is up.
  public var isAnyUsable: Bool { servers.contains { $0.state == .up } }
}

public struct ServerSnapshot: Sendable, Equatable {
  public enum State: UInt8, Sendable, CaseIterable {
    case up
    /// Known to be down, kept in rotation as the last one.
    case failing
    case ejected
    /// Its address has left; connections are still in use.
    case draining
  }

  /// `127.0.0.1:3000`
  public let name: String
  /// What the operator wrote.
  public let backend: String
  public let state: State
  /// Connections in use.
  public let inUse: Int
  /// Connections acquired since the server joined.
  public let requests: UInt64
  /// Connect failures, resets before the first byte and time-outs since it joined.
  public let failures: UInt64
  public let ejections: Int

  init(_ member: Balancer.Member) {
    name = member.server.name
    backend = member.server.backend.description
    inUse = member.inUse
    requests = member.requests
    failures = member.failures
    ejections = member.health.ejections
    if member.isDraining {
      state = .draining
    } else {
      switch member.health.standing {
      case .up: state = .up
      case .failing: state = .failing
      case .out: state = .ejected
      }
    }
  }
}
