import Bytes
import Caching
import HTTP
import Storage

/// What of a whole response a request gets: conditions and ranges.
extension Exchange {
  /// A range does not make us fetch more than so many bytes that nobody has asked for (decision 16).
  static let rangeFillLimit = 16 << 20

  private static let selectingFields = FieldSet(
    .ifMatch, .ifNoneMatch, .ifModifiedSince, .ifUnmodifiedSince, .range)

  /// - Parameter length: Of the whole body; `nil`: not known yet, and no range can be answered.
  func selectPart(of stored: Span<UInt8>, status: UInt16, length: Int?) -> SelectedPart {
    guard request.head.present.intersects(Self.selectingFields) else { return .whole }
    let facts = HeadFacts(stored)
    var etag: Span<UInt8>?
    if let range = facts.etag { etag = stored.extracting(range) }
    let lastModified = facts.modified
    switch evaluateConditions(request: request.head, etag: etag, lastModified: lastModified, status: status) {
    case .notModified: return .notModified
    case .deliver: break
    }
    guard status == 200, let length, request.method == .get, request.head.has(.range) else { return .whole }
    let outcome = evaluateRange(
      request: request.head, length: length, etag: etag, lastModified: lastModified, date: facts.date)
    return switch outcome {
    case .whole: .whole
    case .part(let part): .part(part)
    case .parts(let parts): .parts(parts)
    case .unsatisfiable: .unsatisfiable
    }
  }

  /// Of a fill's body, as far as that is known by now.
  func wholeLength(_ fill: Fill, _ head: ArrivedHead) -> Int? {
    head.contentLength ?? (fill.status == .complete ? fill.published : nil)
  }

  /// A head of its own for 206: another status, all stored fields, `Content-Range`.
  func beginPart(_ part: Range<Int>, of length: Int) {
    write206Head(stored: storedHead(outgoing), part: part, of: length, to: &worker.tail)
    beginPartial(bodyLength: part.count)
  }

  /// The same for several parts, with the body that they make.
  func beginParts(_ parts: [Range<Int>], of length: Int) -> Multipart {
    let stored = storedHead(outgoing)
    let boundary = worker.makeID()
    var contentType: Span<UInt8>?
    if let range = HeadFacts(stored).contentType { contentType = stored.extracting(range) }
    let composed = Multipart(parts, of: length, contentType: contentType, boundary: boundary)
    write206Head(stored: stored, boundary: boundary, to: &worker.tail)
    beginPartial(bodyLength: composed.length)
    return composed
  }

  private func beginPartial(bodyLength: Int) {
    status = 206
    unsafe outgoing.storedHead = nil
    outgoing.storedCount = 0
    outgoing.bodyLength = bodyLength
    outgoing.statesLength = true
    outgoing.sendsBody = true
  }

  /// Whether this request may begin the fetch of a whole response, and not only join it: a range only where
  /// the whole is known to be small, or the origin can confirm that it is what we have.
  var mayFetchWhole: Bool {
    guard isForPart else { return true }
    guard let entry = stale?.duplicate() else { return false }
    return entry.bodyLength <= Self.rangeFillLimit || HeadFacts(entry.head).hasValidator
  }

  /// Ranges of a GET that would not be ignored.
  var isForPart: Bool { request.method == .get && request.head.has(.range) && asksForPart(request.head) }

  /// The part asked for is too far behind what has arrived to wait for it.
  func isFarAhead(_ fill: Fill, _ head: ArrivedHead) -> Bool {
    guard !head.isRaw, request.head.has(.range), let length = wholeLength(fill, head) else { return false }
    let first: Int? =
      switch selectPart(of: head.bytes, status: head.status, length: length) {
      case .part(let part): part.lowerBound
      case .parts(let parts): parts.map(\.lowerBound).max()
      case .whole, .notModified, .unsatisfiable: nil
      }
    guard let first else { return false }
    return first - fill.published > Self.rangeFillLimit
  }
}

/// What of a response a request gets.
enum SelectedPart: Equatable {
  case whole
  case part(Range<Int>)
  /// Two or more, in the client's order.
  case parts([Range<Int>])
  case notModified, unsatisfiable
}
