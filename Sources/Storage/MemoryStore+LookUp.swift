public import Bytes
import Synchronization

public enum LookupOutcome: ~Copyable, Sendable {
  /// A stored response, fresh or stale: its handle's `freshness` and flags say.
  case entry(EntryHandle)
  /// Known to be unshareable for now: fetch on your own (L14).
  case mark
  case nothing
}

extension MemoryStore {
  /// Finds the stored response for a request.
  ///
  /// - Parameter selecting: The hash of the request's fields with these names (lower-case, sorted, joined
  ///   with commas); called only if responses of this key vary, under the stripe's lock.
  public func lookUp(
    hash: KeyHash, key: Span<UInt8>, now: CacheSeconds, selecting: (Span<UInt8>) -> KeyHash
  ) -> LookupOutcome {
    stripe(of: hash).withLock { stripe in
      guard let node = stripe.find(hash, key: key) else { return .nothing }
      if node.it.lists == nil { return answer(from: node, in: &stripe, now: now, isMarked: false) }
      return answerVariant(of: node, in: &stripe, now: now, selecting: selecting)
    }
  }

  /// May a refresh of the entry that `lookUp` finds be tried now (L15)?
  public func mayRefresh(
    hash: KeyHash, key: Span<UInt8>, now: Milliseconds, selecting: (Span<UInt8>) -> KeyHash
  ) -> Bool {
    stripe(of: hash).withLock { stripe in
      guard let node = stripe.find(hash, key: key) else { return true }
      let found = firstTarget(of: node, in: stripe, selecting: selecting) { $0.it.entry != nil }
      return (found?.it.refreshBlockedUntil ?? 0) <= now
    }
  }

  /// The newest list is tried first (L8).
  private func answerVariant(
    of node: NodeRef, in stripe: inout Stripe, now: CacheSeconds, selecting: (Span<UInt8>) -> KeyHash
  ) -> LookupOutcome {
    guard let lists = node.it.lists else { return .nothing }
    var isMarked = false
    for i in 0..<lists.it.count {
      guard let target = target(of: node, lists.it.lists[i], in: stripe, selecting: selecting) else {
        continue
      }
      switch answer(from: target, in: &stripe, now: now, isMarked: isMarked) {
      case .entry(let handle): return .entry(handle)
      case .mark: isMarked = true
      case .nothing: break
      }
    }
    return isMarked ? .mark : .nothing
  }

  @inline(__always) private func answer(
    from node: NodeRef, in stripe: inout Stripe, now: CacheSeconds, isMarked: Bool
  ) -> LookupOutcome {
    let isMarked = isMarked || node.it.markedUntil > now
    guard let entry = node.it.entry, isUsable(entry, of: node) else { return isMarked ? .mark : .nothing }
    let isNoted = now &- node.it.lastUse >= options.recencySeconds
    if isNoted { touch(node, in: &stripe, now: now) }
    entry.retain()
    return .entry(
      EntryHandle(
        adopting: entry, refreshBlockedUntil: node.it.refreshBlockedUntil, isMarked: isMarked,
        isNoted: isNoted))
  }

  private func touch(_ node: NodeRef, in stripe: inout Stripe, now: CacheSeconds) {
    stripe.recency.remove(node, .recency)
    stripe.recency.pushFront(node, .recency)
    node.it.lastUse = now
    publishOldest(of: stripe)
  }

  /// No purge has come for the entry since it was fetched, or only soft ones.
  @inline(__always) func isUsable(_ entry: EntryRef, of node: NodeRef) -> Bool {
    let newest = fences.newestPurge(near: entry.it.urlHash)
    if newest <= entry.it.born || newest <= node.it.clearedThrough { return true }
    return passesFence(entry, of: node, newest: newest)
  }

  private func passesFence(_ entry: EntryRef, of node: NodeRef, newest: UInt64) -> Bool {
    switch fences.isEntryFenced(born: entry.it.born, urlHash: entry.it.urlHash) {
    case .hard: return false
    case .soft: entry.it.isSoftlyPurged.store(true, ordering: .relaxed)
    case .clear: break
    }
    node.it.clearedThrough = newest
    return true
  }

  /// The node that answers a request under one of the key's lists, if it is there.
  func target(
    of node: NodeRef, _ list: FieldNames, in stripe: borrowing Stripe, selecting: (Span<UInt8>) -> KeyHash
  ) -> NodeRef? {
    if list.hash == 0 { return node }
    let hash = variantHash(node.it.hash, listHash: list.hash, selecting: list.withNames(selecting))
    return stripe.find(variant: hash, of: node)
  }

  /// The first node, newest list first, that answers a request and of which `matches` holds.
  func firstTarget(
    of node: NodeRef, in stripe: borrowing Stripe, selecting: (Span<UInt8>) -> KeyHash,
    where matches: (NodeRef) -> Bool
  ) -> NodeRef? {
    guard let lists = node.it.lists else { return matches(node) ? node : nil }
    for i in 0..<lists.it.count {
      let found = target(of: node, lists.it.lists[i], in: stripe, selecting: selecting)
      if let found, matches(found) { return found }
    }
    return nil
  }
}
