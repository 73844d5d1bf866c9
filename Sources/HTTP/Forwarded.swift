public import Bytes

/// Where the value of a parameter stands in an element of `Forwarded` (RFC 7239 §4), without its quotes;
/// `nil`: it is not there, or is there twice, or is quoted with escapes, which no address or scheme needs.
///
/// - Parameter name: In lower case.
public func forwardedParameter(_ name: StaticString, of element: Span<UInt8>) -> ByteRange? {
  var found: ByteRange?
  var start = 0
  while start < element.count {
    let end = pairEnd(in: element, from: start)
    let pair = element.trimmed(ByteRange(start, end))
    start = end + 1
    guard let equals = element.extracting(pair).firstIndex(of: UInt8(ascii: "=")),
      element.extracting(pair.lower..<(pair.lower + equals)).equalsIgnoringCase(name)
    else { continue }
    guard found == nil, let value = unquoted(ByteRange(pair.lower + equals + 1, pair.upper), in: element)
    else { return nil }
    found = value
  }
  return found
}

/// A semicolon within quotes belongs to its pair.
private func pairEnd(in element: Span<UInt8>, from start: Int) -> Int {
  var isQuoted = false
  for i in start..<element.count {
    if element[i] == .quote { isQuoted.toggle() }
    if element[i] == .semicolon, !isQuoted { return i }
  }
  return element.count
}

private func unquoted(_ value: ByteRange, in element: Span<UInt8>) -> ByteRange? {
  guard value.count > 0 else { return nil }
  guard element[value.lower] == .quote else { return value }
  guard value.count >= 2, element[value.upper - 1] == .quote else { return nil }
  let inside = ByteRange(value.lower + 1, value.upper - 1)
  for i in inside.lower..<inside.upper where element[i] == .backslash || element[i] == .quote { return nil }
  return inside
}
