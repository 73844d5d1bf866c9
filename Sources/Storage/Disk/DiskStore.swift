public import Bytes
import Caching
import Glibc
import Synchronization

/// The disk tier: one file for each response, found by an index in memory, read and written by threads of its
/// own. docs/store-format.md says what lies in the directory.
///
/// The memory tier is asked first. What only the disk has is opened, checked and installed there, its body
/// still in the file; what the memory tier stores is written here behind it. Workers call `mayHave`, `open`,
/// `prepare`, `keep`, `renew` and `purge`, none of which waits.
@safe public final class DiskStore: Sendable {
  public let directory: StoreDirectory
  public let options: DiskOptions
  let memory: MemoryStore
  let system: DiskSystem
  public let index: DiskIndex
  public let counters = DiskCounters()
  public let health: DiskHealth
  let threads: DiskThreads
  let clock: any DiskClock
  /// Renaming a file into its place, entering it into the index and removing it are one step for whoever else
  /// does so under the same name.
  private let nameLocks: InlineArray<64, Guarded<Void>> = InlineArray { _ in Guarded(()) }
  let admission: AdmissionFilter
  /// Files that the memory tier holds open, in the order in which they were opened.
  let opened = Guarded(OpenFiles())
  let openCount = Atomic<Int>(0)
  private let temporaryCount = Atomic<Int>(0)
  /// The scan has seen every file: what is not in the index is not there.
  let isScanned = Atomic<Bool>(false)
  let isStopping = Atomic<Bool>(false)
  let purgeLog: PurgeLog
  /// Purges by the part of the URL's hash that the index keeps: what a checkpoint brings is compared with
  /// them. Of earlier lives, and of this one until the scan is over.
  let purgesToRestore: Guarded<LoggedPurges>
  /// The birth that keeps all purges since alive in the fences.
  let purgeHold: Atomic<UInt64>

  /// - Parameter memory: The upper tier, whose sequence begins at the directory's `firstSequence`, and which
  ///   nobody has used yet.
  /// - Parameter report: Is told of faults, a line each, at most one a minute.
  public init(
    _ directory: StoreDirectory, options: DiskOptions, memory: MemoryStore, clock: any DiskClock,
    report: @escaping @Sendable (String) -> Void
  ) throws(PurgeLog.Failure) {
    self.directory = directory
    self.options = options
    self.memory = memory
    self.clock = clock
    system = directory.system
    health = DiskHealth(report: report)
    let now = clock.now
    index = DiskIndex(
      limits: options.limits, now: now, seed: (directory.meta.seed.high, ~directory.meta.seed.low))
    threads = DiskThreads(count: options.threads, byteLimit: options.queueBytes)
    admission = AdmissionFilter(minUses: options.minUses)
    // Purges of earlier lives are known before the first look-up (L22).
    purgeHold = Atomic(memory.fences.holdAll())
    let (log, found) = try PurgeLog.open(
      in: directory.descriptor, system: directory.system, meta: directory.meta)
    purgeLog = log
    purgesToRestore = Guarded(LoggedPurges(found.records))
    for record in found.records {
      memory.fences.restore(urlHash: record.urlHash, sequence: record.sequence, soft: record.soft)
    }
    if found.failure != 0 { health.failed(.log, found.failure, now: now) }
    _ = system.makeDirectory(StoreDirectory.temporaryFolder, in: directory.descriptor)
  }

  var now: CacheSeconds { clock.now }

  /// There may be a file of this name. False: there is none.
  public func mayHave(_ name: EntryName) -> Bool {
    !isScanned.load(ordering: .acquiring) || index.peek(name) != nil
  }

  /// The memory tier has served an entry: on the disk it must not look unused.
  public func wasUsed(_ name: EntryName, at now: CacheSeconds) { index.touch(name, lastUse: now, hits: 1) }

  func path(_ name: EntryName) -> String { directory.meta.levels.path(for: name) }

  func withNameLocked<Result>(_ name: EntryName, _ body: () -> Result) -> Result {
    nameLocks[Int(truncatingIfNeeded: name.words.w0) & 63].withLock { _ in body() }
  }

