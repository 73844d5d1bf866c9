import Bytes
import Caching
import HTTP
import Storage

/// What the origin answers.
extension Fetch {
  func sendRequest() {
    guard let connection else { return }
    requestedAt = worker.loop.cacheSeconds
    sentAt = worker.loop.kernel.microseconds()
    worker.counters.add(.upstreamRequests)
    setDeadline(worker.limits.firstByteTimeoutMilliseconds)
    connection.begin()
    if machine.phase == .awaitingHead, bodyFraming != .none, !bodyHasEnded { wantBody() }
  }

  /// 1xx but 101, forwarded to those who wait (lifecycle L28).
  func interimArrived(_ bytes: [UInt8]) {
    interims += 1
    guard interims <= Self.interimLimit else { return }
    worker.localIfAny(fill)?.interim(bytes)
  }

  /// The final head. `framing` says how its body ends.
  func headArrived(_ head: inout ResponseHead, framing: BodyFraming) {
    worker.counters.observe(
      .upstreamFirstByte, microseconds: Int(worker.loop.kernel.microseconds() - sentAt))
    report(.answered)
    if head.status >= 500, retryWithAlternate() { return }
    switch worker.policy.fetchResponse(self) {
    case .deliver, .pass: break
    case .retry: if retry() { return }
    case .abandon, .fail:
      perform(machine.handle(.responseWasBad))
      return
    }
    _ = machine.handle(.headArrived)
    setDeadline(worker.limits.gapTimeoutMilliseconds)
    if head.status == 304, revalidated != nil, kind != .passed {
      confirmed(&head)
    } else {
      publish(&head, framing: framing)
    }
  }

  private func publish(_ head: inout ResponseHead, framing: BodyFraming) {
    head.head.removeHopByHop()
    if !head.head.has(.date) { addDate(to: &head.head) }
    let verdict = judge(head)
    let directives = ResponseDirectives.parse(from: head.head)
    let vary = VaryList.parse(from: head.head)
    worker.headBytes.removeAll()
    let facts = writeStoredHead(
      status: head.status, response: head.head, directives: directives, to: &worker.headBytes)
    var freshness: Freshness?
    var obstacle: Uncacheable?
    switch verdict {
    case .storable(let life): freshness = life
    case .not(let reason): obstacle = reason
    }
    let length = bodyLength(framing, head: head)
    if let length, length > worker.limits.maxObjectBytes, freshness != nil {
      freshness = nil
      obstacle = .tooLarge
    }
    bodyLeft = length
    let isShared = kind != .passed
    let mayShareError = head.status >= 500 && !directives.isPrivate && !directives.noStore
      && !head.head.has(.setCookie)
    response = ArrivedHead(
      worker.headBytes, status: head.status, facts: facts, freshness: freshness,
      age: head.head.value(of: .age)?.decimal, allowsAuthorization: directives.allowsAuthorizedReuse,
      isRaw: !isShared, confirmed: nil,
      joining: JoinFacts(
        contentLength: length, isJoinable: isShared && (freshness != nil || mayShareError),
        varyNames: freshness == nil ? [] : vary.names,
        selecting: selectingHash(vary.names.span, request: fetchRequest, seed: worker.store.seed)))
    if let freshness {
      storable = Storable(freshness: freshness, facts: facts)
      worker.store.headArrived(fill, vary: vary.names)
    } else {
      fill.keep = false
      unshareable(obstacle, status: head.status)
    }
    if !method.isSafe, head.status < 400 { invalidate(head) }
    fill.publishHead(response!)
  }

  private func judge(_ head: borrowing ResponseHead) -> Storability {
    if kind == .passed { return .not(method == .get ? .policy : .method) }
    return storability(
      method: method, request: traits, status: head.status, response: head.head, requestTime: requestedAt,
      responseTime: worker.loop.cacheSeconds, wallTime: worker.loop.wallSeconds,
      options: worker.cachingOptions)
  }

  /// Bytes of the body, as far as the head says.
  private func bodyLength(_ framing: BodyFraming, head: borrowing ResponseHead) -> Int? {
    switch framing {
    case .none: method == .head ? head.statedLength : 0
    case .length(let length): length
    case .chunked, .untilClose: nil
    }
  }

