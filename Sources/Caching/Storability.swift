public import HTTP

/// What in a request bears on whether its response may be shared.
public struct RequestTraits: OptionSet, Sendable {
  public var rawValue: UInt8

  public init(rawValue: UInt8) { self.rawValue = rawValue }

  public static let authorization = RequestTraits(rawValue: 1)
  public static let cookie = RequestTraits(rawValue: 2)
  public static let body = RequestTraits(rawValue: 4)
  public static let noStore = RequestTraits(rawValue: 8)

  /// Neither stores nor receives what is fresh by a guess (L17).
  public var hasCredentials: Bool { !isDisjoint(with: [.authorization, .cookie]) }

  /// The traits that stand in the fields. Does not allocate.
  public init(_ request: borrowing Head, directives: RequestDirectives, hasBody: Bool) {
    self = hasBody ? .body : []
    if request.has(.authorization) { insert(.authorization) }
    if request.has(.cookie) { insert(.cookie) }
    if directives.noStore { insert(.noStore) }
  }
}

/// Whether a response may be stored for others, and for how long it may be used: RFC 9111 §3, 3.5 and 4.2,
/// and rules L16 and L17.
///
/// - Parameters:
///   - method: Of the request that was sent upstream.
///   - request: Traits of the client's request that this response was fetched for.
///   - directives: The response's own, parsed.
///   - requestTime: When that was sent, in `CacheSeconds`.
///   - responseTime: When the head arrived, in `CacheSeconds`.
///   - wallTime: When the head arrived, in seconds since 1970.
public func storability(
  method: Method, request: RequestTraits, status: UInt16, response: borrowing Head,
  directives: ResponseDirectives, requestTime: Int64, responseTime: Int64, wallTime: Int64,
  options: CachingOptions
) -> Storability {
  if let reason = obstacle(
    method: method, request: request, status: status, response: response, directives: directives,
    options: options)
  {
    return refusal(reason, status: status)
  }
  let age = initialAge(
    of: response, age: statedAge(of: response), requestTime: requestTime, responseTime: responseTime,
    wallTime: wallTime)
  return judged(
    request: request, status: status, response: response, directives: directives, age: age,
    requestTime: requestTime, responseTime: responseTime, wallTime: wallTime, options: options)
}

/// Whether a stored response, confirmed by a 304, may stay, and its new life: RFC 9111 §4.3.4.
///
/// - Parameters:
///   - status: Of the stored response.
///   - merged: The stored head with the 304's fields in it, as `mergedHead` made it.
///   - update304: The 304, whose `Age` counts.
public func storabilityOfConfirmed(
  request: RequestTraits, status: UInt16, merged: borrowing Head, update304: borrowing Head,
  requestTime: Int64, responseTime: Int64, wallTime: Int64, options: CachingOptions
) -> Storability {
  let directives = ResponseDirectives.parse(from: merged)
  if let reason = obstacle(
    method: .get, request: request, status: status, response: merged, directives: directives,
    options: options)
  {
    return refusal(reason, status: status)
  }
  if !VaryList.parse(from: update304).isWithin(VaryList.parse(from: merged)) { return .not(.varyChanged) }
  let age = initialAge(
    of: update304, age: statedAge(of: update304), requestTime: requestTime, responseTime: responseTime,
    wallTime: wallTime)
  return judged(
    request: request, status: status, response: merged, directives: directives, age: age,
    requestTime: requestTime, responseTime: responseTime, wallTime: wallTime, options: options)
}

/// Whether requests that waited for this response may all be given it, stored or not (L9, L11).
///
/// - Parameter request: Traits of the request that it was fetched for.
public func maySpread(
  _ response: borrowing Head, directives: ResponseDirectives, request: RequestTraits, options: CachingOptions
) -> Bool {
  if directives.noStore || directives.isPrivate { return false }
  if setsCookie(response, directives) { return false }
  return !request.contains(.authorization) || directives.allowsAuthorizedReuse
}

