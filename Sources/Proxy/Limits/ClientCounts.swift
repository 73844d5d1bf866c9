import Bytes

/// How many connections each client has, over all workers: `--max-clients-per-address`.
///
/// Shared by all workers; there is none while the limit is off. It holds a place for each client that has a
/// connection, so that `--max-clients` bounds its size.
final class ClientCounts: Sendable {
  private let limit: Int
  private let stripes: [Stripe]

  private final class Stripe: Sendable { let counts = Guarded([ClientNetwork: Int]()) }

  private static let stripeCount = 64

  init(limit: Int) {
    self.limit = limit
    stripes = (0..<Self.stripeCount).map { _ in Stripe() }
  }

  /// False: the client has as many as it may, and this one is not counted.
  func enter(_ client: ClientNetwork) -> Bool {
    stripe(of: client).counts.withLock { counts in
      let count = counts[client] ?? 0
      guard count < limit else { return false }
      counts[client] = count + 1
      return true
    }
  }

  func leave(_ client: ClientNetwork) {
    stripe(of: client).counts.withLock { counts in
      let count = counts[client] ?? 0
      counts[client] = count > 1 ? count - 1 : nil
    }
  }

  /// Clients that have a connection.
  var clientCount: Int { stripes.reduce(0) { $0 + $1.counts.withLock { $0.count } } }

  private func stripe(of client: ClientNetwork) -> Stripe {
    stripes[Int(UInt(bitPattern: client.hashValue) % UInt(Self.stripeCount))]
  }
}
