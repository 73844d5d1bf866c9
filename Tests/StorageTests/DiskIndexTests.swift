import Bytes
import Glibc
import Testing

@testable import Storage

@Suite("Disk index")
struct DiskIndexTests {
  static let now: CacheSeconds = 1_000_000

  static func name(_ number: UInt64) -> EntryName {
    // As evenly spread as digests are.
    var random = SeededRandom(number)
    let words = (random.next(), random.next(), random.next(), random.next())
    // SAFETY: a name is 32 bytes, any of them.
    return unsafe unsafeBitCast(words, to: EntryName.self)
  }

  static func entry(
    _ number: UInt64, url: UInt64? = nil, born: UInt64 = 1, blocks: UInt32 = 8,
    usefulUntil: CacheSeconds = 1 << 31,
    at now: CacheSeconds = now
  ) -> DiskEntry {
    DiskEntry(
      name: name(number), urlHash: url ?? number, born: born, blocks: blocks, lastUse: now,
      usefulUntil: usefulUntil)
  }

  static func make(size: Int = 1 << 40, maxEntries: Int = .max, inactive: CacheSeconds = 3600) -> DiskIndex {
    DiskIndex(
      limits: DiskLimits(size: size, maxEntries: maxEntries, inactive: inactive), now: now, seed: (1, 2))
  }

  @Test func `a million entries take the published memory each, and every one is found`() {
    let index = DiskIndexTests.make()
    let count: UInt64 = 1_000_000
    for i in 0..<count { _ = index.insert(DiskIndexTests.entry(i)) }
    let perEntry = Double(index.statistics.memoryBytes) / Double(count)
    #expect(DiskIndex.bytesPerEntry == 104)
    #expect(perEntry < Double(DiskIndex.bytesPerEntry) * 1.02)
    #expect(index.statistics.entries == Int(count))
    for i in stride(from: 0, to: count, by: 97) {
      #expect(index.peek(DiskIndexTests.name(i))?.urlHash == i)
    }
    #expect(index.peek(DiskIndexTests.name(count)) == nil)
  }

  @Test func `buckets stay short while the table grows`() {
    let index = DiskIndexTests.make()
    for i in 0..<20_000 as Range<UInt64> { _ = index.insert(DiskIndexTests.entry(i)) }
    let longest = index.state.withLock { state in
      (0..<20_000 as Range<UInt64>).map { i -> Int in
        var number = state.find(DiskIndexTests.name(i))
        var length = 0
        while number != 0 {
          length += 1
          number = state.records[number].nextInBucket
        }
        return length
      }.max()!
    }
    // With 20,000 balls in as many urns the fullest has about 8; a bucket not divided yet twice that.
    #expect(longest < 16)
  }

  @Test func `L32: an entry moves at most once per 5 s, and every use is counted`() {
    let index = DiskIndexTests.make()
    _ = index.insert(DiskIndexTests.entry(1))
    _ = index.insert(DiskIndexTests.entry(2))
    _ = index.find(DiskIndexTests.name(1), now: DiskIndexTests.now + 4)
    #expect(index.leastRecentFirst().map(\.urlHash) == [1, 2])
    _ = index.find(DiskIndexTests.name(1), now: DiskIndexTests.now + 5)
    #expect(index.leastRecentFirst().map(\.urlHash) == [2, 1])
    #expect(index.peek(DiskIndexTests.name(1))?.hits == 2)
  }

  @Test func `nothing is reserved beyond size, files that are leaving included`() throws {
    let index = DiskIndexTests.make(size: 100 * 512)
    #expect(index.reserve(60 * 512))
    #expect(!index.reserve(41 * 512))
    _ = index.insert(DiskIndexTests.entry(1, blocks: 60), releasing: 60 * 512)
    #expect(index.statistics.reservedBytes == 0)
    let removed = try #require(index.remove(DiskIndexTests.name(1), born: 1))
    #expect(!index.reserve(60 * 512))
    index.unlinked(bytes: removed.bytes)
    #expect(index.reserve(100 * 512))
  }

  @Test func `what is useful no more leaves before what was used longer ago, and only for need`() {
    let index = DiskIndexTests.make(maxEntries: 10)
    for i in 0..<10 as Range<UInt64> {
      let until = DiskIndexTests.now + (i == 7 ? 100 : 5000)
      _ = index.insert(DiskIndexTests.entry(i, usefulUntil: until))
    }
    #expect(index.evict(now: DiskIndexTests.now + 200, freeBytes: nil, limit: 9).isEmpty)
    _ = index.insert(DiskIndexTests.entry(10))
    let victims = index.evict(now: DiskIndexTests.now + 200, freeBytes: nil, limit: 9)
    #expect(victims.map(\.entry.urlHash) == [7])
    #expect(victims.map(\.reason) == [.expired])
    _ = index.insert(DiskIndexTests.entry(11))
    let next = index.evict(now: DiskIndexTests.now + 200, freeBytes: nil, limit: 9)
    #expect(next.map(\.entry.urlHash) == [0])
    #expect(next.map(\.reason) == [.entries])
  }

  @Test func `every second of expiry is kept apart, however the clock moves`() {
    var random = SeededRandom(7)
    for _ in 0..<20 {
      let index = DiskIndexTests.make(maxEntries: 0)
      var left: [CacheSeconds] = []
      for i in 0..<300 as Range<UInt64> {
        let until = DiskIndexTests.now + CacheSeconds.random(in: 0...3000, using: &random)
        left.append(until)
        _ = index.insert(DiskIndexTests.entry(i, usefulUntil: until))
      }
      var now = DiskIndexTests.now
      while !left.isEmpty, now < DiskIndexTests.now + 3500 {
        now += CacheSeconds.random(in: 1...400, using: &random)
        let past = left.count { $0 < now }
        let victims = index.evict(now: now, freeBytes: nil, limit: past + 1)
        #expect(victims.prefix(past).allSatisfy { $0.reason == .expired && $0.entry.usefulUntil < now })
        #expect(victims.dropFirst(past).allSatisfy { $0.reason == .entries })
        for victim in victims { left.remove(at: left.firstIndex(of: victim.entry.usefulUntil)!) }
      }
    }
  }

