import Bytes
import Caching

/// A response that a lower tier has kept, on its way back into the index of the memory tier.
struct KeptResponse {
  var hash: KeyHash
  var key: [UInt8]
  var urlHash: KeyHash
  var url: [UInt8]
  /// What it varies on, and the hash of these fields in the request that it answered.
  var varyNames: [UInt8]
  var selecting: KeyHash
  /// The number that it has always had: a copy in another tier inherits it (L19).
  var born: UInt64
  var facts: EntryFacts
  var isSoftlyPurged = false
  /// The serialised head.
  var head: [UInt8]
}

extension MemoryStore {
  /// Takes in a response that lies in `file`. It stands for the whole response from now on, as one that was
  /// just fetched, unless something newer is there or a purge has come since it was born.
  func install(_ kept: KeptResponse, in file: StoredFile) -> CommitOutcome {
    install(kept, body: BodyRef(file, arena: arena))
  }

  /// Takes over the reference to `body`.
  func install(_ kept: KeptResponse, body: BodyRef) -> CommitOutcome {
    let subject = FillSubject(
      hash: kept.hash, key: kept.key.span, urlHash: kept.urlHash, url: kept.url.span, now: 0, worker: 0)
    let carrier = Fill(subject, store: self, born: kept.born, isShared: false, mayStore: false)
    unsafe carrier.selection = FillSelection(varyNames: kept.varyNames, hash: kept.selecting, isKnown: true)
    // Its number was given out long ago; the sequence does not wait for it.
    unsafe carrier.isEnded = true
    let bytes = EntryRef.blockBytes(head: kept.head.count, key: kept.key.count, url: kept.url.count)
    let block = unsafe allocateEvicting(bytes) ?? arena.allocateSomewhere(bytes)
    let entry = unsafe makeEntry(
      in: block, fill: carrier, head: kept.head.span, facts: kept.facts, body: body)
    if kept.isSoftlyPurged { entry.it.isSoftlyPurged.store(true, ordering: .relaxed) }
    let outcome = install(entry, of: carrier, isKept: true)
    if outcome != .stored && outcome != .storedStale { entry.release() }
    restoreBudget()
    return outcome
  }

  /// Blocks of memory for a body of `length` bytes that a disk thread fills; `nil`: there is no room.
  ///
  /// - Parameter fill: Called for each piece with its offset in the body; false: give up.
  func makeBody(
    length: Int, filledBy fill: (UnsafeMutableRawBufferPointer, Int) -> Bool
  ) -> BodyRef? {
    var segments: [BodySegment] = unsafe []
    var at = 0
    while at < length {
      let count = min(length - at, SizeClass.largest)
      guard let block = unsafe allocateEvicting(count),
        unsafe keep(block, holding: count, at: at, in: &segments, fill)
      else {
        unsafe free(segments)
        return nil
      }
      at += count
    }
    return unsafe BodyRef(segments, arena: arena)
  }

  private func free(_ segments: [BodySegment]) {
    var i = 0
    while unsafe i < segments.count {
      unsafe arena.free(segments[i].pointer)
      i += 1
    }
  }

  private func keep(
    _ block: SlabBlock, holding count: Int, at offset: Int, in segments: inout [BodySegment],
    _ fill: (UnsafeMutableRawBufferPointer, Int) -> Bool
  ) -> Bool {
    unsafe segments.append(
      BodySegment(pointer: block.pointer.assumingMemoryBound(to: UInt8.self), end: offset + count))
    return unsafe fill(UnsafeMutableRawBufferPointer(start: block.pointer, count: count), offset)
  }

  enum DropOutcome { case dropped, used, gone }

  /// Drops the entry whose body lies in `file` unless it was used after `since`.
  func drop(_ file: OpenFile, unusedSince since: CacheSeconds) -> DropOutcome {
    var garbage = Garbage()
    let outcome = stripe(of: file.hash).withLock { stripe -> DropOutcome in
      let nodes = urls.nodes(of: file.urlHash, inKeyStripe: stripe.number)
      let found = nodes.first {
        guard let held = $0.it.entry?.it.body.file else { return false }
        return ObjectIdentifier(held) == file.id
      }
      guard let found else { return .gone }
      guard found.it.lastUse <= since else { return .used }
      if let entry = dropContents(of: found, in: &stripe) { garbage.add(entry) }
      publishOldest(of: stripe)
      return .dropped
    }
    garbage.release()
    return outcome
  }

  /// Puts an entry with `body` in the place of `old`, whose body is the same but lies in `file`. False: that
  /// is not there any more.
  func promote(_ old: borrowing EntryHandle, of file: StoredFile, body: BodyRef) -> Bool {
    let head = old.head
    let bytes = EntryRef.blockBytes(head: head.count, key: old.key.count, url: old.url.count)
    guard let block = unsafe allocateEvicting(bytes) else {
      body.release()
      return false
    }
    let record = EntryRecord(copying: old.entry, body: body, arena: arena)
    let entry = unsafe EntryRef.make(in: block, record: record, head: head, key: old.key, url: old.url)
    var garbage = Garbage()
    let isDone = stripe(of: file.hash).withLock { stripe in
      let nodes = urls.nodes(of: file.urlHash, inKeyStripe: stripe.number)
      // The very entry: what was purged or replaced meanwhile is not there.
      let found = nodes.first { unsafe $0.it.entry?.pointer == old.entry.pointer }
      guard let found, let replaced = found.it.entry else { return false }
      found.it.entry = entry
      garbage.add(replaced)
      return true
    }
    garbage.release()
    if !isDone { entry.release() }
    return isDone
  }
}
