import Bytes
import HTTP

/// How long a response is fresh, and who says so.
struct Lifetime: Equatable {
  /// 0 through 2³¹.
  var seconds: UInt32
  var source: FreshnessSource
}

/// The lifetime of a response in a shared cache, RFC 9111 §4.2.1: the first of `s-maxage`, `max-age` and
/// `Expires` minus `Date`; where the origin says nothing, `guessedLifetime`.
///
/// - Parameter wallTime: When the head arrived, in seconds since 1970; stands in for a missing or unreadable
///   `Date` (RFC 9110 §6.6.1).
func lifetime(
  status: UInt16, response: borrowing Head, directives: ResponseDirectives, wallTime: Int64,
  options: CachingOptions
) -> Lifetime {
  if let seconds = directives.sMaxAge { return Lifetime(seconds: seconds, source: .sMaxAge) }
  if let seconds = directives.maxAge { return Lifetime(seconds: seconds, source: .maxAge) }
  let generated = date(of: response) ?? wallTime
  if response.has(.expires), !directives.isTargeted {
    return Lifetime(seconds: expiresLifetime(of: response, generated: generated), source: .expires)
  }
  // Asked about each time, a response needs no guess.
  if directives.noCache { return Lifetime(seconds: 0, source: .none) }
  return guessedLifetime(status: status, response: response, generated: generated, options: options)
}

/// Seconds from `generated` to the earliest `Expires`. One that cannot be read has passed (RFC 9111 §5.3).
private func expiresLifetime(of response: borrowing Head, generated: Int64) -> UInt32 {
  var shortest = Int64(Freshness.ceiling)
  for line in response.lines where line.known == .expires {
    guard let expires = HTTPDate.parse(response.value(line)) else { return 0 }
    shortest = min(shortest, expires - generated)
  }
  return UInt32(max(shortest, 0))
}

/// The operator's default where there is one (L17), else a tenth of the time since `Last-Modified`
/// (RFC 9111 §4.2.2).
private func guessedLifetime(
  status: UInt16, response: borrowing Head, generated: Int64, options: CachingOptions
) -> Lifetime {
  if let seconds = options.defaultTTL {
    return takesDefaultTTL(status)
      ? Lifetime(seconds: min(seconds, Freshness.ceiling), source: .defaultTTL)
      : Lifetime(seconds: 0, source: .none)
  }
  guard isHeuristicallyCacheable(status), let value = response.value(of: .lastModified),
    let lastModified = HTTPDate.parse(value), lastModified < generated
  else { return Lifetime(seconds: 0, source: .none) }
  let tenth = min((generated - lastModified) / 10, Int64(options.heuristicCap))
  return Lifetime(seconds: UInt32(tenth), source: .heuristic)
}

/// Statuses that `--default-ttl` applies to (L17).
public func takesDefaultTTL(_ status: UInt16) -> Bool {
  switch status {
  case 200, 203, 300, 301, 308, 404, 410: true
  default: false
  }
}

/// Statuses whose freshness may be guessed, RFC 9110 §15.1; 206 is not stored here.
public func isHeuristicallyCacheable(_ status: UInt16) -> Bool {
  switch status {
  case 200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501: true
  default: false
  }
}

/// The age of a response when its head arrived, in seconds up to 2³¹: `corrected_initial_age` of
/// RFC 9111 §4.2.3.
///
/// - Parameters:
///   - age: The head that holds `Age`: the response's own, or that of the 304 that confirmed it.
///   - requestTime: `CacheSeconds`; so is `responseTime`.
///   - wallTime: The same moment by the wall clock. Where that has jumped since the process began, one of the
///     two is wrong: a response counts as old when both say so, or a jump ahead would make all of them stale.
func initialAge(
  of response: borrowing Head, age: UInt32, requestTime: Int64, responseTime: Int64, wallTime: Int64
) -> UInt32 {
  let apparent = date(of: response).map { max(0, min(wallTime, responseTime) - $0) } ?? 0
  let delay = max(0, responseTime - requestTime)
  return UInt32(min(max(apparent, Int64(age) + delay), Int64(Freshness.ceiling)))
}

/// The `Age` of a head in seconds, saturating at 2³¹: the first member of its first line; 0 when that is no
/// number (RFC 9111 §5.1).
func statedAge(of head: borrowing Head) -> UInt32 {
  guard let value = head.value(of: .age) else { return 0 }
  let first = ByteRange(0, value.firstIndex(of: .comma) ?? value.count)
  return deltaSeconds(value.extracting(value.trimmed(first))) ?? 0
}

func date(of head: borrowing Head) -> Int64? {
  guard let value = head.value(of: .date) else { return nil }
  return HTTPDate.parse(value)
}
