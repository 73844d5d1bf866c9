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

  /// 1xx but 101, forwarded to those who wait (lifecycle L28): signs of life, for which the time-out begins
  /// anew. False: no origin means so many.
  func interimArrived(_ response: inout ResponseHead) -> Bool {
    interims += 1
    guard interims <= Self.interimFloodLimit else { return false }
    if interims <= Self.interimLimit {
      fill.publishInterim(interimHead(&response))
      setDeadline(worker.limits.firstByteTimeoutMilliseconds)
    }
    return true
  }

  /// What a client is told of a 1xx: nothing that belongs to the server's connection, or to one client.
  private func interimHead(_ response: inout ResponseHead) -> [UInt8] {
    response.head.removeHopByHop()
    response.head.remove(.contentLength)
    if kind != .passed { response.head.remove(.setCookie) }
    var output = OutputBuffer(capacity: 256)
    output.append("HTTP/1.1 ")
    output.append(decimal: Int(response.status))
    output.append(.space)
    output.append(response.head.bytes(response.reason))
    output.append("\r\n")
    response.head.write(to: &output)
    output.append("\r\n")
    return output.bytes.array
  }

  /// The final head. `framing` says how its body ends.
  func headArrived(_ head: inout ResponseHead, framing: BodyFraming) {
    let time = Int(worker.loop.kernel.microseconds() - sentAt)
    worker.counters.observe(.upstreamFirstByte, microseconds: time)
    upstream.firstByte = time
    upstream.status = head.status
    report(.answered)
    if head.status >= 500, retryWithAlternate() { return }
    // A built request has no conditions but ours.
    if head.status == 304, kind != .passed, revalidated == nil {
      worker.counters.add(.badResponse)
      return responseWasBad()
    }
    switch worker.policy.fetchResponse(self, &head) {
    case .deliver: break
    case .pass: isPassedByPolicy = true
    case .retry: if retry() { return }
    case .abandon, .fail:
      perform(machine.handle(.responseWasBad))
      return
    }
    _ = machine.handle(.headArrived)
    setDeadline(worker.limits.gapTimeoutMilliseconds)
    if head.status == 304, kind != .passed, let old = revalidated.take() {
      confirmed(&head, old)
    } else {
      publish(&head, framing: framing)
    }
  }

  private func publish(_ head: inout ResponseHead, framing: BodyFraming) {
    head.head.removeHopByHop()
    let directives = ResponseDirectives.parse(from: head.head)
    let verdict = judge(head, directives)
    let vary = VaryList.parse(from: head.head)
    worker.headBytes.removeAll()
    writeStoredHead(
      status: head.status, response: head.head, directives: directives, wallTime: worker.loop.wallSeconds,
      to: &worker.headBytes)
    var traits = ArrivedTraits(status: head.status)
    traits.contentLength = bodyLength(framing, head: head)
    traits.allowsAuthorization = directives.allowsAuthorizedReuse
    traits.age = head.head.value(of: .age)?.decimal
    traits.isRaw = kind == .passed
    traits.isOfSmall = isOfSmall(head, directives, length: traits.contentLength)
    traits.varyNames = vary.names
    traits.selecting = selectingHash(vary.names.span, request: memory.request, seed: worker.store.seed)
    var obstacle: Uncacheable?
    switch verdict {
    case .storable where traits.contentLength ?? 0 > longestBody: obstacle = .tooLarge
    case .storable(let freshness): traits.freshness = freshness
    case .not(let reason): obstacle = reason
    }
    traits.isJoinable =
      kind != .passed
      && (traits.freshness != nil
        || maySpread(head.head, directives: directives, request: self.traits, options: worker.cachingOptions)
          && head.status >= 500)
    bodyLeft = traits.contentLength
    isStorable = traits.freshness != nil
    var own: [UInt8] = []
    if !directives.withheldFields.isEmpty {
      var whole = OutputBuffer(capacity: 1024)
      writeStoredHead(
        status: head.status, response: head.head, directives: directives, wallTime: worker.loop.wallSeconds,
        withholds: false, to: &whole)
      own = whole.bytes.array
    }
    traits.upstream = upstream
    let arrived = ArrivedHead(worker.headBytes, traits, confirmed: nil, own: own)
    response = arrived
    if isStorable {
      worker.store.headArrived(fill, vary: arrived.varyNames, selecting: arrived.selecting)
    } else {
      unshareable(obstacle, arrived)
    }
    invalidate(head)
    planSpill(arrived)
    fill.publishHead(arrived)
  }

  private func fileName(of response: ArrivedHead) -> EntryName {
    let (fill, varyNames) = (fill, response.varyNames)
    return EntryName(key: fill.key, varyNames: varyNames.span, selecting: response.selecting)
  }

  /// Longest body that can be stored, in bytes.
  private var longestBody: Int {
    guard let disk = worker.disk else { return worker.limits.maxObjectBytes }
    return max(disk.longestBody, worker.limits.maxObjectBytes)
  }

  /// Where there is a disk, a body that is too long for memory goes there while it arrives.
  private func planSpill(_ head: ArrivedHead) {
    guard let disk = worker.disk, let freshness = head.freshness,
      head.contentLength ?? .max > worker.limits.maxObjectBytes
    else { return }
    let facts = head.facts
    unsafe fill.spillPlan = SpillPlan(
      disk, head: head.bytes, status: head.status, freshness: freshness, etag: facts.etag,
      lastModified: facts.modified, varyNames: head.varyNames, selecting: head.selecting,
      varyValues: selectingLines(head.varyNames))
  }

  private func judge(_ head: borrowing ResponseHead, _ directives: ResponseDirectives) -> Storability {
    if kind == .passed { return .not(method == .get ? .policy : .method) }
    if isPassedByPolicy { return .not(.policy) }
    return storing(head, directives, as: head.status)
  }

  private func storing(
    _ head: borrowing ResponseHead, _ directives: ResponseDirectives, as status: UInt16
  ) -> Storability {
    storability(
      method: method, request: traits, status: status, response: head.head, directives: directives,
      requestTime: requestedAt, responseTime: worker.loop.cacheSeconds, wallTime: worker.loop.wallSeconds,
      options: worker.cachingOptions)
  }

  /// See `ArrivedHead.isOfSmall`.
  private func isOfSmall(
    _ head: borrowing ResponseHead, _ directives: ResponseDirectives, length: Int?
  ) -> Bool {
    guard kind == .passed, !isPassedByPolicy, memory.request.has(.range) else { return false }
    let whole: Int? =
      switch head.status {
      case 200: length as Int?
      case 206: head.head.withValue(of: .contentRange) { completeLength(contentRange: $0) } ?? nil
      default: nil
      }
    guard let whole, whole <= min(Exchange.rangeFillLimit, worker.limits.maxObjectBytes) else { return false }
    if case .storable = storing(head, directives, as: 200) { return true }
    return false
  }

  /// Bytes of the body, as far as the head says.
  private func bodyLength(_ framing: BodyFraming, head: borrowing ResponseHead) -> Int? {
    switch framing {
    case .none: method == .head ? head.statedLength : 0
    case .length(let length): length
    case .chunked, .untilClose: nil
    }
  }

  /// Those who wait are let go, and the next ones do not wait (lifecycle L14).
  private func unshareable(_ obstacle: Uncacheable?, _ head: ArrivedHead) {
    fill.stopKeeping()
    guard kind != .passed else { return }
    if head.status >= 500 {
      worker.store.refreshFailed(fill, now: worker.loop.now)
    } else if let obstacle, obstacle.setsMark, kind != .alone {
      worker.store.headArrived(fill, vary: head.varyNames, selecting: head.selecting)
      worker.store.mark(fill, until: worker.loop.cacheSeconds + Worker.markSeconds)
    }
    worker.store.end(fill)
  }

  /// A 304 to our own question: the stored response lives on (RFC 9111 §4.3.4).
  private func confirmed(_ head: inout ResponseHead, _ old: consuming EntryHandle) {
    head.head.removeHopByHop()
    worker.headBytes.removeAll()
    mergedHead(
      stored: old.head, update304: head.head, keepsCookies: worker.cachingOptions.strict,
      to: &worker.headBytes)
    worker.headBytes.append("\r\n")
    var merged = ResponseHead()
    let isParsed = unsafe (try? merged.parse(worker.headBytes.base, count: worker.headBytes.count)) ?? false
    var traits = ArrivedTraits(status: old.status)
    traits.upstream = upstream
    traits.isJoinable = true
    traits.allowsAuthorization = true
    traits.contentLength = 0
    if isParsed {
      traits.allowsAuthorization = ResponseDirectives.parse(from: merged.head).allowsAuthorizedReuse
      traits.varyNames = VaryList.parse(from: merged.head).names
      traits.selecting = selectingHash(
        traits.varyNames.span, request: memory.request, seed: worker.store.seed)
      let verdict = storabilityOfConfirmed(
        request: self.traits, status: old.status, merged: merged.head, update304: head.head,
        requestTime: requestedAt, responseTime: worker.loop.cacheSeconds, wallTime: worker.loop.wallSeconds,
        options: worker.cachingOptions)
      if case .storable(let freshness) = verdict { traits.freshness = freshness }
    }
    worker.headBytes.truncate(to: worker.headBytes.count - 2)
    bodyLeft = 0
    worker.counters.add(.fillsNotModified)
    let refreshed = refresh(old, traits)
    let arrived = ArrivedHead(worker.headBytes, traits, confirmed: refreshed)
    response = arrived
    fill.stopKeeping()
    fill.publishHead(arrived)
  }

  /// The entry with its new head; the old one when that may not be stored any more, or was purged meanwhile.
  private func refresh(_ old: borrowing EntryHandle, _ traits: ArrivedTraits) -> EntryHandle {
    let worker = worker
    let facts = HeadFacts(worker.headBytes.bytes)
    if let freshness = traits.freshness,
      let renewed = worker.store.refresh(
        fill, old: old, head: worker.headBytes.bytes, freshness: freshness, etag: facts.etag,
        lastModified: facts.modified)
    {
      worker.disk?.renew(
        renewed.duplicate(), hash: fill.hash, varyNames: traits.varyNames, selecting: traits.selecting,
        varyValues: selectingLines(traits.varyNames))
      return renewed
    }
    return old.duplicate()
  }

  /// RFC 9111 §4.4: what an unsafe method succeeded in changing is fetched anew.
  private func invalidate(_ head: borrowing ResponseHead) {
    guard kind == .passed, invalidates(method, status: head.status) else { return }
    worker.counters.add(.unsafeMethodPurges)
    let fill = fill
    worker.counters.add(.entriesPurged, worker.purge(fill.url, soft: false, for: nil).purged)
    guard let exchange = worker.localIfAny(fill)?.starter else { return }
    for field in [KnownField.location, .contentLocation] {
      guard let value = head.head.value(of: field), let url = invalidatedURL(value, of: exchange.request)
      else { continue }
      worker.counters.add(.entriesPurged, worker.purge(url.span, soft: false, for: nil).purged)
    }
  }

  /// `count` body bytes at `bytes`, outside the fill.
  func bodyArrived(_ bytes: UnsafePointer<UInt8>, count: Int) {
    _ = fill.append(unsafe Span<UInt8>(_unsafeStart: bytes, count: count))
    booked(count)
  }

  /// Body bytes that were read straight into the fill.
  func booked(_ count: Int) {
    received += count
    if let left = bodyLeft { bodyLeft = left - count }
    setDeadline(worker.limits.gapTimeoutMilliseconds)
  }

  /// The body's end by its framing.
  func complete() {
    finishConnection()
    if fill.isSpilled {
      worker.counters.add(.fillsStored)
      fill.complete()
      fill.finishSpill()
    } else {
      if let response, !response.isConfirmation { store(response) }
      fill.complete()
    }
    end()
  }

  private func store(_ response: ArrivedHead) {
    guard let freshness = response.freshness, fill.keep else {
      worker.counters.add(.fillsNotStored)
      return
    }
    let facts = response.facts
    let outcome = worker.store.commit(
      fill, head: response.bytes, status: response.status, freshness: freshness, etag: facts.etag,
      lastModified: facts.modified,
      name: worker.disk == nil ? nil : fileName(of: response)
    ) { entry in
      worker.disk?.keep(
        entry, hash: fill.hash, varyNames: response.varyNames, selecting: response.selecting,
        varyValues: selectingLines(response.varyNames))
    }
    switch outcome {
    case .stored, .storedStale: worker.counters.add(.fillsStored)
    case .fenced: worker.counters.add(.fillsFenced)
    case .superseded, .noRoom: worker.counters.add(.fillsNotStored)
    }
  }

  /// What the selecting fields said in the request, for people who look at the store.
  private func selectingLines(_ names: [UInt8]) -> [UInt8] {
    guard !names.isEmpty else { return [] }
    var lines = OutputBuffer(capacity: 256)
    writeSelectingLines(names.span, request: memory.request, to: &lines)
    return lines.bytes.array
  }

  private func finishConnection() {
    guard let connection else { return releaseServer() }
    self.connection = nil
    connection.fetch = nil
    let isReusable = requestIsSent && !isLastOnConnection && connection.isReusable
    if isReusable { worker.park(connection) } else { worker.close(connection) }
    releaseServer()
  }
}