  @Test func `eviction begins a little below size and frees no more than that`() {
    let index = DiskIndexTests.make(size: 6400 * 512)
    for i in 0..<6400 / 8 as Range<UInt64> { _ = index.insert(DiskIndexTests.entry(i)) }
    let victims = index.evict(now: DiskIndexTests.now, freeBytes: nil, limit: .max)
    #expect(victims.map(\.entry.urlHash) == Array(0...12))
    #expect(victims.allSatisfy { $0.reason == .size })
    // A 64th below.
    #expect(index.statistics.bytes == (6400 - 104) * 512)
  }

  @Test func `a purge of a URL with very many variants takes them all, whatever happens meanwhile`() {
    let index = DiskIndexTests.make()
    for i in 0..<5000 as Range<UInt64> { _ = index.insert(DiskIndexTests.entry(i, url: 9, born: i)) }
    let other = TestThread {
      for i in 0..<5000 as Range<UInt64> {
        _ = index.remove(DiskIndexTests.name(i &* 7 % 5000), born: .max)
        _ = index.insert(DiskIndexTests.entry(10_000 + i, url: 9, born: 10_000))
      }
    }
    _ = index.purge(urlHash: 9, bornBefore: 5000, soft: true)
    _ = index.purge(urlHash: 9, bornBefore: 5000, soft: false)
    let left = index.names(ofURL: 9)
    #expect(
      !left.contains { name in (0..<5000 as Range<UInt64>).contains { DiskIndexTests.name($0) == name } })
    other.join()
    #expect(index.statistics.entries == 5000)
  }

  @Test func `a purge in steps goes on where it was when that record has left meanwhile`() {
    let index = DiskIndexTests.make()
    for i in 0..<3 as Range<UInt64> { _ = index.insert(DiskIndexTests.entry(i, url: 9)) }
    let names = index.names(ofURL: 9)
    let cursor = index.state.withLock { state in
      let cursor = state.beginCursor(9)
      _ = state.advanceCursor(cursor)
      return cursor
    }
    _ = index.remove(names[1], born: .max)
    // Takes the place in memory of the one that has left.
    _ = index.insert(DiskIndexTests.entry(7))
    let (next, end) = index.state.withLock { state in
      let next = state.records[state.advanceCursor(cursor)].name
      let end = state.advanceCursor(cursor)
      state.endCursor(cursor)
      return (next, end)
    }
    #expect(next == names[2])
    #expect(end == 0)
  }

  @Test func `the accounts agree after many threads have used the index`() {
    let index = DiskIndexTests.make(size: 3000 * 4096)
    let threads = (0..<4 as Range<UInt64>).map { thread in
      TestThread {
        var random = SeededRandom(thread)
        for i in 0..<4000 as Range<UInt64> {
          let number = UInt64.random(in: 0..<2000, using: &random)
          switch Int.random(in: 0..<8, using: &random) {
          case 0..<3:
            let entry = DiskIndexTests.entry(
              number, url: number % 300, born: i, blocks: UInt32(number % 90),
              usefulUntil: DiskIndexTests.now + CacheSeconds(number % 40))
            if index.reserve(entry.bytes) { _ = index.insert(entry, releasing: entry.bytes) }
          case 3..<5:
            _ = index.find(DiskIndexTests.name(number), now: DiskIndexTests.now + CacheSeconds(i / 40))
          case 5: index.remove(DiskIndexTests.name(number), born: i).map { index.unlinked(bytes: $0.bytes) }
          case 6:
            for entry in index.purge(urlHash: number % 300, bornBefore: i, soft: false) {
              index.unlinked(bytes: entry.bytes)
            }
          default:
            for victim in index.evict(
              now: DiskIndexTests.now + CacheSeconds(i / 40), freeBytes: nil, limit: 8)
            {
              index.unlinked(bytes: victim.entry.bytes)
            }
          }
        }
      }
    }
    for thread in threads { thread.join() }
    let entries = index.leastRecentFirst()
    let statistics = index.statistics
    #expect(statistics.entries == entries.count)
    #expect(Set(entries.map(\.name)).count == entries.count)
    #expect(statistics.bytes == entries.reduce(0) { $0 + $1.bytes })
    #expect(statistics.reservedBytes == 0)
    #expect(statistics.leavingBytes == 0)
    #expect(statistics.bytes <= 3000 * 4096)
  }

  @Test func `min-uses lets in what is asked for often enough, and hardly anything else`() {
    let filter = AdmissionFilter(minUses: 3)
    for i in 0..<1000 as Range<UInt64> {
      #expect(!filter.admits(DiskIndexTests.name(i)))
      #expect(!filter.admits(DiskIndexTests.name(i)))
      #expect(filter.admits(DiskIndexTests.name(i)))
    }
    let twice = AdmissionFilter(minUses: 2)
    let early = (0..<100_000 as Range<UInt64>).count { twice.admits(DiskIndexTests.name($0)) }
    #expect(early < 1000)
    #expect(AdmissionFilter(minUses: 1).admits(DiskIndexTests.name(1)))
    #expect(AdmissionFilter(minUses: 1).memoryBytes == 0)
  }
}
