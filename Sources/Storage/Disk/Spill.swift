public import Bytes
public import Caching
import Glibc
import Synchronization

/// What a response will be stored as when it goes to the disk while it arrives. Set by the fill's owner
/// before the head is published.
public final class SpillPlan: Sendable {
  let disk: DiskStore
  let head: [UInt8]
  let status: UInt16
  let freshness: Freshness
  let etag: ByteRange?
  let lastModified: Int64?
  let varyNames: [UInt8]
  let selecting: KeyHash
  let varyValues: [UInt8]

  public init(
    _ disk: DiskStore, head: Span<UInt8>, status: UInt16, freshness: Freshness, etag: ByteRange?,
    lastModified: Int64?, varyNames: [UInt8], selecting: KeyHash, varyValues: [UInt8]
  ) {
    self.disk = disk
    self.head = head.array
    self.status = status
    self.freshness = freshness
    self.etag = etag
    self.lastModified = lastModified
    self.varyNames = varyNames
    self.selecting = selecting
    self.varyValues = varyValues
  }
}

/// What whoever writes a spill does next.
@unsafe private enum SpillStep {
  case write(UnsafePointer<UInt8>, count: Int)
  /// Nothing for now, and somebody else may write from now on.
  case rest
  /// All is written or given up, and nobody else will write.
  case finish
}

/// A body that is too long for memory, on its way into a temporary file while readers read: what has been
/// written is taken from memory and read from the file.
///
/// Disk threads write, one at a time; who that is, the fill's lock says.
final class Spill: Sendable {
  let plan: SpillPlan
  let layout: EntryFile.Layout
  let name: EntryName
  let path: String
  /// -1: not made yet.
  let descriptor = Atomic<CInt>(-1)
  /// Bytes of the body that are in the file.
  let written = Atomic<Int>(0)
  /// The disk did not keep up, or refused: what is in the file is still read by those who need it.
  let isGivenUp = Atomic<Bool>(false)
  // Under the fill's lock:
  nonisolated(unsafe) var isWriting = false
  nonisolated(unsafe) var isFinishing = false
  // Of whoever writes:
  nonisolated(unsafe) var checksums = BlockChecksums()
  nonisolated(unsafe) var reserved = 0

  init(_ plan: SpillPlan, layout: EntryFile.Layout, name: EntryName) {
    self.plan = plan
    self.layout = layout
    self.name = name
    path = plan.disk.temporaryPath()
  }

  /// A body may be so far ahead of what is written, in bytes; beyond it, the disk is too slow.
  static let mostUnwritten = 8 << 20
  /// Bytes for which a disk thread is woken.
  static let least = 256 << 10
  /// Bytes that are written at once.
  static let most = 1 << 20

  deinit { plan.disk.abandon(self) }
}

extension Fill {
  /// Its body is in a file, or on the way there, and not to be committed from memory.
  public var isSpilled: Bool {
    body.withLock { $0.spill.map { !$0.isGivenUp.load(ordering: .relaxed) } ?? false }
  }

  /// The body's byte at `offset` has left memory for a file.
  public func hasSpilled(_ offset: Int) -> Bool { body.withLock { $0.spill != nil && offset < $0.recycled } }

  /// Part of the body that has left memory for a file and is in the page cache: a descriptor, where in it,
  /// and how many bytes; `nil`: not this one.
  ///
  /// - Parameter isPrepared: As for `StoredFile.isResident`.
  public func spilledPart(at offset: Int, max limit: Int, isPrepared: Bool) -> (
    file: CInt, offset: Int, count: Int
  )? {
    let found = body.withLock { body -> (spill: Spill, count: Int)? in
      guard let spill = body.spill, offset < body.recycled else { return nil }
      return (spill, min(spill.written.load(ordering: .acquiring) - offset, limit))
    }
    guard let (spill, count) = found, count > 0 else { return nil }
    let file = spill.descriptor.load(ordering: .acquiring)
    let at = spill.layout.bodyOffset + offset
    guard spill.plan.disk.system.isResident(file, at: at, count: count, guess: isPrepared) else { return nil }
    return (file, at, count)
  }

