import Bytes
import Glibc
import Synchronization
import Testing

@testable import Storage

@Suite("Purge log")
struct PurgeLogTests {
  static func record(_ number: UInt64, url: UInt64? = nil, soft: Bool = false) -> PurgeRecord {
    PurgeRecord(sequence: number, urlHash: KeyHash(low: url ?? number, high: 7), soft: soft)
  }

  static func open(_ disk: MemoryDisk) throws -> (log: PurgeLog, found: PurgeLog.Found) {
    try PurgeLog.open(in: MemoryDisk.directory, system: disk, meta: try .sample())
  }

  /// Appends, in one batch, and waits for the answers.
  static func append(_ records: [PurgeRecord], to log: PurgeLog) -> [CInt] {
    let results = Guarded<[CInt]>([])
    for record in records { log.append(record) { result in results.withLock { $0.append(result) } } }
    log.close()
    log.run()
    return results.withLock { $0 }
  }

  /// A log that holds `records`.
  static func disk(_ records: [PurgeRecord]) throws -> MemoryDisk {
    let disk = MemoryDisk()
    let (log, found) = try open(disk)
    #expect(found.records.isEmpty)
    #expect(append(records, to: log).allSatisfy { $0 == 0 })
    return disk
  }

  @Test func `L22: what was answered is there after a restart`() throws {
    let records = (1...5).map { PurgeLogTests.record($0, soft: $0 % 2 == 0) }
    let disk = try PurgeLogTests.disk(records)
    let (log, found) = try PurgeLogTests.open(disk)
    #expect(found.records == records)
    #expect(found.damaged == 0)
    _ = PurgeLogTests.append([PurgeLogTests.record(6)], to: log)
    #expect(try PurgeLogTests.open(disk).found.records == records + [PurgeLogTests.record(6)])
    #expect(disk[PurgeLog.name]?.count == 32 + 6 * 32)
  }

  @Test func `a log torn at any byte keeps all whole records and takes new ones`() throws {
    let records = (1...4).map { PurgeLogTests.record($0) }
    let whole = try #require(PurgeLogTests.disk(records)[PurgeLog.name])
    for count in 0...whole.count {
      let disk = MemoryDisk()
      disk[PurgeLog.name] = Array(whole.prefix(count))
      let (log, found) = try PurgeLogTests.open(disk)
      let kept = Array(records.prefix(max(0, count - 32) / 32))
      #expect(found.records == kept)
      #expect(found.damaged == 0)
      #expect(PurgeLogTests.append([PurgeLogTests.record(9)], to: log) == [0])
      #expect(try PurgeLogTests.open(disk).found.records == kept + [PurgeLogTests.record(9)])
    }
  }

  @Test func `a flipped byte costs its own record at most, and is told unless it may be a torn end`() throws {
    let records = (1...4).map { PurgeLogTests.record($0) }
    let whole = try #require(PurgeLogTests.disk(records)[PurgeLog.name])
    for i in whole.indices {
      let disk = MemoryDisk()
      disk[PurgeLog.name] = whole
      disk[PurgeLog.name]![i] ^= UInt8(1 << (i % 8))
      let found = try PurgeLogTests.open(disk).found
      guard i >= 32 else {
        #expect(found.records == records)
        continue
      }
      var kept = records
      kept.remove(at: i / 32 - 1)
      #expect(found.records == kept)
      #expect(found.damaged == (i / 32 == 4 ? 0 : 1))
      // It was written anew.
      #expect(try PurgeLogTests.open(disk).found.damaged == 0)
    }
  }

  @Test func `another store's log is begun anew, another version's is an error`() throws {
    let disk = try PurgeLogTests.disk([PurgeLogTests.record(1)])
    let other = try PurgeLog.open(in: MemoryDisk.directory, system: disk, meta: try .sample(seed: 2))
    #expect(other.found.records.isEmpty)
    #expect(disk[PurgeLog.name]?.count == 32)
    disk[PurgeLog.name]![8] = 2
    disk[PurgeLog.name]![10] = 0xfd
    #expect(throws: PurgeLog.Failure.unknownVersion(2)) { try PurgeLogTests.open(disk) }
  }

  @Test func `purges that come while the device is busy become durable together`() throws {
    let disk = MemoryDisk()
    let (log, _) = try PurgeLogTests.open(disk)
    let before = disk.change { $0.syncs }
    let allHaveCome = Atomic<Bool>(false)
    let answered = Atomic<Int>(0)
    // The first sync takes until all others have come.
    unsafe disk.duringSync = { while !allHaveCome.load(ordering: .acquiring) { sched_yield() } }
    let thread = TestThread { log.run() }
    let clients = (1...100 as ClosedRange<UInt64>).map { number in
      TestThread {
        log.append(PurgeLogTests.record(number)) { result in
          if result == 0 { answered.add(1, ordering: .relaxed) }
        }
      }
    }
    for client in clients { client.join() }
    allHaveCome.store(true, ordering: .releasing)
    log.close()
    thread.join()
    #expect(answered.load(ordering: .relaxed) == 100)
    #expect(disk.change { $0.syncs } - before <= 2)
    let found = try PurgeLogTests.open(disk).found
    #expect(Set(found.records.map(\.sequence)) == Set(1...100))
  }

