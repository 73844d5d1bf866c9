import Bytes
import Glibc
import Testing

@testable import Storage

@Suite("Index checkpoint")
struct IndexCheckpointTests {
  static let now = DiskIndexTests.now
  /// The cache's clock, the wall clock and the monotonic one 1000 s behind them agree.
  static let clock = StoreClock(cacheOffset: 1_000_000, wallOffset: 1_000_000, boot: 5)
  static let file = IndexCheckpoint.name

  /// `count` entries, each used a second after the one before it; the last one at `now`.
  static func index(_ count: UInt64) -> DiskIndex {
    let limits = DiskLimits(size: 1 << 40, inactive: 3600)
    let index = DiskIndex(limits: limits, now: now - CacheSeconds(count), seed: (1, 2))
    for i in 0..<count {
      var entry = DiskIndexTests.entry(i, url: i / 3, born: i + 10, blocks: UInt32(i % 50))
      entry.lastUse = now - CacheSeconds(count - 1 - i)
      entry.usefulUntil = now + CacheSeconds(i)
      entry.hits = UInt32(i % 9)
      entry.flags = DiskEntry.Flags(rawValue: UInt8(i % 8))
      _ = index.insert(entry)
    }
    return index
  }

  static func written(_ count: UInt64) throws -> MemoryDisk {
    let disk = MemoryDisk()
    let result = IndexCheckpoint.write(
      index(count), in: MemoryDisk.directory, system: disk, meta: try .sample(), clock: clock, now: now)
    #expect(result == 0)
    return disk
  }

  static func restored(
    _ disk: MemoryDisk, clock: StoreClock = clock, now: CacheSeconds = now, epoch: UInt64 = 2,
    fence: (DiskEntry) -> FenceVerdict = { _ in .clear }
  ) throws -> (index: DiskIndex, outcome: RestoredCheckpoint) {
    let checkpoint = try IndexCheckpoint.find(
      in: MemoryDisk.directory, system: disk, meta: try .sample(epoch: epoch))
    let index = DiskIndex(limits: DiskLimits(size: 1 << 40, inactive: 3600), now: now, seed: (3, 4))
    let outcome = checkpoint.restore(
      into: index, in: MemoryDisk.directory, system: disk, clock: clock, now: now, fence: fence)
    return (index, outcome)
  }

  @Test(arguments: [0, 1, 55, 56, 57, 2000] as [UInt64])
  func `order of use and every field come back`(_ count: UInt64) throws {
    let disk = try IndexCheckpointTests.written(count)
    let (index, outcome) = try IndexCheckpointTests.restored(disk)
    #expect(outcome == RestoredCheckpoint(records: Int(count)))
    #expect(index.leastRecentFirst() == IndexCheckpointTests.index(count).leastRecentFirst())
    #expect(disk.change { $0.files.keys.sorted() } == [IndexCheckpoint.name])
  }

