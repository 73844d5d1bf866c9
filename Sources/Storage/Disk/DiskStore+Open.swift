import Bytes
import Caching
import Glibc
import Synchronization

/// From a name to an entry in the memory tier's index whose body lies in its file.
extension DiskStore {
  /// Has a disk thread find the entry and install it, and then calls `answer` there.
  public func open(
    _ request: DiskRequest, answer: @escaping @Sendable (DiskAnswer) -> Void
  ) {
    threads.submit { answer(DiskAnswer(self.load(request), name: request.name)) }
  }

  /// On a disk thread.
  func load(_ request: DiskRequest) -> DiskAnswer.Kind {
    let answer = timed { openFile(request.name).map { read($0, for: request) } ?? .nothing }
    if case .nothing = answer { counters.misses.count() }
    return answer
  }

  /// Books a read that somebody waits for.
  private func timed<Result>(_ read: () -> Result) -> Result {
    let began = clock.microseconds
    defer {
      counters.reads.count()
      counters.readMicroseconds.count(Int(clock.microseconds - began))
    }
    return read()
  }

  /// The descriptor, open for reading; `nil`: the file is not there, or cannot be opened.
  private func openFile(_ name: EntryName) -> CInt? {
    let known = index.peek(name)
    let file = system.open(path(name), in: directory.descriptor, flags: O_RDONLY | O_NOFOLLOW)
    if file >= 0 { return file }
    if file == -ENOENT {
      // Not what has been written since.
      if let known { remove(name, born: known.born) }
    } else {
      counters.readErrors.count()
      health.failed(.open, -file, now: now)
    }
    return nil
  }

  /// Owns `file`.
  private func read(_ file: CInt, for request: DiskRequest) -> DiskAnswer.Kind {
    var facts = FileFacts()
    var reader = makeReader()
    let result = system.facts(file, &facts)
    guard result == 0 else {
      system.close(file)
      failed(.system(-result), request.name)
      return .nothing
    }
    do throws(StoredFileFailure) {
      switch try reader.contents(of: file, fileBytes: facts.size, now: now) {
      case .varyRecord(let record):
        system.close(file)
        return record.key == request.key ? .varies(record.lists) : .nothing
      case .entry(let entry):
        guard !entry.isPartial, reader.bytes.extracting(entry.key).equals(request.key.span) else {
          system.close(file)
          return .nothing
        }
        guard entry.name(in: reader.bytes) == request.name else { throw .unusable(.damaged(.name)) }
        return try install(entry, file, facts, hash: request.hash, name: request.name, &reader)
      }
    } catch {
      system.close(file)
      failed(error, request.name)
      return .nothing
    }
  }

  private func install(
    _ entry: DecodedEntry, _ file: CInt, _ facts: FileFacts, hash: KeyHash, name: EntryName,
    _ reader: inout StoredFileReader
  ) throws(StoredFileFailure) -> DiskAnswer.Kind {
    let kept = KeptResponse(entry, hash: hash, in: reader.bytes, seed: memory.seed)
    let verdict = memory.fences.isEntryFenced(born: kept.born, urlHash: kept.urlHash)
    guard verdict != .hard else {
      system.close(file)
      remove(name, born: kept.born)
      return .nothing
    }
    noteFound(name, file, kept, entry, facts)
    let table = try reader.table(of: entry, in: file)
    let stored = StoredFile(
      name: name, hash: hash, urlHash: kept.urlHash, descriptor: file, bodyOffset: entry.bodyOffset,
      table: table, version: facts.version, system: system, now: now,
      close: { [self] id, descriptor in
        openCount.count(-1)
        opened.withLock { $0.closed(name, id) }
        threads.submit { self.system.close(descriptor) }
      })
    openCount.count()
    // The first blocks are compared before there is a head that promises them; each later one before it is
    // sent.
    for block in 0..<min(table.blockCount, DiskStore.blocksAhead) {
      do throws(StoredFileFailure) {
        try reader.readBlock(block, of: entry, table, in: file)
      } catch {
        // The descriptor is closed by `stored`.
        failed(error, name)
        return .nothing
      }
      stored.setCompared(block)
    }
    var response = kept
    response.isSoftlyPurged =
      entry.facts.isSoftlyPurged || index.peek(name)?.flags.contains(.softlyPurged) ?? false
    switch memory.install(response, in: stored) {
    case .stored, .storedStale:
      counters.opens.count()
      keepOpen(stored)
      return .installed
    case .superseded: return .installed
    case .fenced:
      remove(name, born: kept.born)
      return .nothing
    case .noRoom: return .nothing
    }
  }