  @Test func `nobody is answered before the device has the record`() throws {
    let disk = MemoryDisk()
    let (log, _) = try PurgeLogTests.open(disk)
    let answered = Atomic<Int>(0)
    let early = Atomic<Int>(0)
    unsafe disk.duringSync = { early.add(answered.load(ordering: .relaxed), ordering: .relaxed) }
    log.append(PurgeLogTests.record(1)) { _ in answered.add(1, ordering: .relaxed) }
    log.close()
    log.run()
    #expect(early.load(ordering: .relaxed) == 0)
    #expect(answered.load(ordering: .relaxed) == 1)
  }

  @Test(arguments: [0, 1, 2])
  func `a failure is told, and its records are written when the cause is gone`(_ kind: Int) throws {
    let disk = MemoryDisk()
    let (log, _) = try PurgeLogTests.open(disk)
    let thread = TestThread { log.run() }
    let results = Guarded<[CInt]>([])
    func append(_ number: UInt64) {
      let count = results.withLock { $0.count }
      log.append(PurgeLogTests.record(number)) { result in results.withLock { $0.append(result) } }
      while results.withLock({ $0.count }) == count { sched_yield() }
    }
    append(1)
    disk.change { state in
      if kind == 0 { state.writeFailure = ENOSPC } else { state.syncFailure = EIO }
    }
    append(2)
    append(3)
    let code = kind == 0 ? ENOSPC : EIO
    #expect(log.statistics.failure == code)
    disk.change { state in
      state.writeFailure = 0
      state.syncFailure = 0
      // As after the directory was removed and made again.
      if kind == 2 { state.files = [:] }
    }
    if kind == 1 {
      log.retry()
      while log.statistics.failure != 0 { sched_yield() }
    } else {
      append(4)
    }
    log.close()
    thread.join()
    #expect(results.withLock { $0 } == [0, -code, -code] + (kind == 1 ? [] : [0]))
    let found = try PurgeLogTests.open(disk).found
    #expect(found.records.map(\.sequence) == [1, 2, 3] + (kind == 1 ? [] : [4]))
    // The log's own; no attempt has left another behind.
    withExtendedLifetime(log) { #expect(disk.change { $0.open.count } == 1) }
  }

  @Test func `a log that cannot be written at the start is read, and written later`() throws {
    let disk = try PurgeLogTests.disk([PurgeLogTests.record(1)])
    disk.change { $0.openFailure = EROFS }
    let (log, found) = try PurgeLogTests.open(disk)
    #expect(found.records == [PurgeLogTests.record(1)])
    #expect(found.failure == EROFS)
    disk.change { $0.openFailure = 0 }
    #expect(PurgeLogTests.append([PurgeLogTests.record(2)], to: log) == [0])
    #expect(try PurgeLogTests.open(disk).found.records.map(\.sequence) == [1, 2])
  }

  @Test func `a long log is shortened to what is still needed`() throws {
    let disk = MemoryDisk()
    let (log, _) = try PurgeLogTests.open(disk)
    let limit = UInt64(PurgeLogFile.leastLimit)
    // One URL again and again, hard and soft in turn, and others, of which the first hundred are done with.
    var records = (1...200 as ClosedRange<UInt64>).map { PurgeLogTests.record($0) }
    for i in 201...(limit + 1) { records.append(PurgeLogTests.record(i, url: 1_000_000, soft: i % 2 == 0)) }
    log.forget(through: 100)
    #expect(PurgeLogTests.append(records, to: log).allSatisfy { $0 == 0 })
    let found = try PurgeLogTests.open(disk).found
    let last = records.suffix(2)
    // The hard one comes last, and says all that the soft one before it says.
    #expect(found.records == Array(records[100..<200]) + last.filter { !$0.soft })
    #expect(last.last?.soft == false)
  }

  @Test func `after close an append is refused`() throws {
    let (log, _) = try PurgeLogTests.open(MemoryDisk())
    log.close()
    log.run()
    let results = Guarded<[CInt]>([])
    log.append(PurgeLogTests.record(1)) { result in results.withLock { $0.append(result) } }
    #expect(results.withLock { $0 } == [-ECANCELED])
  }
}
