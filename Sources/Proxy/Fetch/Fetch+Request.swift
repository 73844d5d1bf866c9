import Bytes
import Caching
import HTTP
import Storage

/// The request that goes to the origin, and its body.
extension Fetch {
  /// Builds the request from an exchange's.
  func prepare(from exchange: Exchange, revalidating entry: consuming EntryHandle?) {
    traits = exchange.traits
    revalidated = consume entry
    fetchRequest.copy(from: exchange.request.head)
    let isBuilt = kind != .passed
    method = isBuilt ? .get : exchange.request.method
    Self.edit(&fetchRequest, for: exchange, isBuilt: isBuilt)
    if isBuilt { addValidators() }
    if !isBuilt, exchange.requestHasBody {
      bodyFraming = exchange.request.framing
      bodyHasEnded = false
    }
    machine.isReplayable = method.isIdempotent && bodyHasEnded
    write(from: exchange, isBuilt: isBuilt)
  }

  /// The request of another waiter, ready to be sent if the first one's brings a failure (lifecycle L11).
  static func alternateRequest(for exchange: Exchange) -> [UInt8] {
    var head = Head()
    head.copy(from: exchange.request.head)
    edit(&head, for: exchange, isBuilt: true)
    var output = OutputBuffer(capacity: 1024)
    writeRequestLine(of: exchange, isBuilt: true, to: &output)
    head.write(to: &output)
    output.append("\r\n")
    return Array(output)
  }

  private static func edit(_ head: inout Head, for exchange: Exchange, isBuilt: Bool) {
    head.removeHopByHop()
    head.remove(FieldSet(.contentLength, .xOriginalURL, .xRewriteURL, .xHost, .host, .softPurge))
    if isBuilt { removeRequestConditions(from: &head) }
    if exchange.worker.removesExpect { head.remove(.expect) }
    exchange.worker.addForwarding(to: &head, for: exchange)
  }

  private func addValidators() {
    guard let etag = revalidated?.etag else {
      if let seconds = revalidated?.lastModified {
        var date = OutputBuffer(capacity: 32)
        HTTPDate.write(seconds, to: &date)
        fetchRequest.append(.ifModifiedSince, date.bytes)
      }
      return
    }
    fetchRequest.append(.ifNoneMatch, etag)
  }

  private func write(from exchange: Exchange, isBuilt: Bool) {
    pending.removeAll()
    pendingSent = 0
    Self.writeRequestLine(of: exchange, isBuilt: isBuilt, to: &pending)
    fetchRequest.write(to: &pending)
    switch bodyFraming {
    case .none, .untilClose: break
    case .length(let length):
      pending.append("Content-Length: ")
      pending.append(decimal: length)
      pending.append("\r\n")
    case .chunked: pending.append("Transfer-Encoding: chunked\r\n")
    }
    // A method that may carry content says so when it does not (RFC 9110 §8.6).
    if bodyFraming == .none, method == .post || method == .put || method == .patch {
      pending.append("Content-Length: 0\r\n")
    }
    pending.append("\r\n")
    headCount = pending.count
  }

  /// Method, target byte for byte (lifecycle L6), and Host.
  private static func writeRequestLine(of exchange: Exchange, isBuilt: Bool, to output: inout OutputBuffer) {
    if isBuilt { output.append("GET") } else { output.append(exchange.request.methodBytes) }
    output.append(.space)
    exchange.request.writeTarget(to: &output)
    output.append(" HTTP/1.1\r\nHost: ")
    switch exchange.worker.configuration.hostHeader {
    case .preserve:
      if exchange.request.authority.isEmpty {
        output.append(exchange.worker.defaultHost)
      } else {
        output.append(exchange.request.head.bytes(exchange.request.authority))
      }
    case .backend: output.append(exchange.worker.defaultHost)
    case .fixed(let text): output.append(text)
    }
    output.append("\r\n")
  }

  var requestIsSent: Bool { bodyHasEnded && pendingSent == pending.count }

  /// Bytes of the request's body that can be taken from the client now.
  var bodyRoom: Int {
    guard machine.phase == .awaitingHead, !bodyHasEnded else { return 0 }
    return max(0, Self.bodyWindow - (pending.count - pendingSent))
  }

  func sendBody(_ bytes: UnsafePointer<UInt8>, count: Int) {
    guard count > 0, !bodyHasEnded, machine.phase == .awaitingHead || machine.phase == .readingBody else {
      return
    }
    if bodyFraming == .chunked {
      pending.append(String(count, radix: 16))
      pending.append("\r\n")
    }
    unsafe pending.append(from: bytes, count: count)
    if bodyFraming == .chunked { pending.append("\r\n") }
    connection?.flush()
  }

  func endBody() {
    guard !bodyHasEnded else { return }
    bodyHasEnded = true
    if bodyFraming == .chunked { pending.append("0\r\n\r\n") }
    connection?.flush()
    if machine.phase == .awaitingHead { setDeadline(worker.limits.firstByteTimeoutMilliseconds) }
  }

  /// Some of `pending` was taken by the socket.
  func sent(_ count: Int) {
    pendingSent += count
    worker.counters.add(.upstreamBytesSent, count)
    guard pendingSent == pending.count, bodyFraming != .none else { return }
    // Without a body the head stays, for a replay.
    bodyHasLeft = bodyHasLeft || pendingSent > headCount
    pending.removeAll()
    pendingSent = 0
    if !bodyHasEnded { wantBody() }
  }

  func wantBody() {
    if let exchange = worker.localIfAny(fill)?.starter { exchange.client?.wantsRequestBody(of: exchange) }
  }
}
