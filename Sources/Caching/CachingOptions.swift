/// The operator's word on caching.
public struct CachingOptions: Sendable, Equatable {
  /// Lifetime in seconds of responses that say nothing about theirs; replaces the heuristic (L17).
  public var defaultTTL: UInt32?
  /// Seconds after its lifetime during which a response is served at once and refreshed beside (L16).
  public var grace: UInt32
  /// Seconds after its lifetime during which a response stands in for a failed answer (L16). Used where the
  /// response itself does not say `stale-if-error`.
  public var staleOnError: UInt32
  /// The longest lifetime, in seconds, that is ever guessed from `Last-Modified`.
  public var heuristicCap: UInt32
  /// To the letter of the RFCs where the default profile is kinder to origins or safer for users: requests'
  /// `no-cache`, `max-age`, `min-fresh` and `max-stale` are obeyed, `s-maxage` forbids stale whatever stands
  /// beside it, responses that set cookies are stored when they state their freshness, and errors by a guess.
  public var strict: Bool

  public init(
    defaultTTL: UInt32? = nil, grace: UInt32 = 0, staleOnError: UInt32 = 600, heuristicCap: UInt32 = 3600,
    strict: Bool = false
  ) {
    self.defaultTTL = defaultTTL
    self.grace = grace
    self.staleOnError = staleOnError
    self.heuristicCap = heuristicCap
    self.strict = strict
  }
}
