import Bytes
import HTTP
import IO

/// The request's body: read only when the exchange wants it and has room, decoded, and handed on.
extension ClientConnection {
  func wantsRequestBody(of exchange: Exchange) {
    guard machine.bodyIsArriving, exchange === self.exchange else { return }
    wantsBody = true
    // A head that came in pieces leaves an empty buffer behind; bytes in it are the body, already on its way.
    if exchange.request.expectsContinue, !hasSentContinue, !output.isActive, input?.isEmpty ?? true {
      sendNow("HTTP/1.1 100 Continue\r\n\r\n")
    }
    hasSentContinue = true
    awaitBody(of: exchange)
    worker.loop.resumeLater(self)
  }

  /// False: no more for now.
  func receiveBody() -> Bool {
    guard wantsBody, machine.bodyIsArriving, let exchange else { return false }
    guard exchange.bodyRoom > 0 else {
      stopAwaitingBody()
      return false
    }
    if input != nil {
      let count = input!.count
      let used = unsafe decode(input!.base, count: count, for: exchange)
      guard self.exchange === exchange, fd >= 0 else { return false }
      input!.use(used)
      if input!.isEmpty { dropInput() }
      return true
    }
    let scratch = unsafe worker.scratch
    guard let count = unsafe read(into: scratch, room: Worker.scratchBytes) else { return false }
    let base = unsafe UnsafePointer(scratch.assumingMemoryBound(to: UInt8.self))
    let used = unsafe decode(base, count: count, for: exchange)
    guard self.exchange === exchange, fd >= 0 else { return false }
    if used < count { unsafe keep(base + used, count: count - used) }
    return true
  }

  /// Hands the payload among `count` bytes to the exchange. Returns the bytes that belong to the body.
  private func decode(_ base: UnsafePointer<UInt8>, count: Int, for exchange: Exchange) -> Int {
    switch requestBody {
    case .none, .ended:
      return 0
    case .length(let remaining):
      let take = min(remaining, count)
      requestBody = take == remaining ? .ended : .length(remaining: remaining - take)
      unsafe exchange.receiveBody(base, count: take)
      if take == remaining { endBody(of: exchange) }
      return take
    case .chunked(var decoder):
      let used = unsafe decodeChunks(&decoder, base, count: count, for: exchange)
      if case .chunked = requestBody { requestBody = .chunked(decoder) }
      return used
    }
  }

  private func decodeChunks(
    _ decoder: inout ChunkedDecoder, _ base: UnsafePointer<UInt8>, count: Int, for exchange: Exchange
  ) -> Int {
    let bytes = unsafe Span<UInt8>(_unsafeStart: base, count: count)
    var at = 0
    do throws(ChunkedError) {
      while true {
        switch try decoder.next(bytes, from: at) {
        case .data(let range):
          unsafe exchange.receiveBody(base + range.lower, count: range.count)
          guard self.exchange === exchange, fd >= 0 else { return count }
          at = range.upper
        case .needMore(let consumed):
          return consumed
        case .end(let consumed):
          requestBody = .ended
          endBody(of: exchange)
          return consumed
        }
      }
    } catch {
      requestBody = .ended
      exchange.requestBodyFailed(status: 400, because: error.text)
      return count
    }
  }

  private func endBody(of exchange: Exchange) {
    guard self.exchange === exchange else { return }
    perform(machine.handle(.requestBodyEnded))
    stopAwaitingBody()
    exchange.receiveBodyEnd()
  }
}
