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
    let entry = unsafe makeEntry(in: block, fill: carrier, head: kept.head.span, facts: kept.facts, body: body)
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
        for segment in unsafe segments { unsafe arena.free(segment.pointer) }
        return nil
      }
      at += count
    }
    return unsafe BodyRef(segments, arena: arena)
  }

  private func keep(
    _ block: SlabBlock, holding count: Int, at offset: Int, in segments: inout [BodySegment],
    _ fill: (UnsafeMutableRawBufferPointer, Int) -> Bool
  ) -> Bool {
    unsafe segments.append(
      BodySegment(pointer: block.pointer.assumingMemoryBound(to: UInt8.self), end: offset + count))
    return unsafe fill(UnsafeMutableRawBufferPointer(start: block.pointer, count: count), offset)
  }

  /// Drops the entry with this number if its body lies in a file and it was not used after `since`.
  func dropFile(hash: KeyHash, urlHash: KeyHash, born: UInt64, unusedSince since: CacheSeconds) -> Bool {
    var garbage = Garbage()
    let isDropped = stripe(of: hash).withLock { stripe in
      let nodes = urls.nodes(of: urlHash, inKeyStripe: stripe.number)
      guard let node = nodes.first(where: { $0.it.entry?.it.born == born }), let entry = node.it.entry,
        entry.it.body.file != nil, node.it.lastUse <= since
      else { return false }
      if let entry = dropContents(of: node, in: &stripe) { garbage.add(entry) }
      publishOldest(of: stripe)
      return true
    }
    garbage.release()
    return isDropped
  }
}
