import Bytes
import Glibc
import HTTP
import IO

/// Reading: heads, bodies, and what a lingering peer still sends.
extension ClientConnection {
  /// Takes what is there until nothing is left, nothing is wanted, or the share of this turn is used.
  func receive() {
    var goesOn = receiveAhead()
    while goesOn, fd >= 0, machine.phase == .exchanging || !output.isActive {
      switch machine.phase {
      case .idle, .readingHead: goesOn = awaitsProxyHeader ? receiveProxyHeader() : receiveHead()
      case .exchanging: goesOn = receiveBody()
      case .lingering: goesOn = discard()
      case .tunnelling, .closed: goesOn = false
      }
    }
  }

  /// Reads what an idle connection has sent, to answer it when all that are ready have been read. False: it
  /// is not idle, or too many are ready.
  func readsAhead() -> Bool {
    guard machine.phase == .idle, exchange == nil, input == nil, !awaitsProxyHeader, aheadSlot == nil,
      let slot = worker.readAhead.take()
    else { return false }
    let bytes = unsafe worker.readAhead.bytes(of: slot)
    guard let count = unsafe read(into: bytes, room: ReadAhead.slotBytes) else {
      worker.readAhead.giveBack()
      return true
    }
    aheadSlot = slot
    aheadCount = count
    worker.loop.setDeadline(self, 0)
    worker.loop.resumeLater(self)
    return true
  }

  /// False: nothing more is to be received for now.
  private func receiveAhead() -> Bool {
    guard let slot = aheadSlot else { return true }
    aheadSlot = nil
    defer { worker.readAhead.giveBack() }
    let bytes = unsafe worker.readAhead.bytes(of: slot)
    return unsafe receiveHead(in: bytes, count: aheadCount)
  }

  /// Reads and parses a head, and starts its exchange. False: there is no more for now.
  private func receiveHead() -> Bool {
    if exchange == nil, hasUsedItsShare() {
      worker.loop.resumeLater(self)
      return false
    }
    guard input != nil else { return receiveHeadFromSocket() }
    if headNeedsMore || input!.isEmpty {
      input!.reserve(4096)
      followInput()
      guard let count = unsafe read(into: input!.free, room: input!.room) else { return false }
      input!.filled(count)
    }
    let count = input!.count
    guard let end = unsafe parseHead(input!.base, count: count) else { return fd >= 0 && exchange != nil }
    input!.use(end)
    begin()
    if fd >= 0, let input, input.isEmpty { dropInput() }
    return true
  }

  private func receiveHeadFromSocket() -> Bool {
    let scratch = unsafe worker.scratch
    guard let count = unsafe read(into: scratch, room: Worker.scratchBytes) else { return false }
    return unsafe receiveHead(in: scratch, count: count)
  }

  private func receiveHead(in memory: UnsafeMutableRawPointer, count: Int) -> Bool {
    let base = unsafe UnsafePointer(memory.assumingMemoryBound(to: UInt8.self))
    let end = unsafe parseHead(base, count: count)
    if fd < 0 || machine.phase != .idle && machine.phase != .readingHead { return fd >= 0 }
    let used = end ?? 0
    if used < count { unsafe keep(base + used, count: count - used) }
    if end != nil { begin() } else { followInput() }
    return true
  }

  /// What is parsed of a head looks at bytes that have just moved: a log line may be written of it before the
  /// rest arrives.
  private func followInput() {
    guard let exchange, let input else { return }
    unsafe exchange.request.head.rebase(to: input.base, size: input.count)
  }

  /// Parses the request at `base`. `nil`: it needs more, or was refused.
  private func parseHead(_ base: UnsafePointer<UInt8>, count: Int) -> Int? {
    let exchange = exchange ?? worker.takeExchange(client: self, facts: facts)
    self.exchange = exchange
    do throws(RequestError) {
      if unsafe try exchange.request.parse(base, count: count, limits: worker.limits.head) {
        headNeedsMore = false
        return exchange.request.end
      }
    } catch {
      headNeedsMore = false
      refuse(status: error.status, because: error.text)
      return nil
    }
    guard !worker.store.inFlight.isExhausted else {
      headNeedsMore = false
      refuse(status: 503)
      return nil
    }
    if !headNeedsMore {
      headNeedsMore = true
      worker.loop.setDeadline(self, worker.loop.now + worker.limits.headTimeoutMilliseconds)
      perform(machine.handle(.headBegan))
    }
    return nil
  }

  private func begin() {
    guard let exchange else { return }
    requestBody = RequestBodyReader(exchange.request.framing)
    let action = machine.handle(
      .headCompleted(hasBody: !requestBody.isDone, keepsAlive: exchange.request.keepsAlive))
    perform(action)
    // What is still under way must not depend on the bytes in the receive buffer.
    if self.exchange === exchange, machine.phase == .exchanging { exchange.persistRequest() }
  }

  /// One read. `nil`: nothing there, or the connection has ended, which is then done.
  func read(into memory: UnsafeMutableRawPointer, room: Int) -> Int? {
    guard isReadable else { return nil }
    let count = unsafe worker.loop.kernel.read(fd, into: memory, count: room)
    if count > 0 {
      isReadable = count == room || peerEndAnnounced
      worker.counters.add(.clientBytesReceived, count)
      return count
    }
    if count == -Int(EINTR) { return unsafe read(into: memory, room: room) }
    isReadable = false
    if count == 0 {
      perform(machine.handle(.peerEnded))
    } else if count != -Int(EAGAIN) {
      perform(machine.handle(.failed))
    }
    return nil
  }

  func keep(_ bytes: UnsafePointer<UInt8>, count: Int) {
    if input == nil { input = worker.receiveBuffer(for: count) }
    unsafe input!.append(bytes, count: count)
  }

  func dropInput() { input = nil }

  private func discard() -> Bool {
    unsafe read(into: worker.scratch, room: Worker.scratchBytes) != nil
  }
}
