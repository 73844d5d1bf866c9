import Bytes
import Glibc
import Synchronization

/// A stored response's file, open for reading: where its body lies, and which blocks of it have been compared
/// with their checksums. No byte of a block is given to anybody before that.
///
/// Made by a disk thread with the entry that counts it; used on every worker. Its descriptor is closed on a
/// disk thread: the last close of a removed file gives its blocks back, which may take a while.
@safe public final class StoredFile: Sendable {
  public let name: EntryName
  /// Of the key and of the canonical URL, by which the memory tier finds the entry.
  let hash: KeyHash
  let urlHash: KeyHash
  public let descriptor: CInt
  /// Of the body's first byte in the file.
  public let bodyOffset: Int
  public let bodyLength: Int
  let table: BlockTable
  /// A bit for each block that has been compared.
  private nonisolated(unsafe) let compared: UnsafeMutablePointer<Atomic<UInt64>>
  private let wordCount: Int
  private let uncompared: Atomic<Int>
  /// What the file system said of the file when it was last known to be good.
  private let version: Guarded<FileVersion>
  /// In `CacheSeconds`.
  let lookedAtVersionAt: Atomic<Int64>
  /// When it was last hit, in `CacheSeconds`; the least value: not yet.
  let lastHit = Atomic<Int64>(.min)
  /// A copy into memory is under way.
  let isPromoting = Atomic<Bool>(false)
  private let isBad = Atomic<Bool>(false)
  private let isRenewing = Atomic<Bool>(false)
  private let system: DiskSystem
  private let close: @Sendable (ObjectIdentifier, CInt) -> Void

  /// - Parameter close: Called with the descriptor at the end; must not block, and not keep the file.
  init(
    name: EntryName, hash: KeyHash, urlHash: KeyHash, descriptor: CInt, bodyOffset: Int, table: BlockTable,
    version: FileVersion, system: DiskSystem, now: Int64,
    close: @escaping @Sendable (ObjectIdentifier, CInt) -> Void
  ) {
    self.name = name
    self.hash = hash
    self.urlHash = urlHash
    self.descriptor = descriptor
    self.bodyOffset = bodyOffset
    bodyLength = table.bodyLength
    self.table = table
    self.version = Guarded(version, sharesCacheLines: true)
    self.system = system
    lookedAtVersionAt = Atomic(now)
    self.close = close
    wordCount = (table.blockCount + 63) / 64
    uncompared = Atomic(table.blockCount)
    unsafe compared = .allocate(capacity: max(wordCount, 1))
    for i in 0..<max(wordCount, 1) { unsafe (compared + i).initialize(to: Atomic(0)) }
  }

  deinit {
    unsafe compared.deinitialize(count: max(wordCount, 1))
    unsafe compared.deallocate()
    close(ObjectIdentifier(self), descriptor)
  }

  /// Index of the block that holds the body's byte at `offset`.
  static func block(of offset: Int) -> Int { offset / EntryFile.blockBytes }

  /// How many bytes from `offset` on, at most `limit`, lie in blocks that have been compared.
  public func comparedBytes(at offset: Int, max limit: Int) -> Int {
    let end = min(offset + limit, bodyLength)
    guard offset < end, !isDamaged else { return 0 }
    if uncompared.load(ordering: .acquiring) == 0 { return end - offset }
    var at = offset
    while at < end, isCompared(StoredFile.block(of: at)) {
      at = (StoredFile.block(of: at) + 1) * EntryFile.blockBytes
    }
    return min(at, end) - offset
  }

  private func isCompared(_ block: Int) -> Bool {
    // SAFETY: `block` is less than the count of blocks, for which there are bits.
    unsafe compared[block / 64].load(ordering: .acquiring) & (1 << UInt64(block % 64)) != 0
  }

  /// Notes that a block's bytes have the right checksum.
  func setCompared(_ block: Int) {
    precondition(block >= 0 && block < table.blockCount, "no such block")
    let bit: UInt64 = 1 << UInt64(block % 64)
    let before = unsafe compared[block / 64].bitwiseOr(bit, ordering: .acquiringAndReleasing).oldValue
    if before & bit == 0 { uncompared.wrappingSubtract(1, ordering: .releasing) }
  }

  /// What reading a block has brought.
  enum BlockRead: Equatable {
    case sound, bad
    /// The `errno`.
    case failed(CInt)
  }

  /// Reads a block and compares it, on a disk thread. `buffer`, of a block's size, then begins with its
  /// bytes.
  func read(_ block: Int, into buffer: inout [UInt8]) -> BlockRead {
    let range = table.range(block)
    // SAFETY: a block is at most as long as the buffer.
    let count = unsafe buffer.withUnsafeMutableBytes {
      unsafe system.readFully(
        descriptor, into: $0.baseAddress!, count: range.count, at: bodyOffset + range.lowerBound)
    }
    if count < 0 { return .failed(CInt(-count)) }
    return count == range.count && table.matches(block, buffer.span.extracting(0..<count)) ? .sound : .bad
  }

  /// Something of it was not what was written: nothing more of it may be sent.
  public var isDamaged: Bool { isBad.load(ordering: .acquiring) }

  func setDamaged() { isBad.store(true, ordering: .releasing) }

  /// What has become of a file since it was compared.
  enum Change {
    case none
    /// By us, and nobody has written to it: whoever reads it may go on.
    case removed
    case changed
  }

  /// Whether the file is still the one that was compared: same inode, size and times.
  func change(to now: FileFacts) -> Change {
    let known = version.withLock { $0 }
    if known == now.version { return .none }
    guard known.inode == now.version.inode, known.size == now.size else { return .changed }
    if isRenewing.load(ordering: .acquiring) { return .none }
    // The loss of its name counts as a change of the file, though not of its bytes.
    return now.links == 0 && known.modified == now.version.modified ? .removed : .changed
  }

  /// For us, who write a new head: its times change meanwhile, and that is no damage.
  ///
  /// - Parameter write: Returns what the file system says afterwards; `nil`: it could not be written.
  func withNewHead(_ write: () -> FileVersion?) {
    isRenewing.store(true, ordering: .releasing)
    if let new = write() { version.withLock { $0 = new } }
    isRenewing.store(false, ordering: .releasing)
  }

  /// Reads body bytes that are in the page cache; how many, 0 at the file's end, or `-errno`.
  ///
  /// - Parameter isPrepared: A disk thread has just read them: where the file system cannot tell what is in
  ///   the page cache, they are taken to be.
  public func readNow(_ memory: UnsafeMutableRawBufferPointer, at offset: Int, isPrepared: Bool) -> Int {
    guard let base = memory.baseAddress else { return 0 }
    let at = bodyOffset + offset
    let count = unsafe system.readNoWait(descriptor, into: base, count: memory.count, at: at)
    // It has become shorter.
    if count == 0 { setDamaged() }
    guard DiskSystem.cannotTell(count) else { return count }
    return unsafe isPrepared ? system.read(descriptor, into: base, count: memory.count, at: at) : -Int(EAGAIN)
  }

  /// These bytes of the body are in the page cache.
  public func isResident(_ offset: Int, count: Int, isPrepared: Bool) -> Bool {
    system.isResident(descriptor, at: bodyOffset + offset, count: count, guess: isPrepared)
  }

  /// Books a hit. True: it is the second one within `window` seconds, and nobody copies it yet, so that the
  /// caller may.
  public func deservesPromotion(now: Int64, window: Int64) -> Bool {
    let before = lastHit.exchange(now, ordering: .relaxed)
    guard before != .min, now - before <= window else { return false }
    return !isPromoting.exchange(true, ordering: .relaxed)
  }
}