  @Test func `a real directory keeps it likewise`() throws {
    var template = Array("/tmp/larder-checkpoint-XXXXXX".utf8CString)
    // SAFETY: the name is writable and ends with NUL.
    #expect(unsafe template.withUnsafeMutableBufferPointer { unsafe mkdtemp($0.baseAddress!) } != nil)
    let path = unsafe template.withUnsafeBufferPointer {
      unsafe String(decoding: $0.dropLast().map { UInt8($0) }, as: UTF8.self)
    }
    let system = DiskSystem()
    let directory = system.openDirectory(path)
    defer {
      _ = system.unlink(IndexCheckpoint.name, in: directory)
      system.close(directory)
      unsafe rmdir(path)
    }
    let index = IndexCheckpointTests.index(1500)
    let meta = try StoreMeta.sample()
    let (clock, now) = (IndexCheckpointTests.clock, IndexCheckpointTests.now)
    #expect(
      IndexCheckpoint.write(index, in: directory, system: system, meta: meta, clock: clock, now: now) == 0)
    let checkpoint = try IndexCheckpoint.find(in: directory, system: system, meta: meta)
    #expect(checkpoint.header.count == 1500)
    #expect(checkpoint.header.bytes == index.statistics.bytes)
    let restored = DiskIndex(limits: index.limits, now: now, seed: (3, 4))
    let outcome = checkpoint.restore(
      into: restored, in: directory, system: system, clock: clock, now: now, fence: { _ in .clear })
    #expect(outcome == RestoredCheckpoint(records: 1500))
    #expect(restored.leastRecentFirst() == index.leastRecentFirst())
  }

  @Test func `what is used while the checkpoint is written is in it, in its new place`() throws {
    let index = IndexCheckpointTests.index(100)
    index.beginCheckpoint()
    var seen = index.checkpointStep().map(\.urlHash)
    let later = IndexCheckpointTests.now + 10
    _ = index.find(DiskIndexTests.name(0), now: later)
    _ = index.find(DiskIndexTests.name(99), now: later)
    _ = index.find(DiskIndexTests.name(50), now: later)
    _ = index.insert(DiskIndexTests.entry(100, at: later))
    _ = index.remove(DiskIndexTests.name(51), born: .max)
    var last: [DiskEntry] = []
    while true {
      let step = index.checkpointStep()
      if step.isEmpty { break }
      seen += step.map(\.urlHash)
      last += step
    }
    #expect(last.suffix(4).map(\.name) == [0, 99, 50, 100].map { DiskIndexTests.name($0) })
    #expect(seen.count == 101)
  }

  @Test func `every flipped byte is noticed, and nothing is made of its page`() throws {
    let disk = try IndexCheckpointTests.written(3)
    let good = try #require(disk[IndexCheckpointTests.file])
    #expect(good.count == 2 * IndexCheckpoint.pageBytes)
    for i in good.indices {
      var bad = good
      bad[i] ^= UInt8(1 << (i % 8))
      disk[IndexCheckpointTests.file] = bad
      if i < IndexCheckpoint.pageBytes {
        #expect(throws: IndexCheckpoint.Failure.self) { try IndexCheckpointTests.restored(disk) }
      } else {
        let (index, outcome) = try IndexCheckpointTests.restored(disk)
        #expect(outcome == RestoredCheckpoint(records: 0, damagedPages: 1))
        #expect(index.statistics.entries == 0)
      }
    }
  }

  @Test func `pages around a damaged or misplaced one are used`() throws {
    let disk = try IndexCheckpointTests.written(56 * 4)
    let good = try #require(disk[IndexCheckpointTests.file])
    let page = IndexCheckpoint.pageBytes
    var bad = good
    bad[3 * page + 100] ^= 4
    disk[IndexCheckpointTests.file] = bad
    var (index, outcome) = try IndexCheckpointTests.restored(disk)
    #expect(outcome == RestoredCheckpoint(records: 56 * 3, damagedPages: 1))
    #expect(index.leastRecentFirst().map { $0.born - 10 } == Array(0..<112) + Array(168..<224))
    bad = good
    bad.replaceSubrange(page..<2 * page, with: good[2 * page..<3 * page])
    disk[IndexCheckpointTests.file] = bad
    (index, outcome) = try IndexCheckpointTests.restored(disk)
    #expect(outcome == RestoredCheckpoint(records: 56 * 3, damagedPages: 1))
  }

  @Test func `no shorter or longer file is taken for a checkpoint`() throws {
    let disk = try IndexCheckpointTests.written(3)
    let good = try #require(disk[IndexCheckpointTests.file])
    for count in 0..<good.count {
      disk[IndexCheckpointTests.file] = Array(good.prefix(count))
      #expect(throws: IndexCheckpoint.Failure.self) { try IndexCheckpointTests.restored(disk) }
    }
    disk[IndexCheckpointTests.file] = good + [0]
    #expect(throws: IndexCheckpoint.Failure.unusable(.damaged(.size))) {
      try IndexCheckpointTests.restored(disk)
    }
  }

  @Test func `another store's, a later start's and another version's checkpoint is not used`() throws {
    let disk = try IndexCheckpointTests.written(3)
    let directory = MemoryDisk.directory
    #expect(throws: IndexCheckpoint.Failure.unusable(.foreign)) {
      try IndexCheckpoint.find(in: directory, system: disk, meta: .sample(seed: 2))
    }
    #expect(throws: IndexCheckpoint.Failure.unusable(.foreign)) {
      try IndexCheckpointTests.restored(disk, epoch: 0)
    }
    disk[IndexCheckpointTests.file]?[8] = 2
    disk[IndexCheckpointTests.file]?[10] = 0xfd
    #expect(throws: IndexCheckpoint.Failure.unusable(.unknownVersion(2))) {
      try IndexCheckpointTests.restored(disk)
    }
    disk[IndexCheckpointTests.file] = nil
    #expect(throws: IndexCheckpoint.Failure.missing) { try IndexCheckpointTests.restored(disk) }
  }

  @Test(arguments: [-86_400, 0, 86_400, 7 * 86_400] as [Int64])
  func `a clock that was set, or a long stop, makes nobody inactive`(_ jump: Int64) throws {
    let disk = try IndexCheckpointTests.written(100)
    // After another boot only the wall clock tells the time, and it was set.
    let now = IndexCheckpointTests.now + jump
    let clock = StoreClock(cacheOffset: 1_000_000 + jump * 1000, wallOffset: 1_000_000 + jump * 1000, boot: 6)
    let (index, _) = try IndexCheckpointTests.restored(disk, clock: clock, now: now)
    #expect(index.evict(now: now + 3505, freeBytes: nil, limit: .max).isEmpty)
    // Each is as old as it was: 3600 s after its last use, and 5 s in which none may be noted, it leaves.
    let gone = index.evict(now: now + 3555, freeBytes: nil, limit: .max)
    #expect(gone.map { $0.entry.born - 10 } == Array(0..<49))
    #expect(gone.allSatisfy { $0.reason == .inactive })
  }

  @Test func `how long an entry is useful is told by the clock that runs on through the restart`() throws {
    let disk = try IndexCheckpointTests.written(1)
    // The same boot: 500 s later by the monotonic clock, while the wall clock was set back by a day.
    let now = IndexCheckpointTests.now + 500 - 86_400
    let clock = StoreClock(cacheOffset: 1_000_000 - 86_400_000, wallOffset: 1_000_000 - 86_400_000, boot: 5)
    let (index, _) = try IndexCheckpointTests.restored(disk, clock: clock, now: now)
    #expect(index.peek(DiskIndexTests.name(0))?.usefulUntil == now - 500)
  }

  @Test func `L22: nothing that was purged comes back, and what is there already stays`() throws {
    let disk = try IndexCheckpointTests.written(9)
    let purges = LoggedPurges([
      PurgeRecord(sequence: 11, urlHash: KeyHash(low: 0, high: 1), soft: false),
      PurgeRecord(sequence: 100, urlHash: KeyHash(low: 1, high: 1), soft: false),
      PurgeRecord(sequence: 100, urlHash: KeyHash(low: 2, high: 1), soft: true),
    ])
    #expect(purges.lastSequence == 100)
    let (index, _) = try IndexCheckpointTests.restored(disk) {
      purges.verdict(born: $0.born, urlHash: $0.urlHash)
    }
    let left = index.leastRecentFirst()
    #expect(left.map { $0.born - 10 } == [1, 2, 6, 7, 8])
    #expect(left.filter { $0.urlHash == 2 }.allSatisfy { $0.flags.contains(.softlyPurged) })
  }

  @Test func `a failed write leaves the checkpoint before it`() throws {
    let disk = try IndexCheckpointTests.written(3)
    let good = disk[IndexCheckpointTests.file]
    for i in 0..<3 {
      disk.change { state in
        state.openFailure = i == 0 ? EROFS : 0
        state.writeFailure = i == 1 ? ENOSPC : 0
        state.syncFailure = i == 2 ? EIO : 0
      }
      let result = IndexCheckpoint.write(
        IndexCheckpointTests.index(60), in: MemoryDisk.directory, system: disk, meta: try .sample(),
        clock: IndexCheckpointTests.clock, now: IndexCheckpointTests.now)
      #expect(result == [-EROFS, -ENOSPC, -EIO][i])
      #expect(disk[IndexCheckpointTests.file] == good)
      #expect(disk.change { $0.files.count } == 1)
      #expect(disk.change { $0.open.isEmpty })
    }
  }
}
