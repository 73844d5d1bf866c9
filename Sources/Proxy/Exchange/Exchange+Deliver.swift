import Bytes
import Caching
import HTTP
import Storage

/// From what was found to the response's head.
extension Exchange {
  /// Answers from a stored response.
  func deliver(_ entry: consuming EntryHandle, _ decision: Decision) {
    self.decision = decision
    body.hold(consume entry)
    switch worker.policy.deliver(self) {
    case .deliver: break
    case .synthesize(let response): return deliverSynthetic(response, .policy)
    case .restart: return restart()
    case .fail: return fail()
    }
    let entryStatus = body.entry!.status
    let length = body.entry!.bodyLength
    unsafe outgoing.storedHead = body.entry!.headBase
    unsafe outgoing.storedCount = body.entry!.head.count
    switch selectPart(
      status: entryStatus, length: length, etag: body.entry!.etag, lastModified: body.entry!.lastModified)
    {
    case .whole:
      status = entryStatus
      worker.tail.removeAll()
      writeEntryFields()
      unsafe outgoing.bodyLength = length
      unsafe outgoing.sendsBody = request.method != .head && HTTP.Status.mayHaveBody(entryStatus)
      unsafe outgoing.statesLength = HTTP.Status.mayHaveBody(entryStatus)
      body.readEntry(from: 0, to: length)
    case .part(let start, let end):
      beginPart(start, end, of: length)
      writeEntryFields()
      body.readEntry(from: start, to: end)
    case .notModified:
      beginNotModified()
      writeEntryFields()
    case .unsatisfiable: return deliverUnsatisfiable(length)
    case .preconditionFailed: return deliverPreconditionFailed()
    }
    phase = .delivering
    client?.sendHead(of: self)
  }

  /// Answers from a fill while it runs.
  func deliver(_ fill: Fill, _ head: ArrivedHead) {
    decideForFill(head)
    switch worker.policy.deliver(self) {
    case .deliver: break
    case .synthesize(let response): return deliverSynthetic(response, .policy)
    case .restart: return restart()
    case .fail: return fail()
    }
    unsafe outgoing.storedHead = head.base
    unsafe outgoing.storedCount = head.count
    unsafe outgoing.bodyLength = head.contentLength
    unsafe outgoing.statesLength = true
    unsafe outgoing.sendsBody = request.method != .head && HTTP.Status.mayHaveBody(head.status)
    status = head.status
    let part =
      head.isRaw
      ? SelectedPart.whole
      : selectPart(
        status: head.status, length: head.contentLength, etag: head.etag, lastModified: head.lastModified)
    switch part {
    case .whole:
      worker.tail.removeAll()
      if !HTTP.Status.mayHaveBody(head.status) { unsafe outgoing.statesLength = false }
      writeFillFields(head)
      body.read(fill, from: 0, to: head.contentLength)
    case .part(let start, let end):
      beginPart(start, end, of: head.contentLength ?? 0)
      writeFillFields(head)
      body.read(fill, from: start, to: end)
    case .notModified:
      beginNotModified()
      writeFillFields(head)
    case .unsatisfiable: return deliverUnsatisfiable(head.contentLength ?? 0)
    case .preconditionFailed: return deliverPreconditionFailed()
    }
    phase = .delivering
    client?.sendHead(of: self)
  }

  /// What of a whole response this request gets, by its conditions and its range.
  private func selectPart(
    status: UInt16, length: Int?, etag: Span<UInt8>?, lastModified: Int64?
  ) -> SelectedPart {
    guard request.head.present.intersects(Self.selectingFields) else { return .whole }
    switch evaluateConditions(request: request.head, etag: etag, lastModified: lastModified, status: status) {
    case .notModified: return .notModified
    case .preconditionFailed: return .preconditionFailed
    case .deliver: break
    }
    guard status == 200, let length, request.method == .get, request.head.has(.range) else { return .whole }
    return switch evaluateRange(
      request: request.head, length: length, etag: etag, lastModified: lastModified, date: nil)
    {
    case .whole: .whole
    case .part(let start, let end): .part(start, end)
    case .unsatisfiable: .unsatisfiable
    }
  }

  private static let selectingFields = FieldSet(
    .ifMatch, .ifNoneMatch, .ifModifiedSince, .ifUnmodifiedSince, .range)

