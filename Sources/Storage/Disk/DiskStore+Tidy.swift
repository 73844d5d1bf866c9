import Bytes
import Caching
import Glibc
import Synchronization

/// What is done without being asked: the start-up scan, making room, the index's checkpoint, the scrub, and
/// forgetting purges that nothing is left of.
extension DiskStore {
  /// Begins to look after the store. Returns at once: what the disk holds joins while requests are served.
  public func start() {
    background.withLock {
      $0.log = startNamedThread("larder-purges") { self.purgeLog.run() }
      $0.tidying = startNamedThread("larder-tidy") {
        self.restoreCheckpoint()
        self.tidy()
      }
    }
  }

  func endTidying() {
    let thread = background.withLock { threads in
      defer { threads.tidying = nil }
      return threads.tidying
    }
    if let thread { pthread_join(thread, nil) }
  }

  func endPurgeLog() {
    let thread = background.withLock { threads in
      defer { threads.log = nil }
      return threads.log
    }
    if let thread { pthread_join(thread, nil) }
  }

  var isEnding: Bool { isStopping.load(ordering: .acquiring) }

  private func tidy() {
    var scrub = Scrub()
    var (walkDue, walkPause) = (now, CacheSeconds(1))
    // The first checkpoint at once: where there is none, nothing is written until a scan has counted all
    // files.
    var writtenChanges = 0
    var chargedBytes = 0
    var checkpointDue = now
    while !isEnding {
      if now >= walkDue {
        // What could not be read is tried again, ever more seldom.
        walkDue = walk() ? .max : now + walkPause
        walkPause = min(2 * walkPause, 3600)
      }
      while !isEnding, evictSome() {}
      if now >= checkpointDue, index.statistics.changes != writtenChanges {
        writtenChanges = index.statistics.changes
        let began = now
        writeCheckpoint()
        // A large index is written less often: at most a tenth of the time.
        checkpointDue = now + max(options.checkpointInterval, 10 * (now - began))
      }
      if health.fault != nil { recover() }
      forgetPurges()
      // The index counts against the memory's budget (L31).
      let indexBytes = index.statistics.memoryBytes + admission.memoryBytes
      memory.arena.charge(indexBytes - chargedBytes)
      chargedBytes = indexBytes
      scrub.step(self)
      usleep(options.tidyMicroseconds)
    }
  }

  /// After a failure, once a second: looks whether its cause is gone.
  private func recover() {
    guard health.mayProbe(now: now) else { return }
    if !directory.isInPlace {
      let result = directory.restore()
      guard result == 0 else { return health.failed(.open, -result, now: now) }
      purgeLog.rewrite()
      walk()
    }
    if purgeLog.statistics.failure != 0 { purgeLog.retry() }
    let result = probe()
    if result == 0 { health.probed() } else { health.failed(.write, -result, now: now) }
  }

  /// Writes a block, gives it a name, and reads it: 0, or `-errno`.
  private func probe() -> CInt {
    _ = system.makeDirectory(StoreDirectory.temporaryFolder, in: directory.descriptor)
    let temporary = temporaryPath()
    let file = system.open(temporary, in: directory.descriptor, flags: O_RDWR | O_CREAT | O_EXCL)
    guard file >= 0 else { return file }
    defer { system.close(file) }
    var block = [UInt8](repeating: 0x5a, count: 4096)
    var result = system.writeFully(file, block.span, at: 0)
    if result == 0 {
      // SAFETY: the kernel writes at most `block.count` bytes.
      let count = unsafe block.withUnsafeMutableBytes {
        unsafe system.readFully(file, into: $0.baseAddress!, count: $0.count, at: 0)
      }
      result = count == block.count ? 0 : CInt(min(count, -1))
    }
    let place = temporaryPath()
    if result == 0 { result = system.rename(temporary, to: place, in: directory.descriptor) }
    let removed = system.unlink(result == 0 ? place : temporary, in: directory.descriptor)
    return result == 0 ? removed : result
  }

  /// Entries that one step of eviction takes out.
  private static let evictionStep = 64

