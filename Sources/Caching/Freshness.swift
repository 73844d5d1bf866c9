// Caching: the rules of HTTP caching (RFC 9111, 9110, 9211, 9213 and 5861) as pure functions: no I/O, no
// clock. It imports Bytes and HTTP. The proxy asks it about every request and response; the store keeps its
// `Freshness` with each entry; telemetry counts its `Decision`s.

/// Where a response's freshness lifetime comes from, RFC 9111 §4.2.1 and 4.2.2.
public enum FreshnessSource: UInt8, Sendable, CaseIterable, BitwiseCopyable {
  case none, sMaxAge, maxAge, expires, heuristic, defaultTTL

  /// The origin said nothing about how long: we, or the operator, guessed.
  public var isGuessed: Bool {
    switch self {
    case .none, .heuristic, .defaultTTL: true
    case .sMaxAge, .maxAge, .expires: false
    }
  }
}

/// What a stored response forbids, whatever the operator allows.
public struct StaleRules: OptionSet, Sendable, Hashable, BitwiseCopyable {
  public var rawValue: UInt8

  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Never served stale: `must-revalidate`, `proxy-revalidate`, or `s-maxage` without a word of the origin
  /// that allows it. RFC 9111 §5.2.2.2, 5.2.2.8 and 5.2.2.10.
  public static let mustRevalidate = StaleRules(rawValue: 1)
  /// Never served without asking the origin: `no-cache`, RFC 9111 §5.2.2.4.
  public static let noCache = StaleRules(rawValue: 2)
}

/// What a stored response may be used for at some moment.
public enum FreshnessUse: UInt8, Sendable {
  /// Served without asking.
  case fresh
  /// Served at once, while a refresh runs: `stale-while-revalidate` or the operator's grace.
  case staleWhileRevalidating
  /// Served only when asking the origin has failed.
  case staleIfError
  /// Not served without the origin's word.
  case stale
}

/// The facts of a stored response's life. Times are `CacheSeconds`: seconds that never jump. 40 bytes.
///
/// Nothing here allocates or reads a clock; all of it is used on a hit.
public struct Freshness: Equatable, Sendable, BitwiseCopyable {
  /// When the request was sent that this response answers.
  public var requestTime: Int64
  /// When its head arrived.
  public var responseTime: Int64
  /// Its age on arrival in seconds: `corrected_initial_age` of RFC 9111 §4.2.3.
  public var initialAge: UInt32
  /// How long it is fresh, in seconds from when the origin made it: at most 2³¹.
  public var lifetime: UInt32
  /// How long after its lifetime it may be served, in seconds, while it is refreshed: the origin's word.
  public var staleWhileRevalidate: UInt32
  /// How long after its lifetime it may be served, in seconds, when asking has failed.
  public var staleIfError: UInt32
  /// As `staleWhileRevalidate`: the operator's word.
  public var grace: UInt32
  public var source: FreshnessSource
  public var rules: StaleRules

  @inlinable public init(
    requestTime: Int64, responseTime: Int64, initialAge: UInt32 = 0, lifetime: UInt32,
    staleWhileRevalidate: UInt32 = 0, staleIfError: UInt32 = 0, grace: UInt32 = 0,
    source: FreshnessSource, rules: StaleRules = []
  ) {
    self.requestTime = requestTime
    self.responseTime = responseTime
    self.initialAge = initialAge
    self.lifetime = lifetime
    self.staleWhileRevalidate = staleWhileRevalidate
    self.staleIfError = staleIfError
    self.grace = grace
    self.source = source
    self.rules = rules
  }

  /// The largest age and lifetime, in seconds: RFC 9111 §1.2.2.
  @inlinable public static var ceiling: UInt32 { 1 << 31 }

  /// A request with `Cookie` or `Authorization` neither stores nor receives this (L17). A response that says
  /// `no-cache` is no guess: the origin is asked about it each time.
  @inlinable public var isGuessed: Bool { source.isGuessed && !rules.contains(.noCache) }

  /// `current_age` in seconds, RFC 9111 §4.2.3; saturates at 2³¹. Does not allocate.
  @inlinable public func age(at now: Int64) -> UInt32 {
    guard now > responseTime else { return initialAge }
    let resident = min(now &- responseTime, Int64(Self.ceiling))
    return UInt32(truncatingIfNeeded: min(Int64(initialAge) &+ resident, Int64(Self.ceiling)))
  }

  /// Seconds of freshness left; not positive: stale for so long. Does not allocate.
  @inlinable public func timeLeft(at now: Int64) -> Int64 {
    Int64(lifetime) &- Int64(age(at: now))
  }

  /// What this may be used for at `now`, RFC 9111 §4.2 and RFC 5861. Does not allocate.
  @inlinable public func use(at now: Int64) -> FreshnessUse {
    if rules.contains(.noCache) { return .stale }
    let left = timeLeft(at: now)
    if left > 0 { return .fresh }
    if rules.contains(.mustRevalidate) { return .stale }
    let staleFor = -left
    if staleFor < Int64(max(staleWhileRevalidate, grace)) { return .staleWhileRevalidating }
    return staleFor < Int64(staleIfError) ? .staleIfError : .stale
  }

  /// The last moment, in `CacheSeconds`, at which `use` is anything but `.stale`.
  @inlinable public var usefulUntil: Int64 {
    if rules.contains(.noCache) { return responseTime }
    let windows = rules.contains(.mustRevalidate) ? 0 : max(staleWhileRevalidate, grace, staleIfError)
    return responseTime &+ Int64(lifetime) &+ Int64(windows) &- Int64(initialAge)
  }
}
