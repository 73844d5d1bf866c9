import Bytes
import Caching
import HTTP
import Storage

/// From the request to what is known of its answer: recv, hash, look-up.
extension Exchange {
  func receive() {
    phase = .deciding
    // What is announced as too long is refused before anybody upstream hears of it.
    if case .length(let length) = request.framing, length > worker.limits.maxBodyBytes {
      return refuse(status: 413)
    }
    if worker.isLoop(request.head) {
      decision = .failed(.loop, .miss)
      return deliverOwn(status: 508, body: Array("This request has passed here before.\n".utf8))
    }
    directives = RequestDirectives.parse(from: request.head)
    traits = RequestTraits(request.head, directives: directives, hasBody: requestHasBody)
    offersUpgrade = request.head.has(.upgrade) && !request.upgradeOffer.isEmpty
    if hopsLeft == 0 { return answerLastHop() }
    switch worker.policy.receive(self) {
    case .hash: lookUp()
    case .pass(let reason): pass(reason)
    case .pipe: pipe()
    case .purge: purge()
    case .synthesize(let response): deliverSynthetic(response)
    case .restart: restart()
    case .fail: fail()
    }
  }

  /// From the top, by the policy's wish.
  func restart() {
    restarts += 1
    guard restarts <= Self.restartLimit else { return fail() }
    persistRequest()
    leaveFill()
    body.clear()
    upgrade = []
    if stale != nil { stale = nil }
    receive()
  }

  func fail() { deliverSynthetic(Synthetic(status: 503, body: "The policy failed.\n")) }

  /// The request is passed with its wish to change the protocol, if it has one.
  private func pipe() {
    switch worker.policy.pipe(self) {
    case .pipe:
      if offersUpgrade { upgrade = request.upgradeOffer }
      pass(offersUpgrade ? .upgrade : .policy)
    case .pass: pass(.policy)
    case .synthesize(let response): deliverSynthetic(response)
    case .fail: fail()
    }
  }

  func lookUp() {
    phase = .deciding
    // What an earlier look-up found may have been purged since: it must not be confirmed by a later fill.
    if stale != nil { stale = nil }
    // A condition that a cache must leave to the origin (RFC 9110 §13.1.1 and 13.1.4).
    if mustAskOrigin(request.head) { return pass(.precondition) }
    guard worker.policy.hash(self) == .lookUp else { return fail() }
    lookUps += 1
    writeKey()
    let worker = worker
    let outcome = worker.store.lookUp(
      hash: keyHash, key: worker.key.bytes, now: worker.loop.cacheSeconds,
      selecting: { names in selectingHash(names, request: request.head, seed: worker.store.seed) })
    switch consume outcome {
    case .entry(let entry): found(entry)
    case .mark: pass(.hitForMiss, keyIsWritten: true)
    case .nothing: if worker.disk == nil || hasAskedDisk { missed() } else { askDisk() }
    }
  }

  /// Key and canonical URL of this request, in the worker's buffers, and their hashes.
  func writeKey() {
    let worker = worker
    worker.key.removeAll()
    worker.url.removeAll()
    worker.keyTemplate.write(scheme: scheme, request: request, to: &worker.key)
    writeCanonicalURL(request, to: &worker.url)
    keyHash = worker.store.seed.hash(worker.key.bytes)
    urlHash = worker.store.seed.hash(worker.url.bytes)
  }

  private func found(_ entry: consuming EntryHandle) {
    let now = worker.loop.cacheSeconds
    if let disk = worker.disk, !book(entry, with: disk, now: now) { return fileIsGone() }
    let freshness = entry.freshness
    if freshness.isGuessed, traits.hasCredentials { return pass(.credentials) }
    var use = directives.use(freshness, at: now, strict: worker.configuration.isStrict)
    if entry.isSoftlyPurged, use == .fresh { use = .staleWhileRevalidating }
    // Each refresh that fails keeps the next one away for a while; meanwhile stale content is served at once.
    let mayAsk = entry.refreshBlockedUntil <= worker.loop.now
    switch use {
    case .fresh: return hit(entry)
    case .staleWhileRevalidating:
      let isOriginUp = worker.pool.isAnyUsable
      if mayAsk { refreshInBackground(entry) }
      return deliver(
        consume entry,
        !mayAsk ? .staleOnError(.backingOff) : isOriginUp ? .staleUpdating : .staleOnError(.originDown))
    case .staleIfError where !mayAsk: return deliver(consume entry, .staleOnError(.backingOff))
    case .staleIfError where !worker.pool.isAnyUsable:
      // Only an answer brings a server back, so somebody has to ask; the client does not wait for it (L15).
      refreshInBackground(entry)
      return deliver(consume entry, .staleOnError(.originDown))
    case .staleIfError, .stale: break
    }
    guard !directives.onlyIfCached else { return refuseOnlyIfCached() }
    let born = entry.born
    let isMarked = entry.isMarked
    stale = consume entry
    // Known to be unshareable by now: each on its own, and the entry only stands in for errors (L14).
    if isMarked { pass(.hitForMiss) } else { join(replacing: born) }
  }

