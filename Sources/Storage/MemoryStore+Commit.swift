public import Bytes
public import Caching
import Synchronization

public enum CommitOutcome: Sendable, Equatable {
  case stored
  /// Stored, but a soft purge has come since the fill began: not to be used as fresh.
  case storedStale
  /// Purged since the fill began: not stored.
  case fenced
  /// A response that was asked for later is stored already, and stays.
  case superseded
  /// No memory for it, or the fill has not kept its body.
  case noRoom
}

extension MemoryStore {
  /// Stores what the fill has brought, whose body is whole, and unregisters the fill. Its blocks become the
  /// entry's. The entry replaces the one before it and a mark (L14).
  ///
  /// - Parameter head: The serialised head as it will be sent.
  /// - Parameter etag: Where the entity tag stands in `head`.
  /// - Parameter lastModified: Seconds since 1970.
  /// - Parameter name: Of its file, where there is a disk.
  /// - Parameter stored: Called with the entry when it is stored.
  public func commit(
    _ fill: Fill, head: Span<UInt8>, status: UInt16, freshness: Freshness, etag: ByteRange?,
    lastModified: Int64?, name: EntryName? = nil, stored: (consuming EntryHandle) -> Void = { _ in }
  ) -> CommitOutcome {
    guard fill.mayStore, fill.keep, unsafe !fill.isEnded else { return .noRoom }
    guard fences.isFenced(born: fill.born, urlHash: fill.urlHash) != .hard else { return .fenced }
    guard let block = unsafe recordBlock(head: head, fill: fill) else { return .noRoom }
    let length = fill.published
    let trimmed = unsafe fill.body.withLock { $0.trimmedBytes(length: length) }.flatMap(allocateEvicting)
    let body = fill.body.withLock { unsafe $0.makeRecord(length: length, trimmed: trimmed, arena: arena) }
    let facts = EntryFacts(
      status: status, freshness: freshness, etag: etag, lastModified: lastModified, name: name)
    let entry = unsafe makeEntry(in: block, fill: fill, head: head, facts: facts, body: body)
    entry.retain()
    let handle = EntryHandle(adopting: entry)
    let outcome = install(entry, of: fill)
    if outcome == .stored || outcome == .storedStale { stored(handle) } else { entry.release() }
    return outcome
  }

  /// Stores the response of `old` with the head that a 304 has renewed; the body is shared.
  ///
  /// - Returns: The renewed response; it is not in the store if a later one is. `nil`: purged since the fill
  ///   began, or no memory.
  public func refresh(
    _ fill: Fill, old: borrowing EntryHandle, head: Span<UInt8>, freshness: Freshness, etag: ByteRange?,
    lastModified: Int64?
  ) -> EntryHandle? {
    guard unsafe !fill.isEnded, let block = unsafe recordBlock(head: head, fill: fill) else { return nil }
    let body = old.entry.it.body
    body.retain()
    let facts = EntryFacts(
      status: old.status, freshness: freshness, etag: etag, lastModified: lastModified, name: old.name)
    let entry = unsafe makeEntry(in: block, fill: fill, head: head, facts: facts, body: body)
    entry.retain()
    switch install(entry, of: fill) {
    case .stored, .storedStale: break
    case .superseded: entry.release()
    case .fenced, .noRoom:
      entry.release()
      entry.release()
      return nil
    }
    return EntryHandle(adopting: entry)
  }

  /// Notes until when the response to such requests is known to be unshareable (L14). An entry stays.
  public func mark(_ fill: Fill, until: CacheSeconds) {
    var garbage = Garbage()
    stripe(of: fill.hash).withLock { stripe in
      let node = settle(fill, in: &stripe, &garbage)
      if node.it.markedUntil == .min { stripe.counts.marks += 1 }
      node.it.markedUntil = until
      if !node.it.isListed { list(node, in: &stripe, now: stripe.clock, &garbage) }
      publishOldest(of: stripe)
    }
    garbage.release()
    restoreBudget()
  }

  /// A refresh has failed: the next is to wait, 1 s at first, twice as long each time, at most 30 s (L15).
  public func refreshFailed(_ fill: Fill, now: Milliseconds) {
    stripe(of: fill.hash).withLock { stripe in
      guard let node = unsafe fill.place ?? find(fill, in: stripe), node.it.entry != nil,
        node.it.refreshBlockedUntil <= now
      else { return }
      let longer = max(options.backOffMilliseconds, node.it.backOff * 2)
      node.it.backOff = min(longer, options.backOffCeilingMilliseconds)
      node.it.refreshBlockedUntil = now + node.it.backOff
    }
  }

