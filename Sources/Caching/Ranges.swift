import Bytes
public import HTTP

/// What a request for a range gets of a stored whole response.
public enum RangeOutcome: Equatable, Sendable {
  /// 200 with all of it.
  case whole
  /// 206 with the bytes from `start` to before `end`.
  case part(start: Int, end: Int)
  /// 416.
  case unsatisfiable
}

/// Evaluates `Range` and `If-Range` of a GET request against a stored 200, RFC 9110 §13.1.5 and 14.2. Does
/// not allocate.
///
/// A range that cannot be read, another unit, and several ranges are ignored, as a server may.
///
/// - Parameters:
///   - length: Of the stored body in bytes.
///   - etag: The stored response's `ETag`.
///   - lastModified: Its `Last-Modified` in seconds since 1970.
///   - date: Its `Date`: `lastModified` identifies bytes only if it lies before (RFC 9110 §8.8.2.2).
public func evaluateRange(
  request: borrowing Head, length: Int, etag: Span<UInt8>?, lastModified: Int64?, date: Int64?
) -> RangeOutcome {
  guard request.has(.range), request.count(of: .range) == 1, let value = request.value(of: .range) else {
    return .whole
  }
  if request.has(.ifRange) {
    guard request.count(of: .ifRange) == 1, let condition = request.value(of: .ifRange),
      ifRange(condition, etag: etag, lastModified: lastModified, date: date)
    else { return .whole }
  }
  return byteRange(value, length: length)
}

/// Whether the client's part is of the stored response: strong comparison only.
private func ifRange(
  _ condition: Span<UInt8>, etag: Span<UInt8>?, lastModified: Int64?, date: Int64?
) -> Bool {
  if let etag, EntityTag.matchesStrongly(condition, etag) { return true }
  guard let lastModified, let date, lastModified < date, let stated = HTTPDate.parse(condition) else {
    return false
  }
  return stated == lastModified
}

/// `bytes=first-last`, `bytes=first-` or `bytes=-suffix`, RFC 9110 §14.1.2.
private func byteRange(_ value: Span<UInt8>, length: Int) -> RangeOutcome {
  guard value.count > 6, value.extracting(0..<6).equalsIgnoringCase("bytes=") else { return .whole }
  let range = value.trimmed(ByteRange(6, value.count))
  guard let dash = value.firstIndex(of: .dash, from: range.lower), dash < range.upper else { return .whole }
  let first = number(value.extracting(range.lower..<dash))
  let last = number(value.extracting((dash + 1)..<range.upper))
  switch (first, last) {
  case (.garbage, _), (_, .garbage), (.absent, .absent): return .whole
  case (.absent, .value(let suffix)):
    if suffix == 0 { return .unsatisfiable }
    // There is no way to state the range of nothing.
    return length == 0 ? .whole : .part(start: max(0, length - suffix), end: length)
  case (.value(let start), .absent):
    return start < length ? .part(start: start, end: length) : .unsatisfiable
  case (.value(let start), .value(let end)):
    if end < start { return .whole }
    return start < length ? .part(start: start, end: min(length - 1, end) + 1) : .unsatisfiable
  }
}

private enum RangeNumber {
  case absent, garbage
  case value(Int)
}

/// Saturates at 2⁶³ - 1: the client may ask for more than there can be.
private func number(_ digits: Span<UInt8>) -> RangeNumber {
  guard digits.count > 0 else { return .absent }
  for i in digits.indices where !digits[i].isDigit { return .garbage }
  return .value(digits.decimal ?? Int.max)
}