  /// Tells the disk tier of the use of an entry. False: its file was changed by somebody else.
  private func book(_ entry: borrowing EntryHandle, with disk: DiskStore, now: CacheSeconds) -> Bool {
    if entry.isNoted, let name = entry.name { disk.wasUsed(name, at: now) }
    if disk.options.minUses > 1 { countUse(entry, of: disk) }
    guard let file = entry.file else { return true }
    guard disk.isCurrent(file, now: now) else { return false }
    if disk.options.memoryObject >= file.bodyLength,
      file.deservesPromotion(now: now, window: disk.options.promotionWindow)
    {
      disk.promote(entry.duplicate())
    }
    return true
  }

  /// The file was changed by somebody else, and the entry has left the index with it.
  private func fileIsGone() {
    if hasAskedDisk { missed() } else { askDisk() }
  }

  private func hit(_ entry: consuming EntryHandle) {
    switch worker.policy.hit(self) {
    case .deliver: deliver(consume entry, .hit)
    case .miss: missed()
    case .pass(let reason): pass(reason)
    case .synthesize(let response): deliverSynthetic(response)
    case .restart: restart()
    case .fail: fail()
    }
  }

  func missed() {
    guard !directives.onlyIfCached else { return refuseOnlyIfCached() }
    switch worker.policy.miss(self) {
    case .fetch: join(replacing: 0)
    case .pass(let reason): pass(reason)
    case .synthesize(let response): deliverSynthetic(response)
    case .restart: restart()
    case .fail: fail()
    }
  }

  func refuseOnlyIfCached() {
    decision = .synthetic(.onlyIfCached)
    deliverOwn(status: 504, body: Array("Not in the cache.\n".utf8))
  }

  /// Joins the fill under way for this key, or begins one.
  func join(replacing born: UInt64) {
    guard lookUps <= Self.lookUpLimit else { return pass(.hitForMiss) }
    let worker = worker
    guard !worker.store.inFlight.isExhausted else { return shed() }
    let outcome = worker.store.join(
      hash: keyHash, key: worker.key.bytes, urlHash: urlHash, url: worker.url.bytes, now: worker.loop.now,
      cacheNow: worker.loop.cacheSeconds, collapseTimeout: worker.limits.collapseTimeoutMilliseconds,
      worker: worker.index, replacing: born, mayStart: mayFetchWhole,
      selecting: { names in selectingHash(names, request: request.head, seed: worker.store.seed) })
    switch outcome {
    case .started(let fill):
      decision = stale == nil ? .miss(missReason) : .expired
      let fetch = Fetch(worker: worker, fill: fill, kind: .shared)
      fetch.prepare(from: self, revalidating: stale?.duplicate())
      wait(for: fill, starting: fetch)
    case .joined(let fill):
      decision = .collapsed
      wait(for: fill, starting: nil)
    case .changed: lookUp()
    case .nothing: pass(.range, keyIsWritten: true)
    }
  }

  private func refreshInBackground(_ entry: borrowing EntryHandle) {
    fetchInBackground(replacing: entry.born, revalidating: entry.duplicate())
  }

  /// Begins a fill that this request does not wait for, unless there is one. Its key must be written.
  func fetchInBackground(replacing born: UInt64, revalidating entry: consuming EntryHandle?) {
    let worker = worker
    guard !worker.store.inFlight.isExhausted else { return }
    let outcome = worker.store.join(
      hash: keyHash, key: worker.key.bytes, urlHash: urlHash, url: worker.url.bytes, now: worker.loop.now,
      cacheNow: worker.loop.cacheSeconds, collapseTimeout: worker.limits.collapseTimeoutMilliseconds,
      worker: worker.index, replacing: born,
      selecting: { names in selectingHash(names, request: request.head, seed: worker.store.seed) })
    guard case .started(let fill) = outcome else { return }
    let fetch = Fetch(worker: worker, fill: fill, kind: .background)
    fetch.prepare(from: self, revalidating: entry)
    worker.begin(fetch)
  }
}
