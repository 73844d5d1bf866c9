import Bytes
import Glibc
import Synchronization

/// What only the owner calls, on its own thread.
extension Fill {
  /// Shows the head to the readers. Whether the response is kept must have been decided, and
  /// `MemoryStore.headArrived` called if it may be joined.
  public func publishHead(_ head: FillHead) {
    precondition(status == .awaitingHead, "a fill has one head")
    unsafe publishedHead = head
    if let length = head.contentLength, length > store.options.maxObject, !beginSpill() { stopKeeping() }
    phase.store(FillStatus.streaming.rawValue, ordering: .sequentiallyConsistent)
    wakeReaders()
  }

  /// Shows an interim response to those who wait for the head (L28).
  public func publishInterim(_ head: [UInt8]) {
    let count = body.withLock {
      $0.interims.append(head)
      return $0.interims.count
    }
    interimsPublished.store(count, ordering: .releasing)
    wakeReaders()
  }

  /// Free memory at the end of the body, for the upstream's next bytes; `advance` then publishes them.
  ///
  /// - Parameter wanted: Rather a new block than fewer bytes than this; only where the body's length is not
  ///   known, since what is skipped is wasted.
  /// - Returns: `nil` when the body has all its bytes, or when the window is full: then the owner reads no
  ///   more until `FillWaker.fillDrained`.
  public func withRoom(atLeast wanted: Int = 1) -> UnsafeMutableRawBufferPointer? {
    unsafe room(atLeast: wanted, overWindow: false)
  }

  private func room(atLeast wanted: Int, overWindow: Bool) -> UnsafeMutableRawBufferPointer? {
    precondition(status == .streaming, "a body comes after its head")
    let published = publishedLength.load(ordering: .relaxed)
    let known = unsafe publishedHead?.contentLength
    if let known, published >= known { return nil }
    if !overWindow {
      if isWindowFull(published) {
        isOwnerPaused.store(true, ordering: .sequentiallyConsistent)
        if isWindowFull(published) { return nil }
      }
      if isOwnerPaused.load(ordering: .relaxed) {
        isOwnerPaused.store(false, ordering: .sequentiallyConsistent)
      }
    }

    if let room = unsafe body.withLock({ unsafe $0.room(published: published) }), room.count > 0 {
      if known != nil || room.count >= wanted { return unsafe room }
    }
    let size = known.map { SizeClass.chunk(for: $0 - published) } ?? growth(published, wanted)
    appendBlock(of: size, published: published)
    return unsafe body.withLock { unsafe $0.room(published: published) }
  }

  /// Publishes the next `count` bytes, which the owner has written at the start of its room.
  public func advance(by count: Int) {
    guard count > 0 else { return }
    let published = publishedLength.load(ordering: .relaxed)
    publishedLength.store(published + count, ordering: .sequentiallyConsistent)
    if unsafe spillPlan != nil { spillMore(published: published + count) }
    wakeReaders()
  }

  /// Copies and publishes `bytes`, which have been read and so must be kept: they may exceed the window by as
  /// much as one read brings. Returns how much was taken; less only when the body has all its bytes.
  public func append(_ bytes: Span<UInt8>) -> Int {
    var done = 0
    while done < bytes.count, let room = unsafe room(atLeast: 1, overWindow: true) {
      let count = min(room.count, bytes.count - done)
      _ = unsafe bytes.withUnsafeBufferPointer {
        unsafe memcpy(room.baseAddress!, $0.baseAddress! + done, count)
      }
      publishedLength.wrappingAdd(count, ordering: .sequentiallyConsistent)
      done += count
    }
    if done > 0 {
      if unsafe spillPlan != nil { spillMore(published: published) }
      wakeReaders()
    }
    return done
  }

  /// Has the slowest readers cut, for the sake of the others (L12). False: all are as slow.
  public func cutSlowest() -> Bool {
    let published = publishedLength.load(ordering: .relaxed)
    let least = leastConsumed(published)
    var furthest = 0
    for worker in 0..<store.workerCount {
      furthest = unsafe max(furthest, lanes[worker].furthest.load(ordering: .relaxed))
    }
    guard readerCount > 1, least < furthest else { return false }
    cutBelow.store(least + 1, ordering: .releasing)
    wakeReaders()
    return true
  }

  /// The body has all its bytes.
  public func complete() {
    precondition(status == .streaming, "only a body can be complete")
    phase.store(FillStatus.complete.rawValue, ordering: .sequentiallyConsistent)
    wakeReaders()
  }

  /// There will be no more. `reason` is the owner's, for the readers.
  public func fail(_ reason: UInt8) {
    let now = status
    guard now != .complete, now != .failed else { return }
    failure.store(reason, ordering: .releasing)
    phase.store(FillStatus.failed.rawValue, ordering: .sequentiallyConsistent)
    wakeReaders()
  }

  /// Called when `FillWaker.fillDrained` arrives, before anything else.
  public func clearDrained() { _ = isDrainPending.exchange(false, ordering: .acquiringAndReleasing) }

  private func wakeReaders() {
    for worker in 0..<store.workerCount {
      // Sequentially consistent, against `enter`: either this sees the reader, or the reader what was stored.
      guard unsafe lanes[worker].readers.load(ordering: .sequentiallyConsistent) > 0 else { continue }
      if unsafe !lanes[worker].isPending.exchange(true, ordering: .acquiringAndReleasing) {
        store.wakers[worker].fillAdvanced(self)
      }
    }
  }

  /// Blocks of a body of unknown length grow, so that a small one costs little and a large one few blocks.
  private func growth(_ published: Int, _ wanted: Int) -> Int {
    let size = published < 4096 ? 4096 : published < 65536 ? 16384 : SizeClass.largest
    return min(max(size, wanted), SizeClass.largest)
  }

  private func appendBlock(of size: Int, published: Int) {
    let block =
      unsafe keptBlock(of: size, published: published) ?? passingBlock(of: size, published: published)
    let isPassing = unsafe !keep || spillPlan != nil && isSpilled
    let added = body.withLock { body in
      unsafe body.append(block, published: published)
      return isPassing ? body.countAsPassing() : 0
    }
    if added != 0 { store.inFlight.add(added) }
  }

  private func keptBlock(of size: Int, published: Int) -> SlabBlock? {
    guard keep else { return nil }
    if published < store.options.maxObject, let block = unsafe store.allocateEvicting(size) {
      return unsafe block
    }
    if beginSpill() { return unsafe store.allocateEvicting(size) ?? store.arena.allocateOutside(size) }
    stopKeeping()
    return nil
  }

  private func passingBlock(of size: Int, published: Int) -> SlabBlock {
    let reusable = unsafe body.withLock { body in
      var end = leastConsumed(published)
      // A disk thread reads from there on.
      if let spill = body.spill, unsafe spill.isWriting {
        end = min(end, spill.written.load(ordering: .acquiring))
      }
      return unsafe body.recycle(before: end, wanting: size, arena: store.arena)
    }
    return unsafe reusable ?? store.allocateEvicting(size) ?? store.arena.allocateOutside(size)
  }
}