  private func addDate(to head: inout Head) {
    var date = OutputBuffer(capacity: 32)
    HTTPDate.write(worker.loop.wallSeconds, to: &date)
    head.append(.date, date.bytes)
  }

  /// Those who wait are let go, and the next ones do not wait (lifecycle L14).
  private func unshareable(_ obstacle: Uncacheable?, status: UInt16) {
    guard kind != .passed else { return }
    if let obstacle, obstacle.setsMark, status < 500 {
      worker.store.mark(fill, until: worker.loop.cacheSeconds + Worker.markSeconds)
    } else if status >= 500, revalidated != nil || kind == .background {
      worker.store.refreshFailed(fill, now: worker.loop.now)
    }
    worker.store.end(fill)
  }

  /// A 304 to our own question: the stored response lives on (RFC 9111 §4.3.4).
  private func confirmed(_ head: inout ResponseHead) {
    head.head.removeHopByHop()
    worker.headBytes.removeAll()
    let merged = confirmStored(
      revalidated!, by: head.head, traits: traits, requestTime: requestedAt,
      responseTime: worker.loop.cacheSeconds, wallTime: worker.loop.wallSeconds,
      options: worker.cachingOptions, to: &worker.headBytes)
    let old = revalidated.take()!
    let refreshed = worker.store.refresh(
      fill, old: old, head: worker.headBytes.bytes, freshness: merged.freshness, etag: merged.facts.etag,
      lastModified: merged.facts.lastModified)
    bodyLeft = 0
    let status = old.status
    response = ArrivedHead(
      worker.headBytes, status: status, facts: merged.facts, freshness: merged.freshness, age: nil,
      allowsAuthorization: true, isRaw: false, confirmed: refreshed ?? old.duplicate(),
      joining: JoinFacts(
        contentLength: 0, isJoinable: true, varyNames: merged.varyNames,
        selecting: selectingHash(merged.varyNames.span, request: fetchRequest, seed: worker.store.seed)))
    worker.counters.add(.fillsNotModified)
    fill.publishHead(response!)
  }

  /// RFC 9111 §4.4: what an unsafe method succeeded in changing is fetched anew.
  private func invalidate(_ head: borrowing ResponseHead) {
    worker.counters.add(.unsafeMethodPurges)
    _ = worker.store.purge(url: fill.url.span, soft: false)
    for field in [KnownField.location, .contentLocation] {
      guard let value = head.head.value(of: field), let url = sameHostURL(value, as: fill.url.span) else { continue }
      _ = worker.store.purge(url: url.span, soft: false)
    }
  }

  /// `count` body bytes at `bytes`, outside the fill.
  func bodyArrived(_ bytes: UnsafePointer<UInt8>, count: Int) {
    unsafe fill.append(bytes, count: count)
    booked(count)
  }

  /// Body bytes that were read straight into the fill.
  func booked(_ count: Int) {
    received += count
    if let left = bodyLeft { bodyLeft = left - count }
    if storable != nil, received > worker.limits.maxObjectBytes { storable = nil }
    setDeadline(worker.limits.gapTimeoutMilliseconds)
  }

  /// The body's end by its framing.
  func complete() {
    finishConnection()
    if response?.confirmed == nil { store() }
    fill.complete()
    end()
  }

  private func store() {
    guard let storable, let response, fill.keep else {
      worker.counters.add(.fillsNotStored)
      return
    }
    let outcome = worker.store.commit(
      fill, head: unsafe Span<UInt8>(_unsafeStart: response.base, count: response.count),
      status: response.status, freshness: storable.freshness, etag: storable.facts.etag,
      lastModified: storable.facts.lastModified)
    switch outcome {
    case .stored, .storedStale: worker.counters.add(.fillsStored)
    case .fenced: worker.counters.add(.fillsFenced)
    case .noRoom: worker.counters.add(.fillsNotStored)
    }
  }

  private func finishConnection() {
    guard let connection else { return releaseServer() }
    self.connection = nil
    connection.fetch = nil
    let isReusable = requestIsSent && connection.isReusable
    if isReusable { worker.park(connection) } else { worker.close(connection) }
    releaseServer()
  }
}
