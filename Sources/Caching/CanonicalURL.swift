public import Bytes
public import HTTP

/// A request's canonical URL (L7): host in lower case, its port unless that is a default one, path and query
/// byte for byte. No scheme: a purge concerns all of them. Does not allocate while `output` has room.
public func writeCanonicalURL(_ request: borrowing RequestHead, to output: inout OutputBuffer) {
  writeHost(request.head.bytes(request.authority), ports: .both, to: &output)
  writePathAndQuery(request.head.bytes(request.pathAndQuery), to: &output)
}

/// The canonical URL that a text names: `http://host/path?q`, `https://…`, `//host/path` or `host/path`. A
/// fragment is dropped. `nil`: it is none of these, or has bytes that no request target has.
public func canonicalURL(from text: Span<UInt8>) -> [UInt8]? {
  var start = 0
  for prefix: StaticString in ["http://", "https://", "//"] {
    let count = prefix.utf8CodeUnitCount
    if text.count >= count, text.extracting(0..<count).equalsIgnoringCase(prefix) {
      start = count
      break
    }
  }
  let end = text.firstIndex(of: UInt8(ascii: "#")) ?? text.count
  guard start < end else { return nil }
  for i in start..<end where text[i] <= .space || text[i] == 127 { return nil }
  var hostEnd = start
  while hostEnd < end, text[hostEnd] != .slash, text[hostEnd] != .question { hostEnd += 1 }
  // RFC 3986 §3.2.3 allows an empty port; without a scheme before it, it would be the end of one.
  let hasEmptyPort = start > 0 && text[hostEnd - 1] == .colon
  let authority = text.extracting(start..<(hasEmptyPort ? hostEnd - 1 : hostEnd))
  guard Authority.isValid(authority), !hasEmptyPort || portColon(in: authority) == nil else { return nil }
  var output = OutputBuffer(capacity: end - start + 1)
  writeHost(authority, ports: .both, to: &output)
  writePathAndQuery(text.extracting(hostEnd..<end), to: &output)
  return copy(output.bytes)
}

private func copy(_ bytes: Span<UInt8>) -> [UInt8] {
  var copied: [UInt8] = []
  copied.reserveCapacity(bytes.count)
  for i in bytes.indices { copied.append(bytes[i]) }
  return copied
}

/// Whose default ports are left out.
enum DefaultPorts {
  case http, https, both

  func contains(_ port: Span<UInt8>) -> Bool {
    switch self {
    case .http: port.equals("80")
    case .https: port.equals("443")
    case .both: port.equals("80") || port.equals("443")
    }
  }
}

/// Writes `host[:port]`, which is valid, normalised: lower case, without a default port (RFC 9110 §4.2.3).
func writeHost(_ authority: Span<UInt8>, ports: DefaultPorts, to output: inout OutputBuffer) {
  var end = authority.count
  if let colon = portColon(in: authority) {
    let port = authority.extracting((colon + 1)..<authority.count)
    if ports.contains(port) { end = colon }
  }
  output.append(lowering: authority.extracting(0..<end))
}

/// Writes path and query byte for byte (L6); an empty path is `/` (RFC 9110 §4.2.3).
func writePathAndQuery(_ target: Span<UInt8>, to output: inout OutputBuffer) {
  if target.count == 0 || target[0] != .slash { output.append(.slash) }
  output.append(target)
}

/// The colon before the port; those within the brackets of an IPv6 address are not it.
private func portColon(in authority: Span<UInt8>) -> Int? {
  var i = authority.count
  while i > 0, authority[i - 1].isDigit { i -= 1 }
  guard i > 0, authority[i - 1] == .colon else { return nil }
  return i - 1
}
