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
    if let network = connection.countedAs { deployment.clientCounts?.leave(network) }
    counters.add(.connectionsOpen, -1)
  }

  /// Ends connections between two requests, those first that have been idle for longest: others cannot get in
  /// for want of places or descriptors. At most 32, ten times a second, whatever the storm.
  func makeRoom() {
    guard loop.now >= reliefDueAt else { return }
    reliefDueAt = loop.now + Listener.pauseMilliseconds
    let idle = connections.values.filter { $0.isIdle }
    guard !idle.isEmpty else { return }
    // The deadline of an idle connection tells how long it has been so. Who is above the mean stays.
    let mean = idle.reduce(0) { $0 + $1.deadline } / Milliseconds(idle.count)
    for connection in idle.filter({ $0.deadline <= mean }).prefix(32) { connection.endIdle() }
  }

  /// Our own name stands twice in `Via` or `CDN-Loop` (lifecycle L25).
  func isLoop(_ head: borrowing Head) -> Bool {
    guard head.present.intersects(Self.loopFields) else { return false }
    return count(in: head, .via) >= 2 || count(in: head, .cdnLoop) >= 2
  }

  private static let loopFields = FieldSet(.via, .cdnLoop)

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

  /// `Via`, `X-Forwarded-*` and `Forwarded` for the origin. What an untrusted client says about the way here
  /// is replaced, what a trusted proxy says is added to (lifecycle L24).
  func addForwarding(to head: inout Head, for exchange: Exchange) {
    if !exchange.facts.isTrusted { head.remove(Self.forwardingFields) }
    let authority = exchange.request.authority
    let via = viaValue
    head.append(.via, via.span)
    note.removeAll()
    exchange.writeRequestID(to: &note)
    head.remove(.xRequestID)
    // SAFETY: `note` is not written before this returns.
    head.append(.xRequestID, unsafe Span(_unsafeStart: note.base, count: note.count))
    addToList(.xForwardedFor, in: &head) { note in writeClient(exchange, to: &note) }
    if !head.has(.xForwardedProto) { head.append(.xForwardedProto, exchange.scheme) }
    if !head.has(.xForwardedHost), !authority.isEmpty {
      exchange.request.head.withBytes(authority) { head.append(.xForwardedHost, $0) }
    }
    addToList(.forwarded, in: &head) { note in
      note.append("for=")
      writeNode(exchange, to: &note)
      if !authority.isEmpty {
        note.append(";host=\"")
        exchange.request.head.withBytes(authority) { note.append($0) }
        note.append(.quote)
      }
      note.append(";proto=")
      note.append(exchange.scheme)
    }
  }

  private static let forwardingFields = FieldSet(
    .forwarded, .xForwardedFor, .xForwardedProto, .xForwardedHost)

  /// Adds a member to a field whose value is a list, in one line.
  private func addToList(
    _ field: KnownField, in head: inout Head, _ writeMember: (inout OutputBuffer) -> Void
  ) {
    note.removeAll()
    if head.has(field) {
      for line in head.lines where line.known == field {
        note.append(head.value(line))
        note.append(", ")
      }
      head.remove(field)
    }
    writeMember(&note)
    // SAFETY: `note` is not written before this returns.
    head.append(field, unsafe Span(_unsafeStart: note.base, count: note.count))
  }

  private func writeClient(_ exchange: Exchange, to note: inout OutputBuffer) {
    guard let address = exchange.facts.address, !address.isUnix else { return note.append("unknown") }
    address.writeHost(to: &note)
  }

  /// RFC 7239 §6: an IPv6 address stands in brackets and quotes.
  private func writeNode(_ exchange: Exchange, to note: inout OutputBuffer) {
    let isIPv6 = exchange.facts.address?.family == .ipv6
    if isIPv6 { note.append("\"[") }
    writeClient(exchange, to: &note)
    if isIPv6 { note.append("]\"") }
  }
}

extension SocketAddress {
  /// The address without its port.
  var hostText: String {
    var text = OutputBuffer(capacity: 64)
    writeHost(to: &text)
    return String(decoding: text.bytes.array, as: UTF8.self)
  }
}