/// What stands against storing whatever the freshness; `nil`: nothing.
private func obstacle(
  method: Method, request: RequestTraits, status: UInt16, response: borrowing Head,
  directives: ResponseDirectives, options: CachingOptions
) -> Uncacheable? {
  if method != .get { return .method }
  if request.contains(.body) { return .requestBody }
  if request.contains(.noStore) { return .requestNoStore }
  if status < 200 || status == 206 || status == 304 || status == 416 { return .partial }
  if directives.mustUnderstand {
    // Beside it `no-store` is meant for caches that do not know the directive, RFC 9111 §5.2.2.3.
    if !isUnderstood(status) { return .mustUnderstand }
  } else if directives.noStore {
    return .noStore
  }
  if directives.isPrivate { return .privateResponse }
  if !options.strict, setsCookie(response, directives) { return .setCookie }
  if VaryList.isStar(response) { return .varyStar }
  if request.contains(.authorization), !directives.allowsAuthorizedReuse { return .authorization }
  return nil
}

/// `Set-Cookie` that the origin does not itself withhold from storage, by `no-cache="Set-Cookie"`.
private func setsCookie(_ response: borrowing Head, _ directives: ResponseDirectives) -> Bool {
  guard response.has(.setCookie), let line = response.first(.setCookie) else { return false }
  return !fieldList(directives.withheldFields.span, contains: response.name(line))
}

/// Errors never set a mark, whatever else they are (L14).
private func refusal(_ reason: Uncacheable, status: UInt16) -> Storability {
  .not(status >= 500 ? .serverError : reason)
}

private func judged(
  request: RequestTraits, status: UInt16, response: borrowing Head, directives: ResponseDirectives,
  age: UInt32, requestTime: Int64, responseTime: Int64, wallTime: Int64, options: CachingOptions
) -> Storability {
  let lifetime = lifetime(
    status: status, response: response, directives: directives, wallTime: max(wallTime, responseTime),
    options: options)
  var freshness = Freshness(
    requestTime: requestTime, responseTime: responseTime, initialAge: age, lifetime: lifetime.seconds,
    source: lifetime.source, rules: staleRules(directives, options))
  freshness.allowStale(directives, status: status, options: options)

  // An error is kept only by an explicit word, S7 of the security goals: with a guess, whoever provokes one
  // shows it to everybody.
  if status >= 400, lifetime.source == .none || lifetime.source == .heuristic {
    if status >= 500 { return .not(.serverError) }
    if !options.strict, !directives.noCache { return .not(.noFreshness) }
  }
  if request.hasCredentials, freshness.isGuessed { return refusal(.credentials, status: status) }
  // Set-Cookie reaches this point in the strict profile only: never by a guess.
  if setsCookie(response, directives), freshness.isGuessed { return refusal(.setCookie, status: status) }
  let hasValidator = response.has(.etag) || response.has(.lastModified)
  // Standing in for failures is no reason to store by itself, unless the origin asks for it.
  var useful = freshness
  if directives.staleIfError == nil { useful.staleIfError = 0 }
  if !hasValidator, useful.usefulUntil <= responseTime { return refusal(.noFreshness, status: status) }
  return .storable(freshness)
}

private func staleRules(_ directives: ResponseDirectives, _ options: CachingOptions) -> StaleRules {
  var rules = StaleRules()
  if directives.noCache { rules.insert(.noCache) }
  if directives.mustRevalidate || directives.proxyRevalidate { rules.insert(.mustRevalidate) }
  if directives.sMaxAge != nil {
    // RFC 9111 §5.2.2.10; the exception is L16's.
    let isAllowed = directives.staleWhileRevalidate != nil || directives.staleIfError != nil
    if options.strict || !isAllowed { rules.insert(.mustRevalidate) }
  }
  return rules
}

extension Freshness {
  /// Sets how long this may be served stale (L16): the origin's word, then the operator's where the origin
  /// does not speak against it.
  fileprivate mutating func allowStale(
    _ directives: ResponseDirectives, status: UInt16, options: CachingOptions
  ) {
    guard rules.isEmpty else { return }
    staleWhileRevalidate = directives.staleWhileRevalidate ?? 0
    staleIfError = directives.staleIfError ?? 0
    // `s-maxage` leaves the operator no say, and a stored error is not worth a longer life.
    guard directives.sMaxAge == nil, status < 500 else { return }
    grace = min(options.grace, Self.ceiling)
    if directives.staleIfError == nil { staleIfError = min(options.staleOnError, Self.ceiling) }
  }
}

/// Statuses whose meaning for caches we know: the final ones of RFC 9110 §15 but 206 and 304.
private func isUnderstood(_ status: UInt16) -> Bool {
  switch status {
  case 200...205, 300...303, 305, 307, 308, 400...415, 417, 421, 422, 426, 500...505: true
  default: false
  }
}
