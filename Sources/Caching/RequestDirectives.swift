import Bytes
public import HTTP

/// What a request says about caching, RFC 9111 §5.2.1. An argument that is no number leaves its directive
/// unsaid.
///
/// `no-store` and `only-if-cached` are always obeyed. The others let any client make the origin work, so they
/// are obeyed in the strict profile only, as nginx and Varnish do not either (RFC 9111 §5.2.1: advice).
public struct RequestDirectives: Equatable, Sendable {
  public var noStore = false
  public var noCache = false
  public var onlyIfCached = false
  /// Seconds, as in all that follow.
  public var maxAge: UInt32?
  /// 2³¹ when any staleness will do.
  public var maxStale: UInt32?
  public var minFresh: UInt32?

  @inlinable public init() {}

  /// Never allocates; does nothing when neither `Cache-Control` nor `Pragma` is there.
  ///
  /// `Pragma: no-cache` counts only where there is no `Cache-Control`, RFC 9111 §5.4.
  @inlinable public static func parse(from request: borrowing Head) -> RequestDirectives {
    guard request.has(.cacheControl) || request.has(.pragma) else { return RequestDirectives() }
    return parsePresent(from: request)
  }

  @usableFromInline static func parsePresent(from request: borrowing Head) -> RequestDirectives {
    var directives = RequestDirectives()
    if request.has(.cacheControl) {
      for line in request.lines where line.known == .cacheControl { directives.add(request.value(line)) }
      return directives
    }
    for line in request.lines where line.known == .pragma {
      let value = request.value(line)
      var scanner = DirectiveScanner()
      while let directive = scanner.next(in: value) {
        if value.extracting(directive.name).equalsIgnoringCase("no-cache") { directives.noCache = true }
      }
    }
    return directives
  }

  private mutating func add(_ value: Span<UInt8>) {
    var scanner = DirectiveScanner()
    while let directive = scanner.next(in: value) {
      let name = value.extracting(directive.name)
      switch name.count {
      case 7 where name.equalsIgnoringCase("max-age"):
        maxAge = Self.smaller(maxAge, directive.argument.seconds(in: value))
      case 8 where name.equalsIgnoringCase("no-cache"): noCache = true
      case 8 where name.equalsIgnoringCase("no-store"): noStore = true
      case 9 where name.equalsIgnoringCase("max-stale"):
        if case .none = directive.argument {
          maxStale = maxStale ?? Freshness.ceiling
        } else {
          maxStale = Self.smaller(maxStale, directive.argument.seconds(in: value))
        }
      case 9 where name.equalsIgnoringCase("min-fresh"):
        if let seconds = directive.argument.seconds(in: value) { minFresh = max(minFresh ?? 0, seconds) }
      case 14 where name.equalsIgnoringCase("only-if-cached"): onlyIfCached = true
      default: break
      }
    }
  }

  private static func smaller(_ one: UInt32?, _ other: UInt32?) -> UInt32? {
    guard let one, let other else { return one ?? other }
    return min(one, other)
  }

  /// What this request may use a stored response for at `now`, RFC 9111 §5.2.1. Does not allocate.
  ///
  /// - Parameter strict: The profile; in the default one the request's own limits do not count.
  @inlinable public func use(_ freshness: Freshness, at now: Int64, strict: Bool) -> FreshnessUse {
    let use = freshness.use(at: now)
    return strict && self != RequestDirectives() ? limited(use, freshness, at: now) : use
  }

  @usableFromInline func limited(
    _ use: FreshnessUse, _ freshness: Freshness, at now: Int64
  ) -> FreshnessUse {
    let left = freshness.timeLeft(at: now)
    if noCache { return .stale }
    if let maxAge, freshness.age(at: now) > maxAge { return .stale }
    if let minFresh, left < Int64(minFresh) { return .stale }
    if use != .fresh, left <= 0, freshness.rules.isEmpty, let maxStale, -left <= Int64(maxStale) {
      return .fresh
    }
    return use
  }
}
