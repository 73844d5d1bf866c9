import Bytes
import Caching
import HTTP
import Storage

/// Waiting for a fill, and deciding when its head is there or it has failed.
extension Exchange {
  /// Sends the request on alone.
  ///
  /// - Parameter keyIsWritten: The worker's buffers still hold this request's key.
  func pass(_ reason: BypassReason, keyIsWritten: Bool = false) {
    switch worker.policy.pass(self) {
    case .fetch: fetchAlone(reason, keyIsWritten: keyIsWritten)
    case .synthesize(let response): deliverSynthetic(response)
    case .restart: restart()
    case .fail: fail()
    }
  }

  private func fetchAlone(_ reason: BypassReason, keyIsWritten: Bool) {
    if directives.onlyIfCached {
      return refuseOnlyIfCached()
    }
    // Built, the request would bring the whole.
    let reason = reason == .hitForMiss && isForPart ? .range : reason
    decision = .bypass(reason)
    guard !worker.store.inFlight.isExhausted else { return shed() }
    if !keyIsWritten { writeKey() }
    let worker = worker
    // Under a mark the response may end it, so it is asked for as a shared one would be (lifecycle L14).
    let mayStore = reason == .hitForMiss
    let fill = worker.store.startPrivate(
      hash: keyHash, key: worker.key.bytes, urlHash: urlHash, url: worker.url.bytes, now: worker.loop.now,
      worker: worker.index, mayStore: mayStore)
    let fetch = Fetch(worker: worker, fill: fill, kind: mayStore ? .alone : .passed)
    fetch.prepare(from: self, revalidating: nil)
    ownFetch = fetch
    wait(for: fill, starting: fetch)
  }

  func wait(for fill: Fill, starting fetch: Fetch?) {
    leaveFill()
    persistRequest()
    phase = .waiting
    let local = worker.local(fill)
    guard local.enter(self) else {
      if local.isEmpty { worker.forget(local) }
      return leaveAndLookUp()
    }
    reading = local
    if let fetch {
      local.starter = self
      worker.begin(fetch)
      return
    }
    worker.counters.add(.requestsCollapsed)
    waitBeganAt = worker.loop.kernel.microseconds()
    if fill.status == .awaitingHead {
      if fill.alternateRequest == nil { _ = fill.offerAlternateRequest(Fetch.alternateRequest(for: self)) }
      worker.loop.setDeadline(self, worker.loop.now + worker.limits.collapseTimeoutMilliseconds)
    } else {
      fillProgressed()
    }
  }

  /// The fill has news.
  func fillProgressed() {
    switch phase {
    case .waiting: headOrFailure()
    case .delivering: stream?.bodyProgressed(of: self)
    case .receiving, .deciding, .finished: break
    }
  }

  /// Nobody waits for a head for ever: one of the waiters begins another fill (lifecycle L13).
  func waitTimedOut() {
    if diskTicket != 0 { return diskWasSlow() }
    guard phase == .waiting, let reading, !reading.isStarter(self) else { return }
    worker.counters.add(.collapseTimeouts)
    endWait()
    missReason = .waitTimedOut
    // Each wait takes its time, so this cannot go round for ever.
    lookUps = 0
    lookUp()
  }

  private func headOrFailure() {
    guard let fill = reading?.fill else { return }
    switch fill.status {
    case .awaitingHead: return
    case .failed where fill.head == nil: fetchFailed(fill)
    case .streaming, .complete, .failed: headArrived(fill)
    }
  }

  private func headArrived(_ fill: Fill) {
    guard let head = fill.head as? ArrivedHead, let reading else { return }
    worker.loop.setDeadline(self, 0)
    let isOwn = reading.isStarter(self)
    upstream = head.upstream
    if !isOwn { endWait() }
    let verdict = HeadVerdict(
      isOwn: isOwn, isShareable: head.isJoinable, variantMatches: isOwn || selects(head),
      credentialsForbid: traits.contains(.authorization) && !head.allowsAuthorization
        || traits.hasCredentials && head.isGuessed,
      isConfirmation: head.confirmed != nil, isServerError: head.status >= 500,
      hasServableStale: staleIsServable)
    switch verdict.order {
    case .deliver where isFarAhead(fill, head):
      leaveFill()
      pass(.range)
    case .deliver:
      if isOwn, decision == .bypass(.range), head.isOfSmall { fetchWholeBehind() }
      deliver(fill, head)
    case .deliverConfirmed: deliverConfirmed(head)
    case .deliverStale: deliverStale()
    case .lookUpAgain: leaveAndLookUp()
    case .fetchAlone:
      leaveFill()
      pass(.hitForMiss)
    case .refuse: deliverError(.privateError)
    }
  }

  /// What was passed is a part of what is small: the next request finds the whole (decision 16).
  private func fetchWholeBehind() {
    writeKey()
    fetchInBackground(replacing: stale?.born ?? 0, revalidating: nil)
  }

  private func leaveAndLookUp() {
    leaveFill()
    missReason = .released
    writeKey()
    lookUp()
  }

  private func endWait() {
    waited = (waited ?? 0) + Int(worker.loop.kernel.microseconds() - waitBeganAt)
  }

  private func selects(_ head: ArrivedHead) -> Bool {
    guard !head.varyNames.isEmpty else { return true }
    let names = head.varyNames
    return selectingHash(names.span, request: request.head, seed: worker.store.seed) == head.selecting
  }

  private func deliverConfirmed(_ head: ArrivedHead) {
    guard let entry = head.confirmed?.duplicate() else { return }
    guard reading?.isStarter(self) ?? false || selects(head) else { return leaveAndLookUp() }
    leaveFill()
    stale = nil
    deliver(consume entry, .revalidated)
  }

  private func fetchFailed(_ fill: Fill) {
    worker.loop.setDeadline(self, 0)
    if reading?.isStarter(self) == false { endWait() }
    if staleIsServable { return deliverStale() }
    let failure = FetchFailure(rawValue: fill.failureReason) ?? .cancelled
    // Given up for want of readers, on another worker, while this one was joining.
    if failure == .cancelled, reading?.isStarter(self) == false { return leaveAndLookUp() }
    deliverError(failure)
  }

  /// A stale entry is in hand that may take the place of an error (lifecycle L16).
  private var staleIsServable: Bool {
    guard let freshness = stale?.freshness else { return false }
    return switch freshness.use(at: worker.loop.cacheSeconds) {
    case .fresh, .staleWhileRevalidating, .staleIfError: true
    case .stale: false
    }
  }

  /// There is no memory for another fetch, nor for another that waits for one. Hits are served all the same.
  func shed() {
    if staleIsServable { return deliverStale() }
    if stale != nil { decision = .expired }
    deliverError(.exhausted)
  }

  private func deliverStale() {
    guard let entry = stale.take() else { return }
    leaveFill()
    deliver(consume entry, .staleOnError(.attemptFailed))
  }

  private func deliverError(_ failure: FetchFailure) {
    leaveFill()
    let attempt: Attempt =
      switch decision {
      case .bypass: .bypass
      case .expired: .expired
      default: .miss
      }
    decision = .failed(failure.decisionFailure, attempt)
    deliverOwn(status: failure.decisionFailure.status, body: Array("\(failure.explanation)\n".utf8))
  }
}
