import Bytes
public import HTTP

/// What a request's conditions make of a stored response.
public enum ConditionalOutcome: UInt8, Sendable {
  case deliver
  /// The client has it: 304.
  case notModified
}

/// Conditions that only the origin can judge, RFC 9111 §4.3.2 and L10. Does not allocate.
@inlinable public func mustAskOrigin(_ request: borrowing Head) -> Bool {
  request.has(.ifMatch) || request.has(.ifUnmodifiedSince)
}

/// Evaluates the conditions of a GET or HEAD request against a stored response, RFC 9110 §13.2.2 and RFC 9111
/// §4.3.2: `If-None-Match` by weak comparison; without it `If-Modified-Since`. Does not allocate.
///
/// - Parameters:
///   - etag: The stored response's `ETag`.
///   - lastModified: Its `Last-Modified` in seconds since 1970, or when it has none its `Date`.
///   - status: Its status: conditions count for 2xx only (RFC 9110 §13.2.1).
public func evaluateConditions(
  request: borrowing Head, etag: Span<UInt8>?, lastModified: Int64?, status: UInt16
) -> ConditionalOutcome {
  guard (200..<300).contains(status) else { return .deliver }
  if request.has(.ifNoneMatch) {
    return ifNoneMatch(request, etag: etag) ? .notModified : .deliver
  }
  guard let lastModified, request.count(of: .ifModifiedSince) == 1,
    let value = request.value(of: .ifModifiedSince), let since = HTTPDate.parse(value)
  else { return .deliver }
  return lastModified <= since ? .notModified : .deliver
}

private func ifNoneMatch(_ request: borrowing Head, etag: Span<UInt8>?) -> Bool {
  for line in request.lines where line.known == .ifNoneMatch {
    let value = request.value(line)
    var tags = EntityTagScanner()
    while let tag = tags.next(in: value) {
      let tag = value.extracting(tag)
      if tag.equals("*") { return true }
      if let etag, EntityTag.matchesWeakly(tag, etag) { return true }
    }
  }
  return false
}
