import Bytes
import Glibc
import IO

/// Writing: head, then body as the socket has room, never more than a share per turn.
extension ClientConnection {
  /// Bytes written for one connection before the others have their turn (lifecycle L3).
  static let bytesPerTurn = 65536
  /// Lent pages count so much less: what takes a worker's time is the call and the copy.
  static let lentWeight = 8

  func sendHead(of exchange: Exchange) {
    guard exchange === self.exchange, fd >= 0 else { return }
    finishHead(of: exchange)
    output.isActive = true
    // The first write takes the head from where it lies: [stored head | fields of this response | body].
    send(first: true)
  }

  func bodyProgressed(of exchange: Exchange) {
    guard exchange === self.exchange, output.isActive, isWritable else { return }
    continueSending()
  }

  func continueSending() {
    guard output.isActive, isWritable, fd >= 0 else { return }
    send(first: false)
  }

  /// Adds the fields of framing and connection, which are this connection's to say, and the empty line.
  private func finishHead(of exchange: Exchange) {
    let outgoing = exchange.outgoing
    // The process drains before its workers do: answers say so from the start of `--drain-delay` on (L30).
    let isDraining = machine.isDraining || worker.deployment.isDraining.load(ordering: .relaxed)
    let closes =
      outgoing.closes || !machine.keepsAlive || machine.bodyIsArriving || isDraining
      || sentAheadOfSwitch(exchange)
    let isOld = exchange.request.minorVersion == 0
    output = ResponseOutput()
    output.keepsAlive = !closes
    if let length = outgoing.bodyLength {
      if outgoing.statesLength {
        worker.tail.append("Content-Length: ")
        worker.tail.append(decimal: length)
        worker.tail.append("\r\n")
      }
      output.framing = outgoing.sendsBody ? .length(remaining: length) : .none
    } else if outgoing.sendsBody {
      output.framing = isOld ? .untilClose : .chunked
      if !isOld { worker.tail.append("Transfer-Encoding: chunked\r\n") }
      if isOld { output.keepsAlive = false }
    }
    if !output.keepsAlive {
      worker.tail.append("Connection: close\r\n")
    } else if isOld {
      worker.tail.append("Connection: keep-alive\r\n")
    }
    worker.tail.append("\r\n")
    if worker.readsResponseHead { exchange.keepSentHead() }
  }

  /// The client spoke on before it could know whether the protocol changes: what that was meant to be is not
  /// certain, and is not read as a request.
  private func sentAheadOfSwitch(_ exchange: Exchange) -> Bool {
    !exchange.upgrade.isEmpty && (isReadable || input?.isEmpty == false)
  }

  private func send(first: Bool) {
    var first = first
    var budget = Self.bytesPerTurn
    while true {
      guard let exchange, prepareChunk(of: exchange, first: first) else { return }
      if !first, output.leadCount == 0,
        let part = exchange.body.filePart(most: min(output.bodyAllowance, budget * Self.lentWeight))
      {
        guard let written = sendFile(part, of: exchange) else { return }
        budget -= max(written / Self.lentWeight, 1)
      } else {
        let allowance = min(output.bodyAllowance, budget)
        guard let written = sendMemory(of: exchange, first: first, allowance: allowance) else { return }
        budget -= written
      }
      first = false
      if output.leadCount == 0, output.isComplete {
        finish(exchange)
        return
      }
      if budget <= 0 {
        worker.loop.resumeLater(self)
        return
      }
    }
  }

  private func sendFile(_ part: FilePart, of exchange: Exchange) -> Int? {
    let written = worker.loop.kernel.sendFile(fd, from: part.file, offset: part.offset, count: part.count)
    // The file has become shorter than it was.
    if written == 0 {
      cut(exchange)
      return nil
    }
    return account(written, total: part.count, leadCount: 0, first: false, exchange) ? written : nil
  }

  /// One write of what is to be said before the body, and of body bytes. `nil`: there is nothing, or no room
  /// for all of it.
  private func sendMemory(of exchange: Exchange, first: Bool, allowance: Int) -> Int? {
    let fill = exchange.body.fill
    fill?.beginTaking(worker: worker.index)
    defer { fill?.endTaking(worker: worker.index) }
    let parts = unsafe worker.iovecs
    let leadCount = first ? exchange.outgoing.storedCount + worker.tail.count : output.leadCount
    var count = unsafe placeLead(of: exchange, first: first, in: parts)
    var total = leadCount
    if allowance > 0 {
      let capacity = Worker.iovecCapacity - count
      switch unsafe exchange.body.parts(
        into: parts + count, capacity: capacity, most: allowance, copying: worker.fileBytes)
      {
      case .bytes(let bytes, let used):
        total += bytes
        count += used
      case .pending:
        if first, exchange.preparesBody() {
          output.isActive = false
          return nil
        }
        exchange.awaitBody()
      case .ended: if !sourceEnded(exchange) { return nil }
      case .failed:
        if first, exchange.body.file != nil {
          output.isActive = false
          exchange.fileFailed()
        } else {
          cut(exchange)
        }
        return nil
      }
    }
    guard total > 0 else {
      if output.isComplete { finish(exchange) } else { stopAwaitingTaking() }
      return nil
    }
    let written = unsafe worker.loop.kernel.write(fd, parts, count: count)
    return account(written, total: total, leadCount: leadCount, first: first, exchange) ? written : nil
  }

