import Bytes
import Caching
import HTTP
import Storage

/// The request that goes to the origin, and its body.
extension Fetch {
  /// Builds the request from an exchange's.
  func prepare(from exchange: Exchange, revalidating entry: consuming EntryHandle?) {
    traits = exchange.traits
    noteClient(of: exchange)
    revalidated = consume entry
    let isBuilt = kind != .passed
    method = isBuilt ? .get : exchange.request.method
    memory.pending.removeAll()
    memory.request.copy(from: exchange.request.head)
    Self.edit(&memory.request, for: exchange, isBuilt: isBuilt)
    if isBuilt { addOurValidators() }
    if !isBuilt { upgrade = exchange.upgrade }
    if !isBuilt, exchange.requestHasBody {
      bodyFraming = exchange.request.framing
      bodyHasEnded = false
    }
    machine.isReplayable = method.isIdempotent
    policyAction = worker.policy.fetch(self)
    Self.writeRequestLine(of: exchange, isBuilt: isBuilt, to: &memory.pending)
    memory.request.write(to: &memory.pending)
    writeFraming()
    if isLastOnConnection { memory.pending.append("Connection: close\r\n") }
    memory.pending.append("\r\n")
    headCount = memory.pending.count
  }

  /// The request of another waiter, ready to be sent if the first one's brings a failure (lifecycle L11).
  static func alternateRequest(for exchange: Exchange) -> AlternateRequest {
    var head = Head()
    head.copy(from: exchange.request.head)
    edit(&head, for: exchange, isBuilt: true)
    var output = OutputBuffer(capacity: 1024)
    writeRequestLine(of: exchange, isBuilt: true, to: &output)
    head.write(to: &output)
    output.append("\r\n")
    return AlternateRequest(output.bytes.array, exchange.traits)
  }

  /// Takes another waiter's request in the place of the first one's. From here on the response is for that
  /// waiter, whoever it is: it must not be stored or shown as an answer to the first one, which may have
  /// shown other cookies or none. False: there is none.
  func takeAlternate() -> Bool {
    guard let alternate = fill.alternateRequest else { return false }
    var parsed = RequestHead()
    let isComplete = unsafe alternate.bytes.withUnsafeBufferPointer { bytes in
      guard let base = bytes.baseAddress else { return false }
      // With our own fields it may be larger than what a client may send.
      let limits = HeadLimits(headBytes: 1 << 30, targetBytes: 1 << 30, fieldCount: 1 << 20)
      do throws(RequestError) {
        guard unsafe try parsed.parse(base, count: bytes.count, limits: limits) else { return false }
      } catch {
        return false
      }
      memory.request.copy(from: parsed.head)
      return true
    }
    guard isComplete else { return false }
    traits = alternate.traits
    memory.pending.removeAll()
    memory.pending.append(alternate.bytes)
    headCount = alternate.bytes.count
    worker.localIfAny(fill)?.starter = nil
    return true
  }

  private static func edit(_ head: inout Head, for exchange: Exchange, isBuilt: Bool) {
    head.removeHopByHop()
    head.remove(Self.ownFields)
    let isTrusted = exchange.facts.isTrusted
    head.removeOthers { name in
      ForgedName.isLookalike(name) || !isTrusted && ForgedName.isForwarding(name)
        || isBuilt && ForgedName.isMethodOverride(name)
    }
    if isBuilt { buildFillHead(&head) }
    if let left = exchange.hopsLeft {
      head.remove(.maxForwards)
      head.append(.maxForwards, Array("\(left - 1)".utf8).span)
    }
    exchange.worker.addForwarding(to: &head, for: exchange)
    let upgrade = exchange.upgrade
    if !isBuilt, !upgrade.isEmpty {
      head.append(.connection, "upgrade")
      head.append(.upgrade, upgrade.span)
    }
  }

  /// Stated by us, or never forwarded. `Expect` is answered here: the body follows the request at once.
  private static let ownFields = FieldSet(
    bits: FieldSet(.contentLength, .host, .expect).bits | FieldSet.neverForwarded.bits)

  private func addOurValidators() {
    guard let entry = revalidated?.duplicate() else { return }
    let facts = HeadFacts(entry.head)
    // Asked without a condition, the origin can confirm nothing.
    if facts.etag == nil, facts.lastModifiedText == nil { revalidated = nil }
    if let etag = facts.etag { memory.request.append(.ifNoneMatch, entry.head.extracting(etag)) }
    if let text = facts.lastModifiedText {
      memory.request.append(.ifModifiedSince, entry.head.extracting(text))
    }
  }

