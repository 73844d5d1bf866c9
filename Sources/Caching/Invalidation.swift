import Bytes
public import HTTP

/// Whether a request, by its response, invalidates what is stored under its URL, RFC 9111 §4.4: an unsafe
/// method, one that we do not know included, and no error.
public func invalidates(_ method: Method, status: UInt16) -> Bool {
  !method.isSafe && method != .purge && (200..<400).contains(status)
}

/// The canonical URL that a response's `Location` or `Content-Location` names, which is invalidated too if it
/// is of the request's own host, RFC 9111 §4.4: else any site could invalidate any other's pages.
///
/// - Returns: `nil` for another host, and for what would have to be resolved through `..`.
public func invalidatedURL(_ reference: Span<UInt8>, of request: borrowing RequestHead) -> [UInt8]? {
  var base = OutputBuffer(capacity: 256)
  writeHost(request.head.bytes(request.authority), ports: .both, to: &base)
  let hostEnd = base.count
  guard hostEnd > 0, reference.count > 0 else { return nil }
  if reference[0] == .slash, reference.count == 1 || reference[1] != .slash {
    base.append(reference)
    return canonicalURL(from: base.bytes)
  }
  if hasScheme(reference) || reference[0] == .slash {
    guard let url = canonicalURL(from: reference), url.count > hostEnd, url[hostEnd] == .slash,
      url.span.extracting(0..<hostEnd).equals(base.bytes)
    else { return nil }
    return url
  }
  guard reference[0] != .question, reference[0] != .dot else { return nil }
  writePathAndQuery(request.head.bytes(request.pathAndQuery), to: &base)
  base.truncate(to: directoryEnd(of: base.bytes, from: hostEnd))
  base.append(reference)
  return canonicalURL(from: base.bytes)
}

/// A colon before any slash, as in `https:`.
private func hasScheme(_ reference: Span<UInt8>) -> Bool {
  for i in reference.indices {
    if reference[i] == .colon { return true }
    if reference[i] == .slash || reference[i] == .question { return false }
  }
  return false
}

/// Past the last slash of the path.
private func directoryEnd(of url: Span<UInt8>, from start: Int) -> Int {
  var end = url.firstIndex(of: .question, from: start) ?? url.count
  while end > start, url[end - 1] != .slash { end -= 1 }
  return end
}