  /// The scan has not come this far yet, or the index's checkpoint was older than the file's head.
  private func noteFound(
    _ name: EntryName, _ file: CInt, _ kept: KeptResponse, _ entry: DecodedEntry, _ facts: FileFacts
  ) {
    let found = DiskEntry(name, urlHash: kept.urlHash, entry.facts, blocks: facts.blocks)
    let fence = { self.memory.fences.isEntryFenced(born: kept.born, urlHash: kept.urlHash) }
    if let known = index.find(name, now: now) {
      guard known.born < kept.born else { return }
      _ = index.refresh(
        name, born: kept.born, usefulUntil: found.usefulUntil, blocks: found.blocks, flags: found.flags,
        fence: fence)
      return
    }
    withNameLocked(name) {
      // Has it been removed since it was opened, then there is nothing to be entered.
      var facts = facts
      guard system.facts(file, &facts) == 0, facts.links > 0 else { return }
      _ = index.insertFound(found, fence: fence)
    }
  }

  /// Nothing of a bad file is served again.
  func failed(_ failure: StoredFileFailure, _ name: EntryName) {
    switch failure {
    case .system(let code):
      counters.readErrors.count()
      health.failed(.read, code, now: now)
    case .unusable(.unknownVersion): break
    case .unusable(.foreign): remove(name)
    case .unusable(.damaged(let damage)):
      counters.damaged.count()
      health.damaged(path(name), damage.text, now: now)
      removeDamaged(name)
    }
  }

  private func removeDamaged(_ name: EntryName) {
    withNameLocked(name) {
      let entry = index.remove(name, born: .max)
      let result = system.unlink(path(name), in: directory.descriptor)
      if result != 0, result != -ENOENT { health.failed(.remove, -result, now: now) }
      if let entry { index.unlinked(bytes: entry.bytes) }
    }
  }

  // MARK: Bodies

  /// Blocks that are compared or read ahead at once.
  static let blocksAhead = 8
  /// Least bytes of them.
  public static let readAheadBytes = (blocksAhead - 1) * EntryFile.blockBytes

  /// Has a disk thread compare the next blocks from `offset` on, or bring them into the page cache, and then
  /// calls `done` there.
  public func prepare(_ file: StoredFile, from offset: Int, done: @escaping @Sendable () -> Void) {
    threads.submit {
      self.timed { self.compare(file, from: StoredFile.block(of: offset), count: DiskStore.blocksAhead) }
      done()
    }
  }

  /// On a disk thread: reads blocks and compares those that have not been.
  private func compare(_ file: StoredFile, from first: Int, count: Int) {
    if file.isDamaged || look(at: file) == .changed { return }
    let end = min(first + count, file.table.blockCount)
    var buffer = [UInt8](repeating: 0, count: EntryFile.blockBytes)
    for block in first..<max(end, first) {
      switch file.read(block, into: &buffer) {
      case .sound: file.setCompared(block)
      case .bad: return turnedOut(file, .unusable(.damaged(.body)))
      case .failed(let code): return turnedOut(file, .system(code))
      }
    }
  }

  private func turnedOut(_ file: StoredFile, _ failure: StoredFileFailure) {
    file.setDamaged()
    _ = memory.drop(OpenFile(file), unusedSince: .max)
    failed(failure, file.name)
  }

