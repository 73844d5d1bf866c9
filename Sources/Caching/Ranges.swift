import Bytes
public import HTTP

/// What a request for ranges gets of a stored whole response.
public enum RangeOutcome: Equatable, Sendable {
  /// 200 with all of it.
  case whole
  /// 206 with these bytes.
  case part(Range<Int>)
  /// 206 with two or more parts that neither overlap nor touch, in the order in which they were asked for.
  case parts([Range<Int>])
  /// 416.
  case unsatisfiable
}

/// Ranges of one request; one with more gets the whole (RFC 9110 §17.15).
let rangeLimit = 16

/// Evaluates `Range` and `If-Range` of a GET request against a stored 200, RFC 9110 §13.1.5 and 14.2.
/// Allocates for two or more parts only.
///
/// Ranges that cannot be read, or too many of them, and another unit are ignored, as a server may.
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
  return byteRanges(value, length: length)
}

/// Whether a GET request asks for parts that would not be ignored. `If-Range` is left out: what it is
/// compared with is not known.
public func asksForPart(_ request: borrowing Head) -> Bool {
  guard request.has(.range), request.count(of: .range) == 1, let value = request.value(of: .range) else {
    return false
  }
  return byteRanges(value, length: .max) != .whole
}

/// The length of the whole that a part's `Content-Range` states, RFC 9110 §14.4; `nil`: none.
public func completeLength(contentRange value: Span<UInt8>) -> Int? {
  guard value.count > 6, value.extracting(0..<6).equalsIgnoringCase("bytes "),
    let slash = value.firstIndex(of: .slash)
  else { return nil }
  return value.extracting((slash + 1)..<value.count).decimal
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

/// The ranges behind `bytes=`, RFC 9110 §14.1.1.
private func byteRanges(_ value: Span<UInt8>, length: Int) -> RangeOutcome {
  guard value.count > 6, value.extracting(0..<6).equalsIgnoringCase("bytes=") else { return .whole }
  let list = value.extracting(6..<value.count)
  // Nearly all requests for ranges are for one.
  if list.firstIndex(of: .comma) == nil {
    return byteRange(list.extracting(list.trimmed(ByteRange(0, list.count))), length: length)
  }
  var members = ListMembers()
  var asked = 0
  var parts = DisjointRanges()
  while let member = members.next(in: list) {
    asked += 1
    guard asked <= rangeLimit else { return .whole }
    switch byteRange(list.extracting(member), length: length) {
    case .part(let part): parts.add(part)
    case .unsatisfiable: break
    case .whole, .parts: return .whole
    }
  }
  if asked == 0 { return .whole }
  return switch parts.count {
  case 0: .unsatisfiable
  case 1: .part(parts.ranges[0])
  default: .parts(parts.array)
  }
}

/// `first-last`, `first-` or `-suffix`, RFC 9110 §14.1.2.
private func byteRange(_ range: Span<UInt8>, length: Int) -> RangeOutcome {
  guard let dash = range.firstIndex(of: .dash) else { return .whole }
  let first = number(range.extracting(0..<dash))
  let last = number(range.extracting((dash + 1)..<range.count))
  switch (first, last) {
  case (.garbage, _), (_, .garbage), (.absent, .absent): return .whole
  case (.absent, .value(let suffix)):
    if suffix == 0 { return .unsatisfiable }
    // There is no way to state the range of nothing.
    return length == 0 ? .whole : .part(max(0, length - suffix)..<length)
  case (.value(let start), .absent):
    return start < length ? .part(start..<length) : .unsatisfiable
  case (.value(let start), .value(let end)):
    if end < start { return .whole }
    return start < length ? .part(start..<(min(length - 1, end) + 1)) : .unsatisfiable
  }
}

/// Ranges of which no two overlap or touch: those that would are one, in the place of the first of them
/// (RFC 9110 §15.3.7.2).
private struct DisjointRanges {
  private(set) var ranges = InlineArray<16, Range<Int>>(repeating: 0..<0)
  private(set) var count = 0

  /// Called at most `rangeLimit` times.
  mutating func add(_ new: Range<Int>) {
    var union = new
    var place: Int?
    var kept = 0
    for i in 0..<count {
      let old = ranges[i]
      if old.lowerBound <= new.upperBound, new.lowerBound <= old.upperBound {
        union = min(union.lowerBound, old.lowerBound)..<max(union.upperBound, old.upperBound)
        guard place == nil else { continue }
        place = kept
      } else {
        ranges[kept] = old
      }
      kept += 1
    }
    ranges[place ?? kept] = union
    count = place == nil ? kept + 1 : kept
  }

  var array: [Range<Int>] { (0..<count).map { ranges[$0] } }
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
