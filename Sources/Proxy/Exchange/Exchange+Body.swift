import Bytes

/// The request's body: on its way to the origin, or collected for an answer of our own.
extension Exchange {
  /// Bytes of the request's body that can be taken now.
  var bodyRoom: Int {
    if collectLimit > 0 { return max(1, collectLimit - collected.count) }
    return ownFetch?.bodyRoom ?? 0
  }

  func receiveBody(_ bytes: UnsafePointer<UInt8>, count: Int) {
    bodyReceived += count
    guard collectLimit > 0 else {
      guard bodyReceived <= worker.limits.maxBodyBytes else { return requestBodyFailed(status: 413) }
      unsafe ownFetch?.sendBody(bytes, count: count)
      return
    }
    guard collected.count + count <= collectLimit else { return requestBodyFailed(status: 413) }
    unsafe collected.append(contentsOf: UnsafeBufferPointer(start: bytes, count: count))
  }

  func receiveBodyEnd() {
    guard collectLimit > 0 else {
      ownFetch?.endBody()
      return
    }
    collectLimit = 0
    if facts.role == .admin { worker.admin.answerWhole(self) } else { DemoOrigin.answerWhole(self) }
  }

  /// The body is for us: read all of it, at most `limit` bytes, before the answer.
  func collect(limit: Int) {
    collectLimit = limit
    phase = .waiting
    persistRequest()
    stream?.wantsRequestBody(of: self)
  }

  /// The body's framing is broken, or it is too long. The origin must not take it for complete.
  func requestBodyFailed(status: UInt16, because reason: StaticString? = nil) {
    collectLimit = 0
    ownFetch?.clientGone()
    ownFetch = nil
    leaveFill()
    if phase == .delivering { stream?.cut(self) } else { refuse(status: status, because: reason) }
  }

  /// The demo origin's slow page.
  func waitForDemo(milliseconds: Milliseconds) {
    phase = .waiting
    persistRequest()
    worker.loop.setDeadline(self, worker.loop.now + milliseconds)
  }
}
