import Bytes

/// Which requests of a client come too fast: `--max-request-rate`, by a token bucket for each client.
///
/// A bucket is one number, the time at which it will be full again (the generic cell rate algorithm, ITU-T
/// I.371, which is the token bucket without its counter). Buckets lie in a table of fixed size, in sets of
/// eight: a client that finds its set taken gets the place of the bucket that is fullest, and so has least to
/// tell. Beyond 65,536 clients at once some are let through whom a larger table would have held.
///
/// Shared by all workers, so that a client's connections count together; there is none while the limit is
/// off.
final class RequestRates: Sendable {
  /// Between two requests, in microseconds.
  private let interval: Int64
  /// How far ahead of the clock a bucket may be, in microseconds.
  private let tolerance: Int64
  private let stripes: [Stripe]

  private final class Stripe: Sendable {
    let buckets = Guarded([Bucket](repeating: Bucket(), count: setsPerStripe * ways))
  }

  private struct Bucket {
    var client: ClientNetwork?
    /// When it is full, in microseconds of the monotonic clock.
    var fullAt = Int64.min
  }

  private static let stripeCount = 64
  private static let setsPerStripe = 128
  private static let ways = 8

  /// - Parameter rate: Requests a second, 1 through 1,000,000.
  /// - Parameter burst: Requests at once, at least 1.
  init(rate: Int, burst: Int) {
    interval = 1_000_000 / Int64(rate)
    tolerance = interval * Int64(burst)
    stripes = (0..<Self.stripeCount).map { _ in Stripe() }
  }

  /// Takes a token of the client's bucket.
  ///
  /// - Parameter microseconds: Now, by a monotonic clock.
  /// - Returns: `nil` when there was one, otherwise the whole seconds until there is, at least 1.
  func wait(for client: ClientNetwork, at microseconds: Int64) -> Int? {
    let hash = UInt(bitPattern: client.hashValue)
    let stripe = stripes[Int(hash % UInt(Self.stripeCount))]
    let start = Int(hash / UInt(Self.stripeCount) % UInt(Self.setsPerStripe)) * Self.ways
    return stripe.buckets.withLock { buckets in
      let index = Self.place(of: client, in: buckets, from: start)
      let isKnown = buckets[index].client == client
      let next = (isKnown ? max(buckets[index].fullAt, microseconds) : microseconds) + interval
      let early = next - tolerance - microseconds
      guard early <= 0 else { return Int((early + 999_999) / 1_000_000) }
      buckets[index] = Bucket(client: client, fullAt: next)
      return nil
    }
  }

  /// The client's bucket, or the one that gives way to it.
  private static func place(of client: ClientNetwork, in buckets: [Bucket], from start: Int) -> Int {
    var fullest = start
    for index in start..<(start + ways) {
      if buckets[index].client == client { return index }
      if buckets[index].fullAt < buckets[fullest].fullAt { fullest = index }
    }
    return fullest
  }
}