  private func find(_ fill: Fill, in stripe: borrowing Stripe) -> NodeRef? {
    return stripe.find(fill.hash, key: fill.key)
  }

  private func recordBlock(head: Span<UInt8>, fill: Fill) -> SlabBlock? {
    let bytes = EntryRef.blockBytes(head: head.count, key: fill.key.count, url: fill.url.count)
    return unsafe allocateEvicting(bytes)
  }

  func makeEntry(
    in block: SlabBlock, fill: Fill, head: Span<UInt8>, facts: EntryFacts, body: BodyRef
  ) -> EntryRef {
    let record = EntryRecord(
      facts, counts: (head.count, fill.key.count, fill.url.count), born: fill.born, urlHash: fill.urlHash,
      body: body, arena: arena)
    return unsafe EntryRef.make(in: block, record: record, head: head, key: fill.key, url: fill.url)
  }

  /// Makes the index count `entry`, whose one reference becomes its own unless the outcome says that it is
  /// not stored.
  ///
  /// - Parameter isKept: It comes from a lower tier, not from the origin.
  func install(_ entry: EntryRef, of fill: Fill, isKept: Bool = false) -> CommitOutcome {
    var garbage = Garbage()
    let outcome = stripe(of: fill.hash).withLock { stripe in
      let node = settle(fill, in: &stripe, &garbage)
      let outcome = put(entry, of: fill, isKept: isKept, at: node, in: &stripe, &garbage)
      stripe.unregister(fill)
      stripe.removeIfDead(node, arena: arena)
      publishOldest(of: stripe)
      return outcome
    }
    garbage.release()
    return outcome
  }

  private func put(
    _ entry: EntryRef, of fill: Fill, isKept: Bool, at node: NodeRef, in stripe: inout Stripe,
    _ garbage: inout Garbage
  ) -> CommitOutcome {
    if let old = node.it.entry, old.it.born > fill.born, isUsable(old, of: node) { return .superseded }
    if let old = node.it.entry, node.it.urlHash != fill.urlHash {
      urls.remove(node)
      garbage.add(old)
      node.it.entry = nil
      stripe.counts.entries -= 1
    }
    // The fence is asked under the URL's lock: a purge that this does not see will find the node there.
    let verdict = urls.add(node, fill.urlHash) {
      isKept
        ? fences.isEntryFenced(born: fill.born, urlHash: fill.urlHash)
        : fences.isFenced(born: fill.born, urlHash: fill.urlHash)
    }
    if verdict == .hard {
      if node.it.entry == nil, node.it.isListed, !node.it.isWorthKeeping { stripe.unlist(node) }
      return .fenced
    }
    if let old = node.it.entry { garbage.add(old) } else { stripe.counts.entries += 1 }
    if node.it.markedUntil != .min { stripe.counts.marks -= 1 }
    node.it.entry = entry
    node.it.clearedThrough = 0
    node.it.markedUntil = .min
    node.it.forgetBackOff()
    if verdict == .soft { entry.it.isSoftlyPurged.store(true, ordering: .relaxed) }
    list(node, in: &stripe, now: max(stripe.clock, entry.it.freshness.responseTime), &garbage)
    return verdict == .soft ? .storedStale : .stored
  }

  /// Lists a node as just used; beyond the limit of variants, its key's oldest goes (L8).
  private func list(_ node: NodeRef, in stripe: inout Stripe, now: Int64, _ garbage: inout Garbage) {
    stripe.list(node, now: now)
    guard let lists = node.it.owner?.it.lists, lists.it.siblingCount > options.variantsPerKey,
      let oldest = lists.it.siblings.first
    else { return }
    stripe.counts.variantsDropped += 1
    if let entry = dropContents(of: oldest, in: &stripe) { garbage.add(entry) }
  }
}

struct EntryFacts {
  var status: UInt16
  var freshness: Freshness
  var etag: ByteRange?
  var lastModified: Int64?
  /// Of its file, where there is a disk.
  var name: EntryName?
}

/// References that are given back when the stripe's lock is no longer held: freeing a long body takes time.
struct Garbage {
  private var first: EntryRef?
  private var others: [EntryRef] = []

  mutating func add(_ entry: EntryRef) {
    if first == nil { first = entry } else { others.append(entry) }
  }

  mutating func release() {
    first?.release()
    for entry in others { entry.release() }
    first = nil
    others = []
  }
}