  /// A head of its own for 206: another status, all stored fields, `Content-Range`.
  private func beginPart(_ start: Int, _ end: Int, of length: Int) {
    status = 206
    worker.tail.removeAll()
    worker.tail.append("HTTP/1.1 206 Partial Content\r\n")
    copyStoredFields(only: nil)
    worker.tail.append("Content-Range: bytes ")
    worker.tail.append(decimal: start)
    worker.tail.append(.dash)
    worker.tail.append(decimal: end - 1)
    worker.tail.append(.slash)
    worker.tail.append(decimal: length)
    worker.tail.append("\r\n")
    unsafe outgoing.storedHead = nil
    unsafe outgoing.storedCount = 0
    unsafe outgoing.bodyLength = end - start
    unsafe outgoing.sendsBody = true
  }

  /// RFC 9110 §15.4.5: the fields that a 200 would have had, less those of the content.
  private func beginNotModified() {
    status = 304
    worker.tail.removeAll()
    worker.tail.append("HTTP/1.1 304 Not Modified\r\n")
    copyStoredFields(
      only: FieldSet(.cacheControl, .contentLocation, .date, .etag, .expires, .vary, .lastModified))
    unsafe outgoing.storedHead = nil
    unsafe outgoing.storedCount = 0
    unsafe outgoing.bodyLength = 0
    unsafe outgoing.statesLength = false
    unsafe outgoing.sendsBody = false
  }

  /// Copies field lines of the stored head behind the status line in `tail`.
  private func copyStoredFields(only fields: FieldSet?) {
    guard let base = unsafe outgoing.storedHead else { return }
    let count = unsafe outgoing.storedCount
    let stored = unsafe Span<UInt8>(_unsafeStart: base, count: count)
    var at = (stored.firstIndex(of: .lineFeed) ?? count - 1) + 1
    while at < count {
      let end = (stored.firstIndex(of: .lineFeed, from: at) ?? count - 1) + 1
      let colon = stored.firstIndex(of: .colon, from: at) ?? at
      let known = KnownField.identify(stored.extracting(at..<colon))
      if fields?.contains(known) ?? true { worker.tail.append(stored.extracting(at..<end)) }
      at = end
    }
  }

  private func writeEntryFields() {
    let now = worker.loop.cacheSeconds
    let freshness = body.entry!.freshness
    writeAge(Int(freshness.age(at: now)))
    writeStatusFields(ttl: freshness.timeLeft(at: now), forwardedStatus: nil, isStored: nil)
  }

  private func writeFillFields(_ head: ArrivedHead) {
    if let freshness = head.freshness {
      let age = freshness.age(at: worker.loop.cacheSeconds)
      if age > 0 { writeAge(Int(age)) }
    } else if let age = head.age {
      writeAge(age)
    }
    writeStatusFields(
      ttl: head.freshness?.timeLeft(at: worker.loop.cacheSeconds), forwardedStatus: head.status,
      isStored: head.isStored)
  }

  private func writeAge(_ seconds: Int) {
    worker.tail.append("Age: ")
    worker.tail.append(decimal: seconds)
    worker.tail.append("\r\n")
  }

  func writeStatusFields(ttl: Int64?, forwardedStatus: UInt16?, isStored: Bool?) {
    worker.tail.append("X-Cache-Status: ")
    worker.tail.append(decision.xCacheStatus)
    worker.tail.append("\r\nCache-Status: ")
    let showsKey = facts.isTrusted
    decision.writeCacheStatus(
      ttl: ttl, forwardedStatus: forwardedStatus, isStored: isStored,
      key: showsKey ? keyHash : nil, to: &worker.tail)
    worker.tail.append("\r\nVia: 1.1 larder\r\n")
  }

  private func deliverUnsatisfiable(_ length: Int) {
    deliverSynthetic(Synthetic(status: 416, body: ""), nil, extra: "Content-Range: bytes */\(length)\r\n")
  }

  private func deliverPreconditionFailed() { deliverSynthetic(Synthetic(status: 412, body: ""), nil) }

  /// Books the request: metrics and log.
  func report() {
    let microseconds = Int(worker.loop.kernel.microseconds() - startedAt)
    worker.counters.requestEnded(decision: decision.index, status: status, microseconds: microseconds)
    worker.log(self, microseconds: microseconds)
  }
}

/// What of a response a request gets.
enum SelectedPart: Equatable {
  case whole
  /// From the first offset up to, not including, the second.
  case part(Int, Int)
  case notModified, unsatisfiable, preconditionFailed
}
