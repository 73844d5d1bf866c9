import Bytes
import Glibc
import HTTP
import IO
import Storage

/// Reading a response: head, then a body by its framing, straight into the fill where that is possible.
extension UpstreamConnection {
  func receive() {
    var goesOn = true
    var reads = 0
    while goesOn, fd >= 0 {
      reads += 1
      // A connection that has just become idle is looked at before another request can be given to it.
      if reads > Self.readsPerTurn, machine.phase != .idle { return worker.loop.resumeLater(self) }
      switch machine.phase {
      case .connecting, .tunnelling, .closed: goesOn = false
      case .idle: goesOn = receiveUnasked()
      case .awaitingHead: goesOn = receiveHead()
      case .readingBody: goesOn = receiveBody()
      }
    }
  }

  private func read(into memory: UnsafeMutableRawPointer, room: Int) -> Int? {
    guard isReadable else { return nil }
    let count = unsafe worker.loop.kernel.read(fd, into: memory, count: room)
    if count > 0 {
      isReadable = count == room || peerEndAnnounced
      worker.counters.add(.upstreamBytesReceived, count)
      return count
    }
    if count == -Int(EINTR) { return unsafe read(into: memory, room: room) }
    isReadable = false
    if count == -Int(EAGAIN), !mayNotWrite { return nil }
    ended(cleanly: count == 0)
    return nil
  }

  /// The peer's end: of the body where the framing says so, else of the connection before its time.
  private func ended(cleanly: Bool) {
    peerEndAnnounced = true
    if cleanly, machine.phase == .readingBody, framing == .untilClose {
      bodyEnded(keepsAlive: false)
    } else {
      perform(machine.handle(.peerEnded))
    }
  }

  private func receiveUnasked() -> Bool {
    guard let count = unsafe read(into: worker.scratch, room: Worker.scratchBytes), count > 0 else {
      return false
    }
    perform(machine.handle(.bytesWhileIdle))
    return false
  }

  private func receiveHead() -> Bool {
    if input == nil {
      let scratch = unsafe worker.scratch
      guard let count = unsafe read(into: scratch, room: Worker.scratchBytes) else { return false }
      return unsafe takeHead(UnsafePointer(scratch.assumingMemoryBound(to: UInt8.self)), count: count)
    }
    input!.reserve(4096)
    guard let count = unsafe read(into: input!.free, room: input!.room) else { return false }
    input!.filled(count)
    return unsafe takeHead(input!.base, count: input!.count)
  }

  /// Parses heads at `base`: any number of interim ones, then the final one, and the body bytes behind it.
  private func takeHead(_ base: UnsafePointer<UInt8>, count: Int) -> Bool {
    var start = 0
    while let fetch, fd >= 0 {
      let isComplete: Bool
      do throws(ResponseError) {
        isComplete = unsafe try response.parse(
          base + start, count: count - start, limits: worker.limits.head)
      } catch {
        worker.counters.add(.badResponse)
        fetch.responseWasBad()
        return false
      }
      guard isComplete else {
        unsafe keep(base + start, count: count - start)
        return true
      }
      let end = start + response.end
      if response.status < 200 {
        if response.status == 101, unsafe fetch.switched(&response, base + end, count: count - end) {
          input = nil
          return false
        }
        guard response.status != 101, fetch.interimArrived(&response) else {
          worker.counters.add(.badResponse)
          fetch.responseWasBad()
          return false
        }
        response.begin()
        start = end
        if start == count {
          input = nil
          return true
        }
        continue
      }
      if response.status == 408, wasReused, fetch.machine.isReplayable, !fetch.bodyHasLeft {
        // Said to an idle connection just as it was used: the request may be repeated (RFC 9110 §15.5.9).
        input = nil
        perform(machine.handle(.peerEnded))
        return false
      }
      return unsafe beginBody(fetch, base + end, count: count - end)
    }
    return false
  }

  private func keep(_ bytes: UnsafePointer<UInt8>, count: Int) {
    if input != nil {
      input!.use(input!.count - count)
      return
    }
    input = worker.receiveBuffer(for: count)
    unsafe input!.append(bytes, count: count)
  }

  private func beginBody(_ fetch: Fetch, _ rest: UnsafePointer<UInt8>, count: Int) -> Bool {
    framing = response.framing(requestMethod: fetch.method)
    decoder = ChunkedDecoder()
    _ = machine.handle(.headArrived)
    fetch.headArrived(&response, framing: framing)
    guard self.fetch === fetch, fd >= 0 else { return false }
    if framing == .none {
      hasLeftovers = count > 0
      input = nil
      bodyEnded(keepsAlive: response.keepsAlive)
      return false
    }
    if count > 0 { unsafe take(rest, count: count, for: fetch) }
    input = nil
    return true
  }

  private func receiveBody() -> Bool {
    guard let fetch else { return false }
    guard isReadable else { return false }
    guard let room = unsafe fetch.fill.withRoom() else {
      fetch.paused()
      return false
    }
    switch framing {
    case .none: return false
    case .chunked:
      let scratch = unsafe worker.scratch
      guard let count = unsafe read(into: scratch, room: Worker.scratchBytes) else { return false }
      unsafe take(UnsafePointer(scratch.assumingMemoryBound(to: UInt8.self)), count: count, for: fetch)
    case .length(let left):
      let most = min(room.count, left)
      guard let count = unsafe read(into: room.baseAddress!, room: most) else { return false }
      fetch.fill.advance(by: count)
      fetch.booked(count)
      lengthTook(count, of: left)
    case .untilClose:
      guard let count = unsafe read(into: room.baseAddress!, room: room.count) else { return false }
      fetch.fill.advance(by: count)
      fetch.booked(count)
    }
    return true
  }

  /// Body bytes that came with the head, or chunked ones.
  private func take(_ bytes: UnsafePointer<UInt8>, count: Int, for fetch: Fetch) {
    switch framing {
    case .none: break
    case .length(let left):
      let mine = min(left, count)
      hasLeftovers = count > left
      unsafe fetch.bodyArrived(bytes, count: mine)
      lengthTook(mine, of: left)
    case .untilClose: unsafe fetch.bodyArrived(bytes, count: count)
    case .chunked: unsafe takeChunks(bytes, count: count, for: fetch)
    }
  }

  private func lengthTook(_ count: Int, of left: Int) {
    framing = .length(left - count)
    if left == count { bodyEnded(keepsAlive: response.keepsAlive) }
  }

  private func takeChunks(_ base: UnsafePointer<UInt8>, count: Int, for fetch: Fetch) {
    let bytes = unsafe Span<UInt8>(_unsafeStart: base, count: count)
    var at = 0
    do throws(ChunkedError) {
      while at < count {
        switch try decoder.next(bytes, from: at) {
        case .data(let range):
          unsafe fetch.bodyArrived(base + range.lower, count: range.count)
          at = range.upper
        case .needMore: return
        case .end(let consumed):
          hasLeftovers = consumed < count
          bodyEnded(keepsAlive: response.keepsAlive)
          return
        }
      }
    } catch {
      worker.counters.add(.badResponse)
      fetch.responseWasBad()
    }
  }

  private func bodyEnded(keepsAlive: Bool) {
    _ = machine.handle(.responseEnded(keepsAlive: keepsAlive && framing != .untilClose))
    if let fetch { fetch.perform(fetch.machine.handle(.bodyEnded)) }
  }
}