  /// What has become of the file. Has somebody changed it behind our back, then nothing of it is served any
  /// more; have we removed it, then nobody begins to read it.
  func look(at file: StoredFile) -> StoredFile.Change {
    file.lookedAtVersionAt.store(now, ordering: .relaxed)
    var change = StoredFile.Change.changed
    // Once more, since we may have written a new head between the look and the comparison.
    for _ in 0..<2 {
      var facts = FileFacts()
      change = system.facts(file.descriptor, &facts) == 0 ? file.change(to: facts) : .changed
      if change == .none { return .none }
    }
    if change == .changed { file.setDamaged() }
    _ = memory.drop(OpenFile(file), unusedSince: .max)
    return change
  }

  /// For a hit, on a worker: false when the file is not the one any more that was compared. The look costs
  /// one `fstat` a minute.
  public func isCurrent(_ file: StoredFile, now: CacheSeconds) -> Bool {
    if file.isDamaged { return false }
    guard now - file.lookedAtVersionAt.load(ordering: .relaxed) >= options.versionInterval else {
      return true
    }
    return look(at: file) == .none
  }

  // MARK: Open files

  /// Most open files that are looked at to find one that nobody has used for a while.
  private static let looksForIdle = 64
  private static let idleSeconds: CacheSeconds = 10

  private func keepOpen(_ file: StoredFile) {
    opened.withLock { $0.append(OpenFile(file)) }
    var looks = 0
    while openCount.value > options.openFiles, let oldest = opened.withLock({ $0.popFirst() }) {
      looks += 1
      let since = looks > DiskStore.looksForIdle ? .max : now - DiskStore.idleSeconds
      if memory.drop(oldest, unusedSince: since) == .used { opened.withLock { $0.append(oldest) } }
    }
  }

  // MARK: Promotion

  /// Brings the body of an entry that was hit again into memory, where `StoredFile.deservesPromotion` has
  /// said so.
  public func promote(_ entry: consuming EntryHandle) {
    guard let file = entry.file, file.bodyLength <= options.memoryObject else { return }
    let held = HeldEntry(entry, hash: file.hash)
    let isTaken = threads.defer(bytes: file.bodyLength) { self.bringIntoMemory(held, file) }
    if !isTaken { file.isPromoting.store(false, ordering: .relaxed) }
  }

  private func bringIntoMemory(_ held: HeldEntry, _ file: StoredFile) {
    let body = unsafe memory.makeBody(length: file.bodyLength) { piece, offset in
      let count = unsafe self.system.readFully(
        file.descriptor, into: piece.baseAddress!, count: piece.count, at: file.bodyOffset + offset)
      // A piece is a block.
      let bytes = unsafe Span<UInt8>(_unsafeElements: UnsafeBufferPointer(piece.bindMemory(to: UInt8.self)))
      return count == piece.count && file.table.matches(StoredFile.block(of: offset), bytes)
    }
    guard let body else {
      // Bad blocks are told from a want of room by comparing them.
      return compare(file, from: 0, count: file.table.blockCount)
    }
    if memory.promote(held.entry, of: file, body: body) { counters.promotions.count() }
  }
}

extension KeptResponse {
  /// - Parameter bytes: What `entry` was read from.
  init(_ entry: DecodedEntry, hash: KeyHash, in bytes: Span<UInt8>, seed: HashSeed) {
    let url = bytes.extracting(entry.url)
    let facts = entry.facts
    self.init(
      hash: hash, key: bytes.extracting(entry.key).array, urlHash: seed.hash(url), url: url.array,
      varyNames: bytes.extracting(entry.varyNames).array, selecting: entry.selecting, born: facts.born,
      facts: EntryFacts(
        status: facts.status, freshness: facts.freshness, etag: facts.etag, lastModified: facts.lastModified,
        name: entry.name(in: bytes)),
      isSoftlyPurged: facts.isSoftlyPurged, head: bytes.extracting(entry.head).array)
  }
}