  /// Makes some room where that is due. False: there was nothing to do.
  func evictSome() -> Bool {
    var freeBytes: Int?
    if options.limits.minFree > 0 {
      var space = DiskSpace()
      if system.space(directory.descriptor, &space) == 0 { freeBytes = space.freeBytes }
    }
    let victims = index.evict(now: now, freeBytes: freeBytes, limit: DiskStore.evictionStep)
    removeFiles(of: victims.map(\.entry))
    return !victims.isEmpty
  }

  func writeCheckpoint() {
    // What the scan has not seen yet would be missing from it.
    guard isScanned.load(ordering: .acquiring) else { return }
    let result = IndexCheckpoint.write(
      index, in: directory.descriptor, system: system, meta: directory.meta, clock: clock.storeClock, now: now
    )
    if result == 0 { counters.checkpoints.count() } else { health.failed(.checkpoint, -result, now: now) }
  }

  /// Purges of which the log holds more are forgotten when their files are gone for good.
  private static let purgesKept = 16_384

  private func forgetPurges() {
    guard isScanned.load(ordering: .acquiring), purgeLog.statistics.records > DiskStore.purgesKept,
      health.fault == nil
    else { return }
    // All that was begun before this number ends: its writes and removals are in the queue already.
    let mark = memory.fences.nextBorn()
    let oldest = memory.fences.oldestInFlight(besides: purgeHold.load(ordering: .relaxed))
    threads.waitUntilIdle()
    guard oldest >= mark, system.syncfs(directory.descriptor) == 0 else { return memory.fences.ended(mark) }
    purgeLog.forget(through: mark)
    memory.fences.ended(purgeHold.exchange(mark, ordering: .relaxed))
  }

  // MARK: The scan

  /// Brings the index up to what is on the disk, in every folder. False: not all could be read, and that
  /// something is not in the index means nothing yet.
  @discardableResult private func walk() -> Bool {
    index.beginScan()
    var reader = makeReader()
    let walk = StoreWalk(directory.descriptor, system: system)
    var isAllRead = true
    let isWhole = walk.run { item in
      switch item {
      case .file(let path, let name): isAllRead = take(path, name, &reader) && isAllRead
      case .temporary(let path):
        // Those of this start are under way, and what a file is replaced by may be.
        if path.hasPrefix("\(StoreDirectory.temporaryFolder)/"), !path.contains("/\(directory.meta.epoch)-") {
          _ = system.unlink(path, in: directory.descriptor)
        }
      case .unreadable(_, let code):
        isAllRead = false
        counters.readErrors.count()
        health.failed(.read, code, now: now)
      }
      return !isEnding
    }
    guard isWhole, isAllRead else { return false }
    var cursor: UInt32? = 0
    while let next = cursor { cursor = index.endScanStep(from: next).next }
    isScanned.store(true, ordering: .releasing)
    purgesToRestore.withLock { $0 = LoggedPurges([]) }
    return true
  }

  private func restoreCheckpoint() {
    guard
      let checkpoint = try? IndexCheckpoint.find(
        in: directory.descriptor, system: system, meta: directory.meta)
    else {
      // Nothing is known of what is there: as much as there may be counts as used.
      return index.assumeUnknown(bytes: options.limits.size)
    }
    index.assumeUnknown(bytes: checkpoint.header.bytes)
    _ = checkpoint.restore(
      into: index, in: directory.descriptor, system: system, clock: clock.storeClock, now: now
    ) { entry in
      self.purgesToRestore.withLock { $0.verdict(born: entry.born, urlHash: entry.urlHash) }
    }
  }

