import Bytes
import Caching
import HTTP

/// Responses of our own.
extension Exchange {
  /// A request that is not one we may act upon, or have no room for. The connection ends with the answer.
  func refuse(status: UInt16, because reason: StaticString? = nil) {
    leaveFill()
    decision = .synthetic(status == 503 ? .overloaded : .refused)
    outgoing.closes = true
    let text = "\(status) \(StatusText.reason(status))\(reason.map { ": \($0)" } ?? "")\n"
    deliverOwn(status: status, body: Array(text.utf8))
  }

  /// False: its client asks too fast, and has been told so.
  func isInTime() -> Bool {
    guard let rates = worker.requestRates, let network = ClientNetwork(client),
      let seconds = rates.wait(for: network, at: worker.loop.now * 1000)
    else { return true }
    decision = .synthetic(.rateLimited)
    deliverOwn(
      status: 429, body: Array("Too many requests.\n".utf8), extra: "Retry-After: \(seconds)\r\n")
    return false
  }

  /// The policy's own response.
  func deliverSynthetic(_ response: Synthetic) {
    switch worker.policy.synthesize(self) {
    case .deliver: break
    case .restart: return restart()
    case .fail: break
    }
    decision = .synthetic(.policy)
    deliverOwn(status: response.status, body: Array(response.body.utf8))
  }

  func deliverOwn(
    status: UInt16, body: [UInt8], contentType: StaticString = "text/plain; charset=utf-8", extra: String = ""
  ) {
    self.status = status
    beginOwnHead(status: status)
    if !body.isEmpty {
      worker.tail.append("Content-Type: ")
      worker.tail.append(contentType)
      worker.tail.append("\r\n")
    }
    worker.tail.append(extra)
    if status == 503 { worker.tail.append("Retry-After: 1\r\n") }
    finishSynthetic(body: body, CacheStatusFacts(isTrusted: facts.isTrusted))
  }

  private func beginOwnHead(status: UInt16) {
    worker.tail.removeAll()
    worker.tail.append("HTTP/1.1 ")
    worker.tail.append(decimal: Int(status))
    worker.tail.append(.space)
    worker.tail.append(StatusText.reason(status))
    worker.tail.append("\r\nDate: ")
    HTTPDate.write(worker.loop.wallSeconds, to: &worker.tail)
    worker.tail.append("\r\n")
  }

  /// Hands over a response whose head, but for the fields of caching and framing, is in `tail`.
  func finishSynthetic(body bytes: [UInt8], _ cacheStatus: CacheStatusFacts) {
    if facts.role == .proxy { writeStatusFields(cacheStatus, key: Span()) }
    unsafe outgoing.storedHead = nil
    outgoing.storedCount = 0
    outgoing.bodyLength = bytes.count
    outgoing.statesLength = mayHaveBody(status)
    outgoing.sendsBody = request.method != .head && mayHaveBody(status)
    body.read(bytes)
    phase = .delivering
    stream?.sendHead(of: self)
  }
}