  func temporaryPath() -> String {
    let number = temporaryCount.wrappingAdd(1, ordering: .relaxed).newValue
    return "\(StoreDirectory.temporaryFolder)/\(directory.meta.epoch)-\(number)"
  }

  func makeReader() -> StoredFileReader {
    StoredFileReader(store: directory.meta.identity, clock: clock.storeClock, system: system)
  }

  /// Takes an entry out of the index and its file out of the store, unless a newer one has taken its place.
  func remove(_ name: EntryName, born: UInt64 = .max) {
    withNameLocked(name) {
      guard let entry = index.remove(name, born: born) else { return }
      unlink(entry)
    }
  }

  /// Removes the files of entries that have left the index.
  func removeFiles(of entries: [DiskEntry]) {
    for entry in entries {
      withNameLocked(entry.name) { unlink(entry) }
    }
  }

  /// The name is locked.
  private func unlink(_ entry: DiskEntry) {
    // What is in the index again is another file.
    if index.peek(entry.name) == nil {
      let result = system.unlink(path(entry.name), in: directory.descriptor)
      if result != 0, result != -ENOENT { health.failed(.remove, -result, now: now) }
      // Its blocks are free when nobody has it open.
      if let file = opened.withLock({ $0.find(entry.name) }) { _ = memory.drop(file, unusedSince: .max) }
    }
    index.unlinked(bytes: entry.bytes)
  }

  /// Does all that is under way, writes the index down, and ends the threads.
  public func stop() {
    isStopping.store(true, ordering: .releasing)
    endTidying()
    threads.stop()
    writeCheckpoint()
    purgeLog.close()
    endPurgeLog()
  }

  let background = Guarded(BackgroundThreads())
}

/// How much the disk tier may hold and do.
public struct DiskOptions: Equatable, Sendable {
  public var limits: DiskLimits
  /// Asked for so often before it is written.
  public var minUses = 1
  public var threads = 4
  /// Most bytes of memory that wait to be written.
  public var queueBytes = 64 << 20
  /// Most files that the memory tier holds open.
  public var openFiles = mostOpenFiles
  public static let mostOpenFiles = 4096
  /// A second hit within so many seconds brings a body into memory.
  public var promotionWindow: CacheSeconds = 60
  /// Longest body that may lie in memory, in bytes; 0: none.
  public var memoryObject: Int
  /// Seconds between two looks at whether an open file has been changed.
  public var versionInterval: CacheSeconds = 60
  /// All files are read once in so many seconds.
  public var scrubPeriod: CacheSeconds = 7 * 86_400
  /// Microseconds between two looks at what is to be tidied up.
  public var tidyMicroseconds: UInt32 = 100_000
  /// Most seconds between a change of the index and its checkpoint.
  public var checkpointInterval: CacheSeconds = 5

  public init(limits: DiskLimits, memoryObject: Int) {
    self.limits = limits
    self.memoryObject = memoryObject
  }
}

/// Time, as the disk tier needs it; called on any thread.
public protocol DiskClock: Sendable {
  var now: CacheSeconds { get }
  var storeClock: StoreClock { get }
  /// Monotonic, for how long a read takes.
  var microseconds: Int64 { get }
}

/// What a worker wants to have opened.
public struct DiskRequest: Sendable {
  public var name: EntryName
  public var key: [UInt8]
  public var hash: KeyHash

  public init(name: EntryName, key: [UInt8], hash: KeyHash) {
    self.name = name
    self.key = key
    self.hash = hash
  }
}

/// What a disk thread says to a worker.
public struct DiskAnswer: Sendable {
  public enum Kind: Sendable {
    /// The entry is in the memory tier's index now, its body in its file.
    case installed
    /// The key's responses vary on one of these lists of names, newest first.
    case varies([[UInt8]])
    /// There is nothing to be served.
    case nothing
    /// Bytes that were not at hand are now, or it is known that they are bad.
    case prepared
    /// The purge is on the device, or it could not be written down.
    case purged(isDurable: Bool)
    /// What the operator has asked, as JSON.
    case report([UInt8])
  }

  /// The file that was asked for; `nil`: none was to be opened.
  public var name: EntryName?
  public var kind: Kind

  public init(_ kind: Kind, name: EntryName? = nil) {
    self.kind = kind
    self.name = name
  }
}