  /// Makes the body go to the disk from now on. False: it cannot.
  func beginSpill() -> Bool {
    guard keep, let plan = unsafe spillPlan else { return false }
    if body.withLock({ $0.spill != nil }) { return true }
    let (varyNames, varyValues) = (plan.varyNames, plan.varyValues)
    let names = EntryFile.Names(
      key: key, url: url, varyNames: varyNames.span, varyValues: varyValues.span, selecting: plan.selecting)
    guard let layout = EntryFile.Layout(names, headBytes: plan.head.count), plan.disk.acceptsSpills else {
      return false
    }
    let spill = Spill(plan, layout: layout, name: names.fileName)
    body.withLock { $0.spill = spill }
    return true
  }

  /// For the owner, when bytes have been published: wakes a disk thread when there is enough to write.
  func spillMore(published: Int) {
    let due = body.withLock { body -> Spill? in
      guard let spill = body.spill, !spill.isGivenUp.load(ordering: .relaxed) else { return nil }
      let unwritten = published - spill.written.load(ordering: .relaxed)
      if unwritten >= Spill.mostUnwritten { return spill }
      guard unsafe !spill.isWriting, unwritten >= Spill.least else { return nil }
      unsafe spill.isWriting = true
      return spill
    }
    guard let due else { return }
    if published - due.written.load(ordering: .relaxed) >= Spill.mostUnwritten {
      due.plan.disk.counters.skippedForQueue.count()
      giveUpSpill()
    } else {
      due.plan.disk.write(due, of: self)
    }
  }

  /// The body is whole: the disk finishes the file, and then ends the fill, which others may join until then.
  public func finishSpill() {
    let due = body.withLock { body -> Spill? in
      guard let spill = body.spill else { return nil }
      unsafe spill.isFinishing = true
      guard unsafe !spill.isWriting else { return nil }
      unsafe spill.isWriting = true
      return spill
    }
    due?.plan.disk.write(due!, of: self)
  }

  /// From now on the fill passes: what its readers have read is let go.
  func giveUpSpill() {
    body.withLock {
      $0.spill?.isGivenUp.store(true, ordering: .relaxed)
      keeps.store(false, ordering: .releasing)
    }
  }

  /// For whoever writes: the next bytes that are in memory and not in the file.
  fileprivate func nextUnwritten(_ spill: Spill) -> SpillStep {
    unsafe body.withLock { body in
      let written = spill.written.load(ordering: .relaxed)
      if let (bytes, count) = unsafe body.bytes(at: written, max: Spill.most, published: published),
        !spill.isGivenUp.load(ordering: .relaxed)
      {
        return unsafe .write(bytes, count: count)
      }
      if unsafe spill.isFinishing { return unsafe .finish }
      unsafe spill.isWriting = false
      return unsafe .rest
    }
  }

  /// What is in the file leaves memory.
  fileprivate func letGoOfWritten(_ spill: Spill) {
    let change = body.withLock { body in
      // After it was given up, readers decide what may go.
      guard !spill.isGivenUp.load(ordering: .relaxed) else { return 0 }
      body.setAside(before: spill.written.load(ordering: .relaxed))
      return body.countAsPassing()
    }
    if change != 0 { store.inFlight.add(change) }
    // Whoever begins from now on does not find them. If somebody has begun before, the next time will do.
    if isNobodyTaking { body.withLock { $0.freeSetAside(to: store.arena) } }
  }
}

extension DiskStore {
  /// Has a disk thread bring what follows `offset` of a spilled body into the page cache, and then calls
  /// `done`.
  public func prepare(_ fill: Fill, from offset: Int, done: @escaping @Sendable () -> Void) {
    threads.submit {
      if let spill = fill.body.withLock({ $0.spill }) { self.readAhead(spill, from: offset) }
      done()
    }
  }

  private func readAhead(_ spill: Spill, from offset: Int) {
    var buffer = [UInt8](repeating: 0, count: DiskStore.blocksAhead * EntryFile.blockBytes)
    // SAFETY: the kernel writes at most `buffer.count` bytes.
    let result = unsafe buffer.withUnsafeMutableBytes {
      unsafe system.readFully(
        spill.descriptor.load(ordering: .acquiring), into: $0.baseAddress!, count: $0.count,
        at: spill.layout.bodyOffset + offset)
    }
    if result < 0 {
      counters.readErrors.count()
      health.failed(.read, CInt(-result), now: now)
    }
  }

  var acceptsSpills: Bool { health.mayWrite(now: now) }

  /// Longest body that is stored: half of the disk, or one response could push out all others.
  public var longestBody: Int { options.limits.size / 2 }

