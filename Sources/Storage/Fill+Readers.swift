import Bytes
import Synchronization

/// What readers call, each on its own worker. A waiter for the head is a reader.
extension Fill {
  /// Counts a reader that begins at the body's start.
  ///
  /// - Returns: False when the start is not or may soon not be there any more: the fill is not kept, and this
  ///   is not its first reader (L12).
  public func enter(worker: Int) -> Bool {
    body.withLock {
      guard keeps.load(ordering: .relaxed) || $0.readers == 0 && $0.recycled == 0 || status == .awaitingHead
      else { return false }
      $0.readers += 1
      unsafe lanes[worker].consumed.store(0, ordering: .sequentiallyConsistent)
      unsafe lanes[worker].readers.wrappingAdd(1, ordering: .sequentiallyConsistent)
      return true
    }
  }

  /// A reader goes, done or not. If others stay on its worker, that reports their least next.
  ///
  /// When it was the last, the owner is woken to decide whether the rest is worth reading (L13).
  public func leave(worker: Int) {
    let isLast = body.withLock {
      $0.readers -= 1
      unsafe lanes[worker].readers.wrappingSubtract(1, ordering: .sequentiallyConsistent)
      return $0.readers == 0
    }
    if isLast, status == .awaitingHead || status == .streaming { wakeOwner() } else { wakeOwnerIfDrained() }
  }

  /// The object that this worker keeps with the fill, so that it need not look for it. Only for its own
  /// thread.
  public func attachment(worker: Int) -> AnyObject? { unsafe lanes[worker].attachment }

  public func attach(_ object: AnyObject?, worker: Int) { unsafe lanes[worker].attachment = object }

  public var readerCount: Int { body.withLock { $0.readers } }

  /// Called by a worker when `FillWaker.fillAdvanced` arrives, before it reads `status` and `published`, even
  /// when none of its readers is left.
  public func clearPending(worker: Int) {
    // An exchange, not a store: the owner's next exchange either reads this one, and wakes us, or came before
    // it, and then what was published before that is visible to us now.
    _ = unsafe lanes[worker].isPending.exchange(false, ordering: .acquiringAndReleasing)
  }

  /// How many interim responses have been published.
  public var interimCount: Int { interimsPublished.load(ordering: .acquiring) }

  /// The heads of those behind the first `known`.
  public func interims(after known: Int) -> [[UInt8]] {
    body.withLock { Array($0.interims.dropFirst(known)) }
  }

  /// The published bytes from `offset` on, as far as they lie together, at most `limit`; `nil`: none yet.
  /// Valid until the worker reports that all its readers have consumed them, or its last reader leaves.
  public func segment(at offset: Int, max limit: Int) -> (UnsafePointer<UInt8>, Int)? {
    let end = published
    guard offset < end else { return nil }
    return unsafe body.withLock { unsafe $0.bytes(at: offset, max: limit, published: end) }
  }

  /// Between these two calls, what `segment` gives stays where it is even if it has got to a file meanwhile.
  /// Nothing else is done on the worker's thread in between.
  public func beginTaking(worker: Int) {
    guard unsafe spillPlan != nil else { return }
    unsafe lanes[worker].takings.wrappingAdd(1, ordering: .sequentiallyConsistent)
  }

  public func endTaking(worker: Int) {
    guard unsafe spillPlan != nil else { return }
    unsafe lanes[worker].takings.wrappingAdd(1, ordering: .sequentiallyConsistent)
  }

  /// No worker is between `beginTaking` and `endTaking`.
  var isNobodyTaking: Bool {
    for worker in 0..<store.workerCount {
      guard unsafe lanes[worker].takings.load(ordering: .sequentiallyConsistent) & 1 == 0 else {
        return false
      }
    }
    return true
  }

  /// - Parameter consumed: The least that any reader of this worker has consumed, in bytes from the body's
  ///   start; `furthest` the most.
  public func report(worker: Int, consumed: Int, furthest: Int? = nil) {
    unsafe lanes[worker].furthest.store(furthest ?? consumed, ordering: .relaxed)
    unsafe lanes[worker].consumed.store(consumed, ordering: .sequentiallyConsistent)
    wakeOwnerIfDrained()
  }

  /// Sequentially consistent, against `withRoom`: either the owner sees the report that made room, or this
  /// sees that the owner has paused.
  private func wakeOwnerIfDrained() {
    guard isOwnerPaused.load(ordering: .sequentiallyConsistent) else { return }
    guard !isWindowFull(publishedLength.load(ordering: .sequentiallyConsistent)) else { return }
    wakeOwner()
  }

  private func wakeOwner() {
    if !isDrainPending.exchange(true, ordering: .acquiringAndReleasing) {
      store.wakers[ownerWorker].fillDrained(self)
    }
  }

  /// The window is full, and the owner waits for its readers.
  public var isPaused: Bool {
    isOwnerPaused.load(ordering: .relaxed) && isWindowFull(publishedLength.load(ordering: .relaxed))
  }

  /// The owner has paused, though there may be room by now: others can give memory back and so widen the
  /// window, and do not wake it.
  public var hasPaused: Bool { isOwnerPaused.load(ordering: .relaxed) }

  /// Readers that have consumed less than this are to be cut: they hold up the others (L12).
  public var cutLimit: Int { cutBelow.load(ordering: .acquiring) }

  func isWindowFull(_ published: Int) -> Bool {
    !keep && published - leastConsumed(published) >= store.windowBytes
  }

  /// What every reader has consumed; everything when there is none.
  func leastConsumed(_ published: Int) -> Int {
    var least = published
    for worker in 0..<store.workerCount {
      if unsafe lanes[worker].readers.load(ordering: .sequentiallyConsistent) > 0 {
        least = unsafe min(least, lanes[worker].consumed.load(ordering: .sequentiallyConsistent))
      }
    }
    return least
  }
}
