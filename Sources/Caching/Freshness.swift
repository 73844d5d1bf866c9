/// Where a stored response's lifetime came from.
public enum FreshnessSource: UInt8, Sendable {
  case none, sMaxAge, maxAge, expires, heuristic, defaultTTL

  /// Nobody stated it: the response must not reach requests that carry credentials.
  public var isGuessed: Bool { self == .heuristic || self == .defaultTTL }
}

/// What a stored response's directives say about its use when stale.
public struct StaleRules: OptionSet, Equatable, Sendable {
  public var rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// `must-revalidate`, `proxy-revalidate`, or `s-maxage` without an explicit permission beside it.
  public static let mustRevalidate = StaleRules(rawValue: 1)
  /// `no-cache`: asked again each time.
  public static let noCache = StaleRules(rawValue: 2)
}

/// The facts of a stored response's life; times in seconds of the cache's clock.
public struct Freshness: Equatable, Sendable {
  public var requestTime: Int64
  public var responseTime: Int64
  public var initialAge: UInt32
  public var lifetime: UInt32
  public var source: FreshnessSource
  public var staleWhileRevalidate: UInt32
  public var staleIfError: UInt32
  public var grace: UInt32
  public var rules: StaleRules

  @inlinable public init(
    requestTime: Int64, responseTime: Int64, initialAge: UInt32, lifetime: UInt32, source: FreshnessSource,
    staleWhileRevalidate: UInt32 = 0, staleIfError: UInt32 = 0, grace: UInt32 = 0, rules: StaleRules = []
  ) {
    self.requestTime = requestTime
    self.responseTime = responseTime
    self.initialAge = initialAge
    self.lifetime = lifetime
    self.source = source
    self.staleWhileRevalidate = staleWhileRevalidate
    self.staleIfError = staleIfError
    self.grace = grace
    self.rules = rules
  }
}
