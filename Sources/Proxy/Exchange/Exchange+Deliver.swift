import Bytes
import Caching
import HTTP
import Storage

/// From what was found to the response's head.
extension Exchange {
  /// Answers from a stored response.
  func deliver(_ entry: consuming EntryHandle, _ decision: Decision) {
    self.decision = decision
    // A body without segments in memory lies in a file.
    hitTier = entry.bodySegmentCount == 0 && entry.bodyLength > 0 ? .diskHits : .memoryHits
    unsafe outgoing.storedHead = entry.headBase
    outgoing.storedCount = entry.head.count
    guard policyDelivers() else { return }
    let length = entry.bodyLength
    worker.tail.removeAll()
    switch selectPart(of: storedHead(outgoing), status: entry.status, length: length) {
    case .whole:
      status = entry.status
      writeEntryFields(entry)
      outgoing.bodyLength = length
      outgoing.sendsBody = request.method != .head && mayHaveBody(status)
      outgoing.statesLength = mayHaveBody(status)
      body.hold(consume entry)
      body.readEntry(from: 0, to: length)
    case .part(let part):
      beginPart(part, of: length)
      writeEntryFields(entry)
      body.hold(consume entry)
      body.readEntry(from: part.lowerBound, to: part.upperBound)
    case .parts(let parts):
      let composed = beginParts(parts, of: length)
      writeEntryFields(entry)
      body.hold(consume entry)
      body.readEntry(composed)
    case .notModified:
      beginNotModified()
      writeEntryFields(entry)
      body.clear()
    case .unsatisfiable: return deliverUnsatisfiable(length)
    }
    phase = .delivering
    stream?.sendHead(of: self)
  }

  /// Answers from a fill while it runs.
  func deliver(_ fill: Fill, _ head: ArrivedHead) {
    // It was asked for like a page for all, and is one client's (lifecycle L18).
    if traits.contains(.authorization), !head.isStored, !head.allowsAuthorization, head.status < 500 {
      decision = .bypass(.authorization)
    }
    arrived = head
    let isWhole = head.isRaw || reading?.isStarter(self) ?? false
    let bytes = isWhole ? head.ownBytes : head.bytes
    unsafe bytes.withUnsafeBufferPointer { unsafe outgoing.storedHead = $0.baseAddress }
    outgoing.storedCount = bytes.count
    guard policyDelivers() else { return }
    outgoing.bodyLength = head.contentLength
    outgoing.statesLength = true
    outgoing.sendsBody = request.method != .head && mayHaveBody(head.status)
    status = head.status
    worker.tail.removeAll()
    let length = wholeLength(fill, head)
    switch head.isRaw ? .whole : selectPart(of: storedHead(outgoing), status: head.status, length: length) {
    case .whole:
      if !mayHaveBody(head.status) { outgoing.statesLength = false }
      writeFillFields(head, key: fill.key)
      body.read(fill, from: 0, to: head.contentLength)
    case .part(let part):
      beginPart(part, of: length ?? 0)
      writeFillFields(head, key: fill.key)
      body.read(fill, from: part.lowerBound, to: part.upperBound)
    case .parts(let parts):
      // As they arrive: what the client names first may come last.
      let composed = beginParts(parts.sorted { $0.lowerBound < $1.lowerBound }, of: length ?? 0)
      writeFillFields(head, key: fill.key)
      body.read(fill, composed)
    case .notModified:
      beginNotModified()
      writeFillFields(head, key: fill.key)
    case .unsatisfiable: return deliverUnsatisfiable(length ?? 0)
    }
    phase = .delivering
    stream?.sendHead(of: self)
  }

  /// False: the policy has something else answered.
  private func policyDelivers() -> Bool {
    switch worker.policy.deliver(self) {
    case .deliver: return true
    case .synthesize(let response): deliverSynthetic(response)
    case .restart: restart()
    case .fail: fail()
    }
    return false
  }

