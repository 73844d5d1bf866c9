/// What happened to a request, with its reason. It alone feeds `X-Cache-Status`, `Cache-Status`, the access
/// log and the metrics.
public enum Decision: Equatable, Sendable {
  /// A fresh stored response.
  case hit
  /// Fetched for this request, which owns the fill.
  case miss(MissReason)
  /// Read from a fill that another request had started.
  case collapsed
  /// A stale stored response was replaced while the client waited.
  case expired
  /// A stale stored response was confirmed by a 304 while the client waited.
  case revalidated
  /// Served stale while a refresh runs: `stale-while-revalidate` or grace.
  case staleUpdating
  /// Served stale because the origin did not give a usable answer.
  case staleOnError(StaleCause)
  /// Fetched past the cache.
  case bypass(BypassReason)
  /// No usable answer: the reply is our own.
  case failed(Failure, Attempt)
  /// Our own answer, without asking the origin.
  case synthetic(Synthesis)
  case purge(PurgeOutcome)
}

/// Why a stored response did not do for a miss.
public enum MissReason: UInt8, Sendable, CaseIterable {
  /// Nothing under the key.
  case cold
  /// Something under the key, but no variant for this request.
  case variant
  /// The fill that it waited for turned out not to be for others (L9).
  case released
  /// The fill that it waited for took too long to have a head (L13).
  case waitTimedOut
}

/// Why a response was served stale without a refresh under way.
public enum StaleCause: UInt8, Sendable, CaseIterable {
  /// The origin was asked now, and failed.
  case attemptFailed
  /// A refresh failed a moment ago (L15).
  case backingOff
  /// No server is usable.
  case originDown
}

/// Why a request went past the cache.
public enum BypassReason: UInt8, Sendable, CaseIterable {
  /// Its method is not GET or HEAD.
  case method
  /// The key is known not to be shareable (L14).
  case hitForMiss
  case authorization
  /// A range of what is not stored.
  case range
  /// `If-Match` or `If-Unmodified-Since`, for the origin to judge.
  case precondition
  /// A GET with a body.
  case requestBody
  /// Its `Cookie` or `Authorization` keeps it from what is fresh by a guess (L17).
  case credentials
  /// Its own `Cache-Control` asks for a fresh answer.
  case requestDirective
  case policy
  /// It offers another protocol.
  case upgrade
}

/// What kept the origin's answer away.
public enum Failure: UInt8, Sendable, CaseIterable {
  case connectFailed, connectTimedOut
  case firstByteTimedOut
  /// The connection ended before a complete head.
  case reset
  /// A head, or a framing, that two parsers could read differently.
  case badResponse
  /// No server, or none usable.
  case noServer
  case queueTimedOut
  /// The origin's error may not be shown to the others that waited for it (L11).
  case unshareable
  /// Our own `Via` or `CDN-Loop` is in the request twice (L25).
  case loop
  /// Out of memory or descriptors.
  case exhausted
  /// A broken invariant of ours.
  case internalError
}

/// What was under way when it failed.
public enum Attempt: UInt8, Sendable, CaseIterable {
  case miss, expired, bypass
}

/// Answers that ask nobody.
public enum Synthesis: UInt8, Sendable, CaseIterable {
  /// A request that was refused: bad, too large, too slow, not implemented.
  case refused
  /// `only-if-cached`, and nothing is: 504, RFC 9111 §5.2.1.7.
  case onlyIfCached
  /// No memory is left for it.
  case overloaded
  case policy
  /// Its client asks faster than it may.
  case rateLimited
}

public enum PurgeOutcome: UInt8, Sendable, CaseIterable {
  case done, refused
}
