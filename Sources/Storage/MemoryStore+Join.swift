public import Bytes

public enum JoinOutcome: Sendable {
  /// A new fill; the caller owns it and must bring it to an end.
  case started(Fill)
  /// Somebody else's; the caller enters it as a reader, and looks up again if that is refused.
  case joined(Fill)
  /// There is a newer answer now: look up again.
  case changed
  /// No fill that could be joined, and the caller may not begin one.
  case nothing
}

extension MemoryStore {
  /// Brings a request that needs the upstream together with the others of its key (L9, L13).
  ///
  /// - Parameter collapseTimeout: A fill that has waited longer than this for its head is not enough any
  ///   more: one caller gets a second and third one.
  /// - Parameter replacing: `born` of the entry that the caller has seen and cannot use as it is; 0: none.
  /// - Parameter mayStart: False: only joins.
  /// - Parameter selecting: As for `lookUp`.
  public func join(
    hash: KeyHash, key: Span<UInt8>, urlHash: KeyHash, url: Span<UInt8>, now: Milliseconds,
    cacheNow: CacheSeconds, collapseTimeout: Milliseconds, worker: Int, replacing: UInt64,
    mayStart: Bool = true, selecting: (Span<UInt8>) -> KeyHash
  ) -> JoinOutcome {
    let outcome: JoinOutcome = stripe(of: hash).withLock { stripe in
      stripe.clock = max(stripe.clock, cacheNow)
      if hasChanged(hash, key, in: stripe, since: replacing, now: cacheNow, selecting: selecting) {
        return .changed
      }
      let node = stripe.findOrMake(hash, key: key, arena: arena)
      let target = newestTarget(of: node, in: &stripe, selecting: selecting)
      let limit = now - collapseTimeout
      if let fill = joinable(at: target, in: &stripe, after: replacing, startedSince: limit, selecting) {
        return .joined(fill)
      }
      guard mayStart else {
        stripe.removeIfDead(target, arena: arena)
        return .nothing
      }
      let subject = FillSubject(hash: hash, key: key, urlHash: urlHash, url: url, now: now, worker: worker)
      let fill = Fill(subject, store: self, born: fences.nextBorn(), isShared: true, mayStore: true)
      stripe.register(fill, at: target)
      return .started(fill)
    }
    if case .started = outcome { restoreBudget() }
    return outcome
  }

  /// A fill for one request alone: a pass, or under a mark.
  ///
  /// - Parameter mayStore: Its response may be committed if it turns out to be storable.
  public func startPrivate(
    hash: KeyHash, key: Span<UInt8>, urlHash: KeyHash, url: Span<UInt8>, now: Milliseconds, worker: Int,
    mayStore: Bool
  ) -> Fill {
    restoreBudget()
    let subject = FillSubject(hash: hash, key: key, urlHash: urlHash, url: url, now: now, worker: worker)
    return Fill(subject, store: self, born: fences.nextBorn(), isShared: false, mayStore: mayStore)
  }

  /// Notes what the fill's response varies on, before its head is published, so that waiters who look again
  /// come together by variant (L9).
  ///
  /// - Parameter vary: Names of fields: lower-case, sorted, joined with commas; empty: none.
  /// - Parameter selecting: Hash of those fields in the fill's own request.
  public func headArrived(_ fill: Fill, vary: [UInt8], selecting: KeyHash) {
    var garbage = Garbage()
    stripe(of: fill.hash).withLock { stripe in
      unsafe fill.selection = FillSelection(varyNames: vary, hash: selecting, isKnown: true)
      if unsafe fill.place != nil { _ = settle(fill, in: &stripe, &garbage) }
      publishOldest(of: stripe)
    }
    garbage.release()
  }

  /// Unregisters the fill, whatever became of it, and forgets the purges that were kept for it. It may go on
  /// for those who read it, but can no longer be joined or committed. May be called again.
  public func end(_ fill: Fill) {
    let isFirst = stripe(of: fill.hash).withLock { stripe in
      guard unsafe !fill.isEnded else { return false }
      unsafe fill.isEnded = true
      detach(fill, in: &stripe)
      return true
    }
    if isFirst { fences.ended(fill.born) }
  }

  func detach(_ fill: Fill, in stripe: inout Stripe) {
    guard let node = unsafe fill.place else { return }
    stripe.unregister(fill)
    stripe.removeIfDead(node, arena: arena)
  }

  /// Would a look-up now find something else than the caller has seen? Decided as `lookUp` does, or callers
  /// would go round in circles.
  ///
  /// What was seen and is gone counts too: it may have been purged, and a fill that begins after the purge
  /// must not ask the origin to confirm it. Decided and born under one lock, the fill is fenced by any later
  /// purge.
  private func hasChanged(
    _ hash: KeyHash, _ key: Span<UInt8>, in stripe: borrowing Stripe, since replacing: UInt64,
    now: CacheSeconds, selecting: (Span<UInt8>) -> KeyHash
  ) -> Bool {
    guard let node = stripe.find(hash, key: key) else { return replacing != 0 }
    var isMarked = false
    let found = firstTarget(of: node, in: stripe, selecting: selecting) {
      if $0.it.markedUntil > now { isMarked = true }
      guard let entry = $0.it.entry else { return false }
      return isUsable(entry, of: $0)
    }
    guard let entry = found?.it.entry else { return isMarked || replacing != 0 }
    return entry.it.born != replacing
  }

  /// Where a new fill for the request belongs, by what the key's newest response varies on.
  private func newestTarget(
    of node: NodeRef, in stripe: inout Stripe, selecting: (Span<UInt8>) -> KeyHash
  ) -> NodeRef {
    guard let lists = node.it.lists, lists.it.lists[0].hash != 0 else { return node }
    let list = lists.it.lists[0]
    let hash = variantHash(node.it.hash, listHash: list.hash, selecting: list.withNames(selecting))
    return stripe.findOrMake(variant: hash, of: node, listHash: list.hash, arena: arena)
  }

  private func joinable(
    at node: NodeRef, in stripe: inout Stripe, after replacing: UInt64, startedSince limit: Milliseconds,
    _ selecting: (Span<UInt8>) -> KeyHash
  ) -> Fill? {
    var newestWaiting: Fill?
    var waiting = 0
    var cursor = unsafe node.it.fills
    while let fill = unsafe cursor?.takeUnretainedValue() {
      unsafe cursor = fill.next
      guard fill.born > replacing else { continue }
      switch fences.isFenced(born: fill.born, urlHash: fill.urlHash) {
      case .hard:
        // The node stays: the caller needs it.
        stripe.unregister(fill)
        continue
      case .soft: continue
      case .clear: break
      }
      switch fill.status {
      case .awaitingHead:
        waiting += 1
        if newestWaiting == nil { newestWaiting = fill }
      case .streaming, .complete:
        if isOpen(fill, selecting) { return fill }
      case .failed: break
      }
    }
    guard let newestWaiting else { return nil }
    if waiting >= options.fillsAwaitingHead || newestWaiting.startedAt > limit { return newestWaiting }
    return nil
  }

  /// A fill whose head is known takes those whom the response suits, as long as it has all its bytes.
  private func isOpen(_ fill: Fill, _ selecting: (Span<UInt8>) -> KeyHash) -> Bool {
    guard fill.keep, let head = unsafe fill.publishedHead, head.isJoinable else { return false }
    let names = head.varyNames
    if names.isEmpty { return true }
    return selecting(names.span) == head.selecting
  }
}
