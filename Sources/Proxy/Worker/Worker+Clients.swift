import Bytes
import Caching
import HTTP
import IO
import Telemetry

/// Clients: how many there are, who they are, and what the origin is told about them.
extension Worker {
  func connectionOpened(_ connection: ClientConnection) {
    connections[ObjectIdentifier(connection)] = connection
    counters.add(.connectionsAccepted)
    counters.add(.connectionsOpen)
  }

  func connectionClosed(_ connection: ClientConnection) {
    guard connections.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
    deployment.clients.wrappingSubtract(1, ordering: .relaxed)
    counters.add(.connectionsOpen, -1)
  }

  /// Our own name stands twice in `Via` or `CDN-Loop` (lifecycle L25).
  func isLoop(_ head: borrowing Head) -> Bool {
    guard head.present.intersects(FieldSet(.via, .cdnLoop)) else { return false }
    return count(in: head, .via) >= 2 || count(in: head, .cdnLoop) >= 2
  }

  private func count(in head: borrowing Head, _ field: KnownField) -> Int {
    let pseudonym = deployment.pseudonym
    var count = 0
    for line in head.lines where line.known == field {
      forEachListMember(of: head.value(line)) { member in
        if contains(member, pseudonym.span) { count += 1 }
      }
    }
    return count
  }

  private func contains(_ text: Span<UInt8>, _ name: Span<UInt8>) -> Bool {
    guard text.count >= name.count else { return false }
    for start in 0...(text.count - name.count)
    where text.extracting(start..<(start + name.count)).equals(name) { return true }
    return false
  }

  /// `Via`, `X-Forwarded-*` and `Forwarded` for the origin. What an untrusted client says about the way here is
  /// replaced, what a trusted proxy says is added to (lifecycle L24).
  func addForwarding(to head: inout Head, for exchange: Exchange) {
    let isTrusted = exchange.facts.isTrusted
    if !isTrusted {
      head.remove(FieldSet(.forwarded, .xForwardedFor, .xForwardedProto, .xForwardedHost))
    }
    var text = OutputBuffer(capacity: 128)
    text.append("1.1 ")
    text.append(deployment.pseudonym)
    head.append(.via, text.bytes)
    text.removeAll()
    let address = exchange.facts.address
    if let address { text.append(address.hostText) } else { text.append("unknown") }
    head.append(.xForwardedFor, text.bytes)
    if !head.has(.xForwardedProto) { head.append(.xForwardedProto, exchange.facts.scheme) }
    let authority = exchange.request.head.withBytes(exchange.request.authority) { $0.array }
    if !head.has(.xForwardedHost), authority.count > 0 { head.append(.xForwardedHost, authority.span) }
    text.removeAll()
    text.append("for=")
    appendNode(address, to: &text)
    if authority.count > 0 {
      text.append(";host=\"")
      text.append(authority)
      text.append("\"")
    }
    text.append(";proto=")
    text.append(exchange.facts.scheme)
    head.append(.forwarded, text.bytes)
  }

  /// RFC 7239 §6: an IPv6 address stands in brackets and quotes.
  private func appendNode(_ address: SocketAddress?, to text: inout OutputBuffer) {
    guard let address, !address.isUnix else { return text.append("unknown") }
    if address.family == .ipv6 {
      text.append("\"[")
      text.append(address.hostText)
      text.append("]\"")
    } else {
      text.append(address.hostText)
    }
  }
}

extension SocketAddress {
  /// The address without its port.
  var hostText: String {
    let text = description
    guard !isUnix, let colon = text.lastIndex(of: ":") else { return text }
    return String(text[..<colon].drop { $0 == "[" }.filter { $0 != "]" })
  }
}
