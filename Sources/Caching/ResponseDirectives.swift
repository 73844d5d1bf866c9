import Bytes
public import HTTP

/// What a response says about its caching: all its `Cache-Control` lines, or in their place
/// `CDN-Cache-Control` (RFC 9213), which is aimed at caches like this one.
///
/// Where directives are doubled or contradict each other the most restrictive reading counts
/// (RFC 9111 §4.2.1). A freshness directive whose argument is no number means 0: stale.
public struct ResponseDirectives: Equatable, Sendable {
  public var noStore = false
  /// `no-cache` without field names.
  public var noCache = false
  /// `private` without field names.
  public var isPrivate = false
  public var mustRevalidate = false
  public var proxyRevalidate = false
  public var isPublic = false
  public var mustUnderstand = false
  /// Seconds, at most 2³¹, as in all that follow.
  public var maxAge: UInt32?
  public var sMaxAge: UInt32?
  public var staleWhileRevalidate: UInt32?
  public var staleIfError: UInt32?
  /// The fields named by `no-cache="…"` and `private="…"`, lower-case, joined by commas. They are not stored;
  /// the rest of the response is. RFC 9111 §5.2.2.4 and 5.2.2.7.
  public var withheldFields: [UInt8] = []
  /// From `CDN-Cache-Control`: `Expires` does not count beside it (RFC 9213 §2.2).
  public var isTargeted = false

  public init() {}

  public static func parse(from response: borrowing Head) -> ResponseDirectives {
    if let targeted = targeted(from: response) { return targeted }
    var directives = ResponseDirectives()
    guard response.has(.cacheControl) else { return directives }
    for line in response.lines where line.known == .cacheControl { directives.add(response.value(line)) }
    return directives
  }

  /// A response to a request with `Authorization` may be stored and shared, RFC 9111 §3.5.
  public var allowsAuthorizedReuse: Bool { isPublic || mustRevalidate || sMaxAge != nil }

  /// Adds the directives of one `Cache-Control` line.
  mutating func add(_ value: Span<UInt8>) {
    var scanner = DirectiveScanner()
    while let directive = scanner.next(in: value) { add(directive, of: value) }
    if scanner.isUnclosed { noStore = true }
  }

  private mutating func add(_ directive: Directive, of value: Span<UInt8>) {
    let name = value.extracting(directive.name)
    switch name.count {
    case 6 where name.equalsIgnoringCase("public"):
      // A permission counts only when it is written as the grammar has it.
      if case .none = directive.argument { isPublic = true }
    case 7 where name.equalsIgnoringCase("max-age"):
      maxAge = Self.shorter(maxAge, directive.argument, in: value)
    case 7 where name.equalsIgnoringCase("private"):
      if !withhold(directive.argument, in: value) { isPrivate = true }
    case 8 where name.equalsIgnoringCase("no-store"): noStore = true
    case 8 where name.equalsIgnoringCase("no-cache"):
      if !withhold(directive.argument, in: value) { noCache = true }
    case 8 where name.equalsIgnoringCase("s-maxage"):
      sMaxAge = Self.shorter(sMaxAge, directive.argument, in: value)
    case 14 where name.equalsIgnoringCase("stale-if-error"):
      staleIfError = Self.shorter(staleIfError, directive.argument, in: value)
    case 15 where name.equalsIgnoringCase("must-revalidate"): mustRevalidate = true
    case 15 where name.equalsIgnoringCase("must-understand"):
      if case .none = directive.argument { mustUnderstand = true }
    case 16 where name.equalsIgnoringCase("proxy-revalidate"): proxyRevalidate = true
    case 22 where name.equalsIgnoringCase("stale-while-revalidate"):
      staleWhileRevalidate = Self.shorter(staleWhileRevalidate, directive.argument, in: value)
    default: break
    }
  }

  private static func shorter(
    _ seconds: UInt32?, _ argument: Directive.Argument, in value: Span<UInt8>
  ) -> UInt32 {
    min(seconds ?? Freshness.ceiling, argument.seconds(in: value) ?? 0)
  }

  /// Takes up the field names of a qualified directive. False: the directive has none, or they cannot be
  /// read, or the response means nothing without one of them; then it counts for the whole response.
  private mutating func withhold(_ argument: Directive.Argument, in value: Span<UInt8>) -> Bool {
    switch argument {
    case .none, .malformed: false
    case .token(let range), .quoted(let range): withhold(value.extracting(range))
    }
  }

  /// Takes up a list of field names; false when it cannot be honoured.
  mutating func withhold(_ names: Span<UInt8>) -> Bool {
    let before = withheldFields.count
    var members = ListMembers()
    while let member = members.next(in: names) {
      let name = names.extracting(member)
      guard Self.isWithholdable(name) else {
        withheldFields.removeLast(withheldFields.count - before)
        return false
      }
      if !withheldFields.isEmpty { withheldFields.append(.comma) }
      for i in name.indices { withheldFields.append(name[i].lowered) }
    }
    return withheldFields.count > before
  }

  private static func isWithholdable(_ name: Span<UInt8>) -> Bool {
    for i in name.indices where !isTokenByte(name[i]) { return false }
    switch KnownField.identify(name) {
    case .contentEncoding, .contentType, .vary: return false
    default: return true
    }
  }
}

/// Whether `names`, lower-case and joined by commas, hold `name`, case ignored.
func fieldList(_ names: Span<UInt8>, contains name: Span<UInt8>) -> Bool {
  var start = 0
  while start < names.count {
    let end = names.firstIndex(of: .comma, from: start) ?? names.count
    if names.extracting(start..<end).equalsIgnoringCase(name) { return true }
    start = end + 1
  }
  return false
}