  /// A server that does not read this body would take it for a request of its own, and its answer for the
  /// answer to the next one.
  var isLastOnConnection: Bool { bodyFraming != .none && method.mayLeaveBodyUnread }

  private func writeFraming() {
    switch bodyFraming {
    case .length(let length):
      memory.pending.append("Content-Length: ")
      memory.pending.append(decimal: length)
      memory.pending.append("\r\n")
    case .chunked: memory.pending.append("Transfer-Encoding: chunked\r\n")
    case .none, .untilClose:
      // A method that may carry content says so when it does not (RFC 9110 §8.6).
      if method == .post || method == .put || method == .patch {
        memory.pending.append("Content-Length: 0\r\n")
      }
    }
  }

  /// Method, target byte for byte (lifecycle L6), and Host.
  private static func writeRequestLine(of exchange: Exchange, isBuilt: Bool, to output: inout OutputBuffer) {
    if isBuilt {
      output.append("GET")
    } else {
      exchange.request.head.withBytes(exchange.request.methodRange) { output.append($0) }
    }
    output.append(.space)
    writeTarget(of: exchange, to: &output)
    output.append(" HTTP/1.1\r\nHost: ")
    switch exchange.worker.configuration.hostHeader {
    case .preserve where !exchange.request.authority.isEmpty:
      exchange.request.head.withBytes(exchange.request.authority) { output.append($0) }
    case .preserve, .backend: output.append(exchange.worker.defaultHost)
    case .fixed(let text): output.append(text)
    }
    output.append("\r\n")
  }

  private static func writeTarget(of exchange: Exchange, to output: inout OutputBuffer) {
    guard !exchange.request.pathAndQuery.isEmpty else {
      output.append(exchange.request.method == .options ? "*" : "/")
      return
    }
    exchange.request.head.withBytes(exchange.request.pathAndQuery) { target in
      if target[0] == .question { output.append(.slash) }
      output.append(target)
    }
  }

  var requestIsSent: Bool { bodyHasEnded && pendingSent == memory.pending.count }

  /// All that the client has sent of its request is with the server, and more is to come.
  var requestWaitsForClient: Bool { !bodyHasEnded && pendingSent == memory.pending.count }

  /// Bytes of the request's body that can be taken from the client now.
  var bodyRoom: Int {
    guard acceptsBody else { return 0 }
    return max(0, Self.bodyWindow - (memory.pending.count - pendingSent))
  }

  private var acceptsBody: Bool {
    !bodyHasEnded && (machine.phase == .awaitingHead || machine.phase == .readingBody)
  }

  func sendBody(_ bytes: UnsafePointer<UInt8>, count: Int) {
    guard count > 0, acceptsBody else { return }
    if bodyFraming == .chunked {
      memory.pending.append(hex: UInt64(count), digits: 1)
      memory.pending.append("\r\n")
    }
    unsafe memory.pending.append(from: bytes, count: count)
    if bodyFraming == .chunked { memory.pending.append("\r\n") }
    connection?.flush()
  }

  func endBody() {
    guard acceptsBody else { return }
    bodyHasEnded = true
    if bodyFraming == .chunked { memory.pending.append("0\r\n\r\n") }
    connection?.flush()
    if machine.phase == .awaitingHead { setDeadline(worker.limits.firstByteTimeoutMilliseconds) }
  }

  /// Some of `pending` was taken by the socket.
  func sent(_ count: Int) {
    pendingSent += count
    worker.counters.add(.upstreamBytesSent, count)
    if machine.phase == .awaitingHead { setDeadline(worker.limits.firstByteTimeoutMilliseconds) }
    // Without a body the head stays, for a replay.
    guard bodyFraming != .none else { return }
    let isAllSent = pendingSent == memory.pending.count
    defer { if isAllSent, !bodyHasEnded { wantBody() } }
    // A short body is kept, so that the request can be sent again on another connection.
    guard memory.pending.count > Self.replayLimit else { return }
    // A server that takes a body slower than it comes never has all of it: what it has taken goes in pieces.
    guard isAllSent || pendingSent >= Self.bodyWindow else { return }
    bodyHasLeft = bodyHasLeft || pendingSent > headCount
    memory.pending.removeFirst(pendingSent)
    pendingSent = 0
    headCount = 0
  }

  func wantBody() {
    if let exchange = worker.localIfAny(fill)?.starter { exchange.stream?.wantsRequestBody(of: exchange) }
  }
}
