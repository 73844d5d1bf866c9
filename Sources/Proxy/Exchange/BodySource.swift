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
    case none, entry, file, fill
  }

  private var kind = Kind.none
  private var entry: EntryHandle?
  /// Of the entry, if its body lies in one.
  private(set) var file: StoredFile?
  private(set) var fill: Fill?
  /// The next byte to be taken of entry or fill, from the start of its whole body. For a fill it only grows.
  private(set) var offset = 0
  /// Of the part, exclusive; `Int.max` while it is not known.
  private var end = 0
  /// Up to here a disk thread has just read ahead.
  private var preparedEnd = 0
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
    if file != nil { file = nil }
    fill = nil
    offset = 0
    end = 0
    preparedEnd = 0
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
    if segments == 0, let file = entry?.file {
      kind = .file
      self.file = file
      return
    }
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
  ///
  /// - Parameter copying: Memory that takes the bytes of a file, and stays until they are written.
  mutating func parts(
    into parts: UnsafeMutablePointer<iovec>, capacity: Int, most: Int, copying: UnsafeMutableRawBufferPointer
  ) -> BodyAvailability {
    let textCount = min(most, textEnd - textOffset)
    guard textCount > 0 else {
      return unsafe partParts(
        into: parts, capacity: capacity, wanted: min(most, end - offset), copying: copying)
    }
    // SAFETY: the array is not changed before the write that uses this address.
    unsafe text.withUnsafeBufferPointer {
      unsafe parts[0] = iovec(
        iov_base: UnsafeMutableRawPointer(mutating: $0.baseAddress! + textOffset), iov_len: textCount)
    }
    let wanted = min(most - textCount, end - offset)
    guard wanted > 0, capacity > 1,
      case .bytes(let count, let used) = unsafe partParts(
        into: parts + 1, capacity: capacity - 1, wanted: wanted, copying: copying)
    else { return .bytes(textCount, parts: 1) }
    return .bytes(textCount + count, parts: 1 + used)
  }

  private func partParts(
    into parts: UnsafeMutablePointer<iovec>, capacity: Int, wanted: Int,
    copying: UnsafeMutableRawBufferPointer
  ) -> BodyAvailability {
    switch kind {
    case .none: .ended
    case .entry: unsafe entryParts(into: parts, capacity: capacity, wanted: wanted)
    case .file: unsafe filePart(into: parts, wanted: min(wanted, copying.count), copying)
    case .fill: unsafe fillParts(into: parts, capacity: capacity, wanted: wanted)
    }
  }

  /// The next bytes as a part of a file, at most `most` of them; `nil`: they are to be written from memory.
  func filePart(most: Int) -> FilePart? {
    guard textOffset == textEnd, most > 0 else { return nil }
    if kind == .file { return storedPart(most: min(most, end - offset)) }
    if kind == .fill { return spilledPart(most: min(most, end - offset)) }
    guard kind == .entry, segment < segments else { return nil }
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
    if kind == .fill, textOffset == textEnd, let part = spilledPart(most: min(most, end - offset)) {
      return .bytes(part.count, parts: 1)
    }
    var part = unsafe iovec()
    return unsafe parts(
      into: &part, capacity: 1, most: most, copying: UnsafeMutableRawBufferPointer(start: nil, count: 0))
  }

  /// What of a file may be sent by now and is in the page cache, so that nobody waits for the disk.
  private func storedPart(most: Int) -> FilePart? {
    guard let file, most > BodySource.copiedBytes else { return nil }
    let count = file.comparedBytes(at: offset, max: most)
    guard count > 0, file.isResident(offset, count: count, isPrepared: isPrepared) else { return nil }
    return FilePart(file: file.descriptor, offset: file.bodyOffset + offset, count: count)
  }

  /// What of a fill has left memory for a file.
  private func spilledPart(most: Int) -> FilePart? {
    guard let (file, at, count) = fill?.spilledPart(at: offset, max: most, isPrepared: isPrepared) else {
      return nil
    }
    return FilePart(file: file, offset: at, count: count)
  }

  /// So many bytes are rather copied and sent with what goes before them than by a call of their own.
  static let copiedBytes = 16384

  private func filePart(
    into parts: UnsafeMutablePointer<iovec>, wanted: Int, _ memory: UnsafeMutableRawBufferPointer
  ) -> BodyAvailability {
    guard let file, wanted > 0 else { return .ended }
    if file.isDamaged { return .failed }
    let count = file.comparedBytes(at: offset, max: min(wanted, BodySource.copiedBytes))
    guard count > 0 else { return .pending }
    let got = unsafe file.readNow(
      UnsafeMutableRawBufferPointer(rebasing: memory[..<count]), at: offset, isPrepared: isPrepared)
    guard got > 0 else { return got == 0 ? .failed : .pending }
    unsafe parts[0] = iovec(iov_base: memory.baseAddress, iov_len: got)
    return .bytes(got, parts: 1)
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
    // Those bytes have left memory for a file: `filePart` has them, or the disk is asked to read them.
    if fill.hasSpilled(offset) { return .pending }
    switch status {
    case .awaitingHead, .streaming: return .pending
    case .complete: return end == Int.max ? .ended : .failed
    case .failed: return .failed
    }
  }

  private var isPrepared: Bool { offset < preparedEnd }

  /// A disk thread has compared, or brought into the page cache, what comes next.
  mutating func nextIsPrepared() { preparedEnd = offset + DiskStore.readAheadBytes }

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
