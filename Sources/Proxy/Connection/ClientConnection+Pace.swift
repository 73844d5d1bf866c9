import IO

/// What the deadline of a connection measures: in `--body-timeout` a client must move so much of a body or a
/// response as `--min-rate` asks for, whether in one piece or byte by byte.
enum Transfer {
  case none
  /// Since the window began: bytes of the response's body that the client had.
  case sending(from: Int)
  /// Likewise: bytes of the request's body that had come.
  case receiving(from: Int)
}

extension ClientConnection {
  /// The socket is full: it is the client's turn. A window that runs already goes on, or whoever takes a byte
  /// now and then would begin a new one with each.
  func awaitTaking(by exchange: Exchange) {
    if case .sending = transfer, deadline > 0 { return }
    transfer = .sending(from: taken(by: exchange))
    beginWindow()
  }

  /// The client has all that there is.
  func stopAwaitingTaking() {
    guard case .sending = transfer else { return }
    endWindow()
    if machine.bodyIsArriving, wantsBody, let exchange { awaitBody(of: exchange) }
  }

  /// A body is to come. While the client does not take the response either, that is what is measured.
  func awaitBody(of exchange: Exchange) {
    switch transfer {
    case .sending, .receiving: if deadline > 0 { return }
    case .none: break
    }
    transfer = .receiving(from: exchange.bodyReceived)
    beginWindow()
  }

  /// It has come, or it is the origin that is slow now; its own time-outs bound that.
  func stopAwaitingBody() { if case .receiving = transfer { endWindow() } }

  /// The window has passed. True: the client did what it must, and another window has begun.
  func keepsPace() -> Bool {
    guard machine.phase == .exchanging, let exchange else { return false }
    let moved: Int
    switch transfer {
    case .none: return false
    case .sending(let start):
      moved = taken(by: exchange) - start
      transfer = .sending(from: start + moved)
    case .receiving(let start):
      moved = exchange.bodyReceived - start
      transfer = .receiving(from: start + moved)
    }
    guard moved >= worker.limits.leastProgressBytes else { return false }
    beginWindow()
    return true
  }

  private func beginWindow() {
    worker.loop.setDeadline(self, worker.loop.now + worker.limits.bodyTimeoutMilliseconds)
  }

  private func endWindow() {
    transfer = .none
    worker.loop.setDeadline(self, 0)
  }

  /// What has left the socket's buffer. That it has room again is announced only when a third of it is empty,
  /// which takes an honest client on a slow line longer than a window.
  private func taken(by exchange: Exchange) -> Int {
    exchange.bytesSent - worker.loop.kernel.unsentBytes(fd)
  }
}