  /// Changes the fields of the response for this client, within `Policy.deliver`: `resp`. An untouched head
  /// is not read at all.
  func editResponse(_ edit: (inout Head) -> Void) {
    var copy = OutputBuffer(capacity: outgoing.storedCount + 2)
    copy.append(storedHead(outgoing))
    copy.append("\r\n")
    var parsed = ResponseHead()
    guard unsafe (try? parsed.parse(copy.base, count: copy.count)) ?? false else { return }
    edit(&parsed.head)
    let edited = editedHead ?? EditedHead()
    editedHead = edited
    edited.bytes.removeAll()
    let statusEnd = (copy.bytes.firstIndex(of: .lineFeed) ?? 0) + 1
    edited.bytes.append(copy.bytes.extracting(0..<statusEnd))
    parsed.head.write(to: &edited.bytes)
    unsafe outgoing.storedHead = edited.bytes.base
    outgoing.storedCount = edited.bytes.count
  }

  private func beginNotModified() {
    status = 304
    write304Head(stored: storedHead(outgoing), to: &worker.tail)
    unsafe outgoing.storedHead = nil
    outgoing.storedCount = 0
    outgoing.bodyLength = 0
    outgoing.statesLength = false
    outgoing.sendsBody = false
  }

  private func writeEntryFields(_ entry: borrowing EntryHandle) {
    let now = worker.loop.cacheSeconds
    let freshness = entry.freshness
    writeAge(Int(freshness.age(at: now)))
    let facts = CacheStatusFacts(
      ttl: freshness.timeLeft(at: now), forwardStatus: decision == .revalidated ? 304 : 0,
      isTrusted: facts.isTrusted)
    writeStatusFields(facts, key: entry.key)
  }

  private func writeFillFields(_ head: ArrivedHead, key: Span<UInt8>) {
    let now = worker.loop.cacheSeconds
    if let freshness = head.freshness {
      let age = freshness.age(at: now)
      if age > 0 { writeAge(Int(age)) }
    } else if let age = head.age {
      writeAge(age)
    }
    let facts = CacheStatusFacts(
      ttl: head.freshness?.timeLeft(at: now), forwardStatus: head.status, isStored: head.isStored,
      isTrusted: facts.isTrusted)
    writeStatusFields(facts, key: key)
  }

  private func writeAge(_ seconds: Int) {
    worker.tail.append("Age: ")
    worker.tail.append(decimal: seconds)
    worker.tail.append("\r\n")
  }

  func writeStatusFields(_ facts: CacheStatusFacts, key: Span<UInt8>) {
    worker.tail.append("X-Cache-Status: ")
    worker.tail.append(decision.xCacheStatus)
    worker.tail.append("\r\nCache-Status: ")
    decision.writeCacheStatus(facts, key: key, to: &worker.tail)
    worker.tail.append("\r\nVia: 1.1 larder\r\n")
  }

  private func deliverUnsatisfiable(_ length: Int) {
    status = 416
    worker.tail.removeAll()
    write416Head(length: length, wallTime: worker.loop.wallSeconds, to: &worker.tail)
    finishSynthetic(body: [], CacheStatusFacts(isTrusted: facts.isTrusted))
  }

  /// Books the request: metrics and log.
  func report() {
    guard facts.role == .proxy else { return }
    // A head that was refused never became a request that begins.
    let microseconds = startedAt == 0 ? 0 : Int(worker.loop.kernel.microseconds() - startedAt)
    // A tunnel was counted when it opened: how long it lasts is no latency.
    if status != 101 {
      worker.counters.requestEnded(decision: decision.index, status: status, microseconds: microseconds)
    }
    if let hitTier { worker.counters.add(hitTier) }
    writeLogLine(microseconds)
  }
}

/// Whether a response with this status has a body, HEAD apart: RFC 9110 §6.4.1.
func mayHaveBody(_ status: UInt16) -> Bool { status >= 200 && status != 204 && status != 304 }

/// The stored head that a response is made from.
@_lifetime(borrow outgoing)
func storedHead(_ outgoing: borrowing Outgoing) -> Span<UInt8> {
  guard let base = unsafe outgoing.storedHead else { return Span() }
  // SAFETY: the entry or the fill's head, both of which the exchange holds, own these bytes.
  let span = unsafe Span<UInt8>(_unsafeStart: base, count: outgoing.storedCount)
  return unsafe _overrideLifetime(span, borrowing: outgoing)
}

/// A stored head as a policy has changed it for one client.
final class EditedHead {
  var bytes = OutputBuffer(capacity: 1024)
}
