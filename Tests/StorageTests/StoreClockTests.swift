import Bytes
import Caching
import Testing

@testable import Storage

private let day: Int64 = 86_400

/// Reads the sample's file as a process does that has started later.
private func age(
  _ clock: StoreClock, after seconds: Int64, written: StoreClock = SampleEntry.clock
) throws -> UInt32 {
  let now = SampleEntry.facts.freshness.responseTime - SampleEntry.clock.cacheOffset / 1000 + seconds
  let cacheNow = now + clock.cacheOffset / 1000
  return try ReadBack(SampleEntry().file(), clock: clock, now: cacheNow).entry.facts.freshness.age(
    at: cacheNow)
}

/// Facts are written with the `CacheSeconds` of one process and read with those of another.
@Suite("Times across a restart, decision 14")
struct StoreClockTests {
  /// 3 s on arrival.
  @Test(arguments: [0, day, -day, 400 * day])
  func `within one boot ages go on exactly, whatever the wall clock was set to`(_ jump: Int64) throws {
    var clock = SampleEntry.clock
    clock.cacheOffset += jump * 1000
    clock.wallOffset += jump * 1000
    #expect(try age(clock, after: 100) == 103)
  }

  @Test func `after another boot ages go on by the wall clock`() throws {
    // The monotonic clock has begun anew: the offsets have grown by what it had counted.
    let clock = StoreClock(cacheOffset: 1_800_000_060_000, wallOffset: 1_800_000_060_000, boot: 7)
    let read = try ReadBack(SampleEntry().file(), clock: clock, now: 1_800_000_100)
    #expect(read.entry.facts.freshness.age(at: 1_800_000_100) == 101)
    #expect(read.entry.facts.freshness.requestTime == 1_800_000_000)
  }

  @Test func `an unknown boot is no boot`() throws {
    var written = SampleEntry.clock
    written.boot = 0
    var sample = StoreClock(cacheOffset: 5000, wallOffset: 5000, boot: 0)
    sample.cacheOffset = 1
    #expect(sample.cacheSeconds(wall: 1000, monotonic: 1, boot: 0, now: 5000) == 1000)
  }

  @Test func `the wall clock that a file tells is the one that stood when it was written`() {
    // The wall clock was set forward by a day since the process has started.
    let clock = StoreClock(cacheOffset: 1_000_000, wallOffset: 1_000_000 + day * 1000, boot: 1)
    #expect(clock.wall(2000) == 2000 + day)
  }

  @Test func `a time that lies ahead is taken for now`() throws {
    let clock = StoreClock(cacheOffset: 0, wallOffset: 0, boot: 7)
    let facts = try ReadBack(SampleEntry().file(), clock: clock, now: 1_800_000_002 - day).entry.facts
    #expect(facts.freshness.responseTime == 1_800_000_002 - day)
    #expect(facts.freshness.requestTime == 1_800_000_000 - day)
  }

  @Test func `the machine's boot has a number that stays`() {
    let boot = StoreClock.currentBoot(DiskSystem())
    #expect(boot == StoreClock.currentBoot(DiskSystem()))
  }
}