  /// Has a disk thread write what is there; the spill is its own until `nextUnwritten` says otherwise.
  fileprivate func write(_ spill: Spill, of fill: Fill) {
    if !threads.defer(bytes: 0, { self.writeOn(spill, of: fill) }) { fill.giveUpSpill() }
  }

  private func writeOn(_ spill: Spill, of fill: Fill) {
    while true {
      switch unsafe fill.nextUnwritten(spill) {
      case .write(let bytes, let count):
        // SAFETY: what is not written is not let go of.
        let piece = unsafe Span<UInt8>(_unsafeStart: bytes, count: count)
        if append(piece, to: spill) { fill.letGoOfWritten(spill) } else { fill.giveUpSpill() }
      case .rest: return
      case .finish:
        if spill.isGivenUp.load(ordering: .relaxed) || !finish(spill, fill) { memory.end(fill) }
        return
      }
    }
  }

  private func append(_ piece: Span<UInt8>, to spill: Spill) -> Bool {
    if spill.descriptor.load(ordering: .relaxed) < 0 {
      let file = system.open(spill.path, in: directory.descriptor, flags: O_RDWR | O_CREAT | O_EXCL)
      guard file >= 0 else {
        writeFailed(-file)
        return false
      }
      spill.descriptor.store(file, ordering: .releasing)
    }
    let written = spill.written.load(ordering: .relaxed)
    // Header and trailer with the first piece.
    let wanted = DiskStore.spaceTaken(spill.layout.fileBytes(bodyLength: written + piece.count))
    if unsafe wanted > spill.reserved {
      guard written + piece.count <= longestBody, unsafe makeRoom(wanted - spill.reserved) else {
        counters.skippedForRoom.count()
        return false
      }
      unsafe spill.reserved = wanted
    }
    let result = system.writeFully(
      spill.descriptor.load(ordering: .relaxed), piece, at: spill.layout.bodyOffset + written)
    guard result == 0 else {
      writeFailed(-result)
      return false
    }
    unsafe spill.checksums.append(piece)
    spill.written.store(written + piece.count, ordering: .releasing)
    counters.writtenBytes.count(piece.count)
    return true
  }

  /// Completes the file and puts it into its place; then the entry is in both tiers' indexes, and the fill
  /// ends.
  private func finish(_ spill: Spill, _ fill: Fill) -> Bool {
    let plan = spill.plan
    let (varyNames, varyValues) = (plan.varyNames, plan.varyValues)
    let names = EntryFile.Names(
      key: fill.key, url: fill.url, varyNames: varyNames.span, varyValues: varyValues.span,
      selecting: plan.selecting)
    let facts = EntryFile.Facts(
      born: fill.born, status: plan.status, freshness: plan.freshness,
      isSoftlyPurged: memory.fences.isFenced(born: fill.born, urlHash: fill.urlHash) == .soft,
      etag: plan.etag, lastModified: plan.lastModified)
    let length = spill.written.load(ordering: .relaxed)
    let file = spill.descriptor.load(ordering: .relaxed)
    guard file >= 0, length == fill.published else { return false }
    let head = plan.head
    var onDisk = FileFacts()
    let result = unsafe writeFrame(
      names, facts, head: head.span, spill.layout, spill.checksums, to: file, &onDisk)
    guard result == 0 else {
      writeFailed(-result)
      return false
    }
    let entry = DiskEntry(
      spill.name, urlHash: fill.urlHash, facts, blocks: onDisk.blocks, lastUse: now)
    guard unsafe put(spill.path, entry, urlHash: fill.urlHash, reserved: spill.reserved) else { return false }
    unsafe spill.reserved = 0
    if !varyNames.isEmpty {
      noteVary(
        key: fill.key.array, url: fill.url.array, varyNames, born: fill.born, urlHash: fill.urlHash)
    }
    _ = load(DiskRequest(name: spill.name, key: fill.key.array, hash: fill.hash))
    memory.end(fill)
    return true
  }

  /// Nobody reads it any more: the temporary file goes, if it did not become an entry's.
  fileprivate func abandon(_ spill: Spill) {
    let (file, path, reserved) = unsafe (
      spill.descriptor.load(ordering: .relaxed), spill.path, spill.reserved
    )
    guard file >= 0 else { return index.release(reserved) }
    threads.submit {
      self.system.close(file)
      if reserved > 0 { _ = self.system.unlink(path, in: self.directory.descriptor) }
      self.index.release(reserved)
    }
  }
}
