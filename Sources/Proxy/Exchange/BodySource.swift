import Bytes
import Caching
import Glibc
import Storage

/// What a body source has at the moment.
enum BodyAvailability {
  /// Bytes that can be taken now, in so many parts.
  case bytes(Int, parts: Int)
  /// More will come: `bodyProgressed` says when.
  case pending
  case ended
  /// Less came than was announced.
  case failed
}

/// Where a response's body comes from. It is pulled, a bounded number of bytes at a time (lifecycle L2); the
/// bytes stay in place until they are reported as consumed.
///
/// It sends some text, then a part of an entry's or a fill's body; a composed one then sends another text and
/// another part, and so on. Text or part may be empty.
@safe struct BodySource: ~Copyable {
  private enum Kind {
    case none, entry, fill
  }

  private var kind = Kind.none
  private var entry: EntryHandle?
  private(set) var fill: Fill?
  /// The next byte to be taken of entry or fill, from the start of its whole body. For a fill it only grows.
  private(set) var offset = 0
  /// Of the part, exclusive; `Int.max` while it is not known.
  private var end = 0
  private var text: [UInt8] = []
  /// What of the text is to be taken before the part; `textEnd` is 0 where there is no text at all.
  private var textOffset = 0
  private var textEnd = 0
  private var pieces: [Multipart.Piece] = []
  private var nextPiece = 0
  /// Segments of the entry's body.
  private var segments = 0
  /// The entry's segment that holds `offset`, and where in it that is.
  private var segment = 0
  private var segmentOffset = 0

  /// Lets go of whatever it read from.
  mutating func clear() {
    kind = .none
    if entry != nil { entry = nil }
    fill = nil
    offset = 0
    end = 0
    segment = 0
    segmentOffset = 0
    guard textEnd > 0 else { return }
    text = []
    textOffset = 0
    textEnd = 0
    pieces = []
    nextPiece = 0
  }

  /// Keeps `entry` in memory; nothing of its body is sent before `read(from:to:)`.
  mutating func hold(_ entry: consuming EntryHandle) {
    clear()
    segments = entry.bodySegmentCount
    self.entry = consume entry
  }

  /// Reads the held entry's body from `start` to `end`.
  mutating func readEntry(from start: Int, to end: Int) {
    kind = .entry
    offset = start
    self.end = end
    segment = 0
    segmentOffset = 0
    guard start > 0 else { return }
    var skipped = 0
    while true {
      let count = segmentCount(segment)
      if skipped + count > start { break }
      skipped += count
      segment += 1
      if segment == segments { break }
    }
    segmentOffset = start - skipped
  }

  private func segmentCount(_ index: Int) -> Int {
    guard let bytes = unsafe entry?.bodySegment(index) else { return 0 }
    return unsafe bytes.1
  }

  /// Reads a fill's body from `start` to `end`, while it arrives.
  mutating func read(_ fill: Fill, from start: Int, to end: Int?) {
    clear()
    kind = .fill
    self.fill = fill
    offset = start
    self.end = end ?? Int.max
  }

  mutating func read(_ bytes: [UInt8]) {
    clear()
    text = bytes
    textEnd = bytes.count
  }

  /// Sends parts of the entry that is held.
  mutating func readEntry(_ composed: Multipart) {
    kind = .entry
    begin(composed)
  }

  /// Sends parts of a fill while it arrives; they must be in the order of the body.
  mutating func read(_ fill: Fill, _ composed: Multipart) {
    read(fill, from: 0, to: 0)
    begin(composed)
  }

  private mutating func begin(_ composed: Multipart) {
    text = composed.text
    pieces = composed.pieces
    beginPiece()
  }

  private mutating func beginPiece() {
    let piece = pieces[nextPiece]
    nextPiece += 1
    textEnd = piece.textEnd
    if kind == .entry {
      readEntry(from: piece.part.lowerBound, to: piece.part.upperBound)
    } else {
      offset = piece.part.lowerBound
      end = piece.part.upperBound
    }
  }