  /// False: it could not be read for a reason that may go away.
  private func take(_ path: String, _ name: EntryName, _ reader: inout StoredFileReader) -> Bool {
    counters.scanned.count()
    let isInPlace = path == self.path(name)
    if isInPlace, index.seen(name) { return true }
    let found: (entry: DiskEntry, urlHash: KeyHash)
    do throws(StoredFileFailure) { found = try readFound(path, name, &reader) } catch {
      return isDone(with: path, name, after: error)
    }
    withNameLocked(name) {
      if !isInPlace, !moveIntoPlace(path, name) { return }
      let outcome = index.insertFound(found.entry) {
        self.memory.fences.isEntryFenced(born: found.entry.born, urlHash: found.urlHash)
      }
      if outcome == .fenced { unlinkFound(self.path(name), name) }
    }
    return true
  }

  /// The name is locked. What is in the index is another file, written since this one was read.
  private func unlinkFound(_ path: String, _ name: EntryName) {
    guard path != self.path(name) || index.peek(name) == nil else { return }
    _ = system.unlink(path, in: directory.descriptor)
  }

  /// What the index keeps of a file that only the scan knows.
  private func readFound(
    _ path: String, _ name: EntryName, _ reader: inout StoredFileReader
  ) throws(StoredFileFailure) -> (entry: DiskEntry, urlHash: KeyHash) {
    let file = system.open(path, in: directory.descriptor, flags: O_RDONLY | O_NOFOLLOW)
    guard file >= 0 else { throw .system(-file) }
    defer { system.close(file) }
    var facts = FileFacts()
    let result = system.facts(file, &facts)
    guard result == 0 else { throw .system(-result) }
    switch try reader.contents(of: file, fileBytes: facts.size, now: now) {
    case .varyRecord(let record):
      guard EntryName(key: record.key.span) == name else { throw .unusable(.damaged(.name)) }
      let urlHash = KeyHash(low: 0, high: 0)
      let entry = DiskEntry(varyRecord: name, urlHash: urlHash, born: record.born, blocks: facts.blocks)
      return (entry, urlHash)
    case .entry(let entry):
      guard entry.name(in: reader.bytes) == name else { throw .unusable(.damaged(.name)) }
      let urlHash = memory.seed.hash(reader.bytes.extracting(entry.url))
      return (DiskEntry(name, urlHash: urlHash, entry.facts, blocks: facts.blocks), urlHash)
    }
  }

  /// Whether the scan need not come back to the file. What is no good is removed, if it is ours.
  private func isDone(with path: String, _ name: EntryName, after failure: StoredFileFailure) -> Bool {
    switch failure {
    case .system(ENOENT), .unusable(.unknownVersion): return true
    case .system(let code):
      counters.readErrors.count()
      health.failed(.read, code, now: now)
      if code == EMFILE || code == ENFILE || code == ENOMEM { return false }
      // Where the device has lost it, it only takes room.
      guard code == EIO else { return true }
    case .unusable(.damaged(let damage)):
      counters.damaged.count()
      health.damaged(path, damage.text, now: now)
    case .unusable(.foreign): break
    }
    withNameLocked(name) { unlinkFound(path, name) }
    return true
  }
}

/// Reads every file once in a week, so that rot is found before somebody asks.
struct Scrub {
  private var cursor: UInt32 = 0
  private var dueAt: CacheSeconds = .min

  /// Verifies a file when its turn has come.
  mutating func step(_ store: DiskStore) {
    let count = store.index.statistics.entries
    guard count > 0, store.now >= dueAt else { return }
    let perSecond = max(1, count / Int(max(store.options.scrubPeriod, 1)))
    let (entries, next) = store.index.entries(from: cursor, limit: perSecond)
    cursor = next ?? 0
    dueAt = store.now + max(1, store.options.scrubPeriod / CacheSeconds(max(count, 1)))
    var verifier = FileVerifier(
      store.directory.descriptor, store: store.directory.meta.identity, clock: store.clock.storeClock,
      system: store.system)
    for entry in entries where !store.isEnding {
      let verdict = verifier.verify(store.path(entry.name), name: entry.name) { _ in !store.isEnding }
      store.counters.scrubbed.count()
      if case .unusable(let reason) = verdict { store.failed(.unusable(reason), entry.name) }
    }
  }
}

/// Threads that run from start to stop.
struct BackgroundThreads {
  var tidying: pthread_t?
  var log: pthread_t?
}