  private func placeLead(of exchange: Exchange, first: Bool, in parts: UnsafeMutablePointer<iovec>) -> Int {
    var count = 0
    if first {
      let outgoing = exchange.outgoing
      if let head = unsafe outgoing.storedHead, outgoing.storedCount > 0 {
        unsafe parts[0] = iovec(
          iov_base: UnsafeMutableRawPointer(mutating: head), iov_len: outgoing.storedCount)
        count = 1
      }
      unsafe parts[count] = iovec(
        iov_base: UnsafeMutableRawPointer(mutating: worker.tail.base), iov_len: worker.tail.count)
      return count + 1
    }
    guard output.leadCount > 0 else { return 0 }
    // SAFETY: `lead` is not changed before the write that uses this address.
    unsafe output.lead.withUnsafeBufferPointer { bytes in
      unsafe parts[0] = iovec(
        iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress! + output.leadSent),
        iov_len: bytes.count - output.leadSent)
    }
    return 1
  }

  /// Books what was written. False: the socket is full, or the peer is gone; the rest comes later.
  private func account(
    _ written: Int, total: Int, leadCount: Int, first: Bool, _ exchange: Exchange
  ) -> Bool {
    let sent = max(written, 0)
    let leadSent = min(sent, leadCount)
    if first {
      keepLead(of: exchange, from: leadSent)
    } else {
      output.leadSent(leadSent)
    }
    if sent > leadSent {
      output.bodySent(sent - leadSent)
      exchange.bodyConsumed(sent - leadSent)
    }
    worker.counters.add(.clientBytesSent, sent)
    exchange.bytesSent += sent - leadSent
    exchange.headBytesSent += leadSent
    if written == total { return true }
    if written == -Int(EINTR) {
      // The socket has room: no edge would come.
      worker.loop.resumeLater(self)
      return false
    }
    guard written >= 0 || written == -Int(EAGAIN) else {
      perform(machine.handle(.failed))
      return false
    }
    isWritable = false
    awaitTaking(by: exchange)
    return false
  }

  /// What the first write left of the head is copied: the worker's buffer serves others meanwhile.
  private func keepLead(of exchange: Exchange, from sent: Int) {
    let stored = exchange.outgoing.storedCount
    guard sent < stored + worker.tail.count else { return }
    output.lead.removeAll(keepingCapacity: true)
    output.leadSent = 0
    if sent < stored, let head = unsafe exchange.outgoing.storedHead {
      unsafe output.lead.append(contentsOf: UnsafeBufferPointer(start: head + sent, count: stored - sent))
    }
    let from = max(0, sent - stored)
    unsafe output.lead.append(
      contentsOf: UnsafeBufferPointer(start: worker.tail.base + from, count: worker.tail.count - from))
  }

  /// Begins the next chunk when the last one is complete. False: the response ended with this.
  private func prepareChunk(of exchange: Exchange, first: Bool) -> Bool {
    guard output.framing == .chunked, output.chunkRemaining == 0, !output.bodyEnded else { return true }
    switch exchange.body.available(most: Self.bytesPerTurn) {
    case .bytes(let bytes, _):
      addFraming(first, isEnd: false, size: bytes)
      output.chunkRemaining = bytes
    case .pending: break
    case .ended:
      addFraming(first, isEnd: true, size: 0)
      output.bodyEnded = true
    case .failed:
      cut(exchange)
      return false
    }
    return true
  }

  /// Writes a chunk's size line, or the last chunk, behind the head in the first write, into `lead` later.
  private func addFraming(_ first: Bool, isEnd: Bool, size: Int) {
    worker.note.removeAll()
    if output.hasSentChunk { worker.note.append("\r\n") }
    worker.note.append(hex: UInt64(size), digits: 1)
    worker.note.append(isEnd ? "\r\n\r\n" : "\r\n")
    output.hasSentChunk = true
    let worker = worker
    if first {
      worker.tail.append(worker.note.bytes)
    } else {
      unsafe output.lead.append(
        contentsOf: UnsafeBufferPointer(start: worker.note.base, count: worker.note.count))
    }
  }

  /// The source has no more. False: that is too early, and the response is cut.
  private func sourceEnded(_ exchange: Exchange) -> Bool {
    switch output.framing {
    case .untilClose:
      output.bodyEnded = true
      return true
    case .none, .length, .chunked:
      cut(exchange)
      return false
    }
  }

  private func finish(_ exchange: Exchange) {
    output.isActive = false
    let keepsAlive = output.keepsAlive
    exchange.responseEnded()
    perform(
      machine.handle(machine.phase == .exchanging ? .responseEnded(keepsAlive: keepsAlive) : .refusalWritten))
    if fd >= 0, machine.phase == .idle, isReadable || input != nil || isDrainDue {
      worker.loop.resumeLater(self)
    }
  }

  /// Ends the connection before the framing is complete. Where the close itself would mark the end of the
  /// body, only a reset shows that it is none.
  func cut(_ exchange: Exchange) {
    guard exchange === self.exchange, fd >= 0 else { return }
    output.isActive = false
    perform(machine.handle(.failed))
  }

  func sendInterim(_ bytes: [UInt8], of exchange: Exchange) {
    guard exchange === self.exchange, !output.isActive, exchange.request.minorVersion > 0 else { return }
    unsafe bytes.withUnsafeBufferPointer { unsafe sendNow($0.baseAddress, count: $0.count) }
  }

  func sendNow(_ text: StaticString) { unsafe sendNow(text.utf8Start, count: text.utf8CodeUnitCount) }

  /// Writes a short text between responses, all of it or none: an interim response may be left out.
  private func sendNow(_ bytes: UnsafePointer<UInt8>?, count: Int) {
    guard let bytes = unsafe bytes, isWritable, fd >= 0 else { return }
    let parts = unsafe worker.iovecs
    unsafe parts[0] = iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes), iov_len: count)
    let written = unsafe worker.loop.kernel.write(fd, parts, count: 1)
    if written > 0, written < count { perform(machine.handle(.failed)) }
  }
}