  /// Puts up to `capacity` parts of together at most `most` bytes into `parts`.
  mutating func parts(
    into parts: UnsafeMutablePointer<iovec>, capacity: Int, most: Int
  ) -> BodyAvailability {
    let textCount = min(most, textEnd - textOffset)
    guard textCount > 0 else {
      return unsafe partParts(into: parts, capacity: capacity, wanted: min(most, end - offset))
    }
    // SAFETY: the array is not changed before the write that uses this address.
    unsafe text.withUnsafeBufferPointer {
      unsafe parts[0] = iovec(
        iov_base: UnsafeMutableRawPointer(mutating: $0.baseAddress! + textOffset), iov_len: textCount)
    }
    let wanted = min(most - textCount, end - offset)
    guard wanted > 0, capacity > 1,
      case .bytes(let count, let used) = unsafe partParts(
        into: parts + 1, capacity: capacity - 1, wanted: wanted)
    else { return .bytes(textCount, parts: 1) }
    return .bytes(textCount + count, parts: 1 + used)
  }

  private func partParts(
    into parts: UnsafeMutablePointer<iovec>, capacity: Int, wanted: Int
  ) -> BodyAvailability {
    switch kind {
    case .none: .ended
    case .entry: unsafe entryParts(into: parts, capacity: capacity, wanted: wanted)
    case .fill: unsafe fillParts(into: parts, capacity: capacity, wanted: wanted)
    }
  }

  /// The next bytes as a part of a file, at most `most` of them; `nil`: they are to be written from memory.
  func filePart(most: Int) -> FilePart? {
    guard kind == .entry, textOffset == textEnd, segment < segments, most > 0 else { return nil }
    guard let (file, offset) = entry?.lendSegment(segment) else { return nil }
    let wanted = min(most, end - self.offset)
    var count = segmentCount(segment) - segmentOffset
    var next = segment + 1
    // Segments that lie one behind the other go together.
    while count < wanted, next < segments, let (_, start) = entry?.lendSegment(next),
      start == offset + segmentOffset + count
    {
      count += segmentCount(next)
      next += 1
    }
    count = min(count, wanted)
    return count > 0 ? FilePart(file: file, offset: offset + segmentOffset, count: count) : nil
  }

  /// How many bytes one part could carry now, without taking them.
  mutating func available(most: Int) -> BodyAvailability {
    var part = unsafe iovec()
    return unsafe parts(into: &part, capacity: 1, most: most)
  }

  private func entryParts(
    into parts: UnsafeMutablePointer<iovec>, capacity: Int, wanted: Int
  ) -> BodyAvailability {
    guard wanted > 0 else { return .ended }
    var index = segment
    var within = segmentOffset
    var used = 0
    var total = 0
    while total < wanted, used < capacity {
      guard let (base, count) = unsafe entry?.bodySegment(index) else { break }
      let take = min(count - within, wanted - total)
      unsafe parts[used] = iovec(iov_base: UnsafeMutableRawPointer(mutating: base + within), iov_len: take)
      total += take
      used += 1
      index += 1
      within = 0
    }
    return .bytes(total, parts: used)
  }

  private func fillParts(
    into parts: UnsafeMutablePointer<iovec>, capacity: Int, wanted: Int
  ) -> BodyAvailability {
    guard let fill, wanted > 0 else { return .ended }
    // Read before the bytes are looked for: what is published before the end is then not missed.
    let status = fill.status
    var total = 0
    var used = 0
    while total < wanted, used < capacity {
      guard let (base, count) = unsafe fill.segment(at: offset + total, max: wanted - total) else { break }
      unsafe parts[used] = iovec(iov_base: UnsafeMutableRawPointer(mutating: base), iov_len: count)
      total += count
      used += 1
    }
    if total > 0 { return .bytes(total, parts: used) }
    switch status {
    case .awaitingHead, .streaming: return .pending
    case .complete: return end == Int.max ? .ended : .failed
    case .failed: return .failed
    }
  }

  /// `count` bytes have been taken.
  mutating func consumed(_ count: Int) {
    guard textEnd > 0 else { return partConsumed(count) }
    let textCount = min(count, textEnd - textOffset)
    textOffset += textCount
    partConsumed(count - textCount)
    if nextPiece < pieces.count, textOffset == textEnd, offset == end { beginPiece() }
  }

  private mutating func partConsumed(_ count: Int) {
    offset += count
    guard kind == .entry else { return }
    segmentOffset += count
    while segment < segments {
      let size = segmentCount(segment)
      if segmentOffset < size { break }
      segmentOffset -= size
      segment += 1
    }
  }
}

/// Body bytes that the kernel can send by itself.
struct FilePart {
  let file: CInt
  let offset: Int
  let count: Int
}
