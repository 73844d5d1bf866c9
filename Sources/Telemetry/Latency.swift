/// The durations that are kept as histograms.
public enum Latency: Int, CaseIterable, Sendable {
  /// From the first byte of a request's head to the last byte of its response.
  case clientRequest
  /// From the request sent to an upstream server to the first byte of its answer.
  case upstreamFirstByte
  /// From the attempt to connect to a server to the connection; not those that were idle.
  case upstreamConnect
  /// In the queue for a connection to a server; not those that got one at once.
  case upstreamQueue

  @usableFromInline static var count: Int { Latency.upstreamQueue.rawValue + 1 }

  var name: StaticString {
    switch self {
    case .clientRequest: "larder_client_request_duration_seconds"
    case .upstreamFirstByte: "larder_upstream_first_byte_seconds"
    case .upstreamConnect: "larder_upstream_connect_seconds"
    case .upstreamQueue: "larder_upstream_queue_seconds"
    }
  }

  var help: StaticString {
    switch self {
    case .clientRequest: "Time from the first byte of a request to the last byte of its response."
    case .upstreamFirstByte: "Time from a request sent upstream to the first byte of its answer."
    case .upstreamConnect: "Time that new connections to upstream servers took."
    case .upstreamQueue: "Time that requests waited for a free connection to a server."
    }
  }
}

/// Bounds from 0.1 ms to 10 s. A hit on an idle machine falls under the first one, and is found by one
/// compare.
@usableFromInline enum LatencyBuckets {
  /// Upper bounds in microseconds, inclusive as Prometheus has it (`le`).
  static let bounds = [
    100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
  ]

  /// Buckets with the one that has no bound.
  @usableFromInline static var count: Int { 17 }
  /// Buckets and the sum.
  @usableFromInline static var cellCount: Int { count + 1 }

  @inlinable static func index(of microseconds: Int) -> Int {
    microseconds <= 100 ? 0 : indexAboveFirst(microseconds)
  }

  @usableFromInline static func indexAboveFirst(_ microseconds: Int) -> Int {
    bounds.firstIndex { microseconds <= $0 } ?? bounds.count
  }
}
