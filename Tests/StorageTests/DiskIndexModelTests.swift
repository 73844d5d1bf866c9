import Bytes
import Testing

@testable import Storage

/// Random operations on the disk index and on a model made of arrays, compared after each.
@Suite("Disk index against a model")
struct DiskIndexModelTests {
  @Test(arguments: Array(1...8) + [UInt64.random(in: 0...UInt64.max)])
  func `order of use, accounts and limits are what a simple model says`(_ seed: UInt64) {
    print("seed \(seed)")
    var random = SeededRandom(seed)
    let limits = DiskLimits(
      size: 64 * 4096, maxEntries: Bool.random(using: &random) ? 20 : .max, inactive: 600, minFree: 10_000)
    var model = DiskIndexModel(limits: limits, now: 1_000_000)
    let index = DiskIndex(limits: limits, now: model.now, seed: (random.next(), random.next()))
    for step in 0..<1500 {
      let what = model.step(index, &random)
      model.check(index, "seed \(seed), step \(step): \(what)")
    }
  }
}

struct DiskIndexModel {
  let limits: DiskLimits
  let started: CacheSeconds
  var now: CacheSeconds
  var sequence: UInt64 = 100
  /// Used since the start, and known from before it; each the most recently used first.
  var recent: [DiskEntry] = []
  var old: [DiskEntry] = []
  var reserved = 0
  var leaving = 0
  var unknown = 0
  var evictions: [EvictionReason: Int] = [:]
  private let names = (0..<48).map { EntryName(key: Array("name \($0)".utf8).span) }

  init(limits: DiskLimits, now: CacheSeconds) {
    self.limits = limits
    self.now = now
    started = now
  }

  var all: [DiskEntry] { recent + old }
  var bytes: Int { all.reduce(0) { $0 + $1.bytes } }

  // MARK: Operations

  mutating func step(_ index: DiskIndex, _ random: inout SeededRandom) -> String {
    switch Int.random(in: 0..<20, using: &random) {
    case 0..<6: return insert(index, &random)
    case 6..<9: return find(index, &random)
    case 9: return touch(index, &random)
    case 10: return refresh(index, &random)
    case 11: return remove(index, &random)
    case 12: return purge(index, &random)
    case 13..<15: return evict(index, &random)
    case 15: return reserve(index, &random)
    case 16: return restore(index, &random)
    case 17: return Int.random(in: 0..<4, using: &random) == 0 ? scan(index, &random) : list(index, &random)
    default:
      now += [0, 1, 3, 5, 9, 40, 250, 5000].randomElement(using: &random)!
      // Tells the index.
      #expect(index.find(EntryName(key: Array("none".utf8).span), now: now) == nil)
      return "time"
    }
  }

  private mutating func entry(_ random: inout SeededRandom) -> DiskEntry {
    sequence += 1
    let until = now + [-10, 0, 1, 30, 200, 3000, 1 << 30, 1 << 40].randomElement(using: &random)!
    let number = Int.random(in: names.indices, using: &random)
    return DiskEntry(
      name: names[number], urlHash: UInt64(number % 7),
      born: sequence - UInt64.random(in: 0..<20, using: &random),
      blocks: UInt32.random(in: 0...40, using: &random), lastUse: now,
      usefulUntil: min(until, CacheSeconds(UInt32.max)),
      hits: .random(in: 0...2, using: &random),
      flags: DiskEntry.Flags(rawValue: UInt8.random(in: 0...7, using: &random)))
  }

  private mutating func take(_ name: EntryName) -> DiskEntry? {
    if let i = recent.firstIndex(where: { $0.name == name }) { return recent.remove(at: i) }
    if let i = old.firstIndex(where: { $0.name == name }) { return old.remove(at: i) }
    return nil
  }

  private func known(_ name: EntryName) -> DiskEntry? { all.first { $0.name == name } }

  private mutating func change(_ name: EntryName, _ body: (inout DiskEntry) -> Void) {
    if let i = recent.firstIndex(where: { $0.name == name }) { body(&recent[i]) }
    if let i = old.firstIndex(where: { $0.name == name }) { body(&old[i]) }
  }

  private mutating func insert(_ index: DiskIndex, _ random: inout SeededRandom) -> String {
    var new = entry(&random)
    let verdict: FenceVerdict = [.clear, .clear, .clear, .soft, .hard].randomElement(using: &random)!
    let found = Int.random(in: 0..<5, using: &random) == 0
    let before = known(new.name)
    let outcome = found ? index.insertFound(new) { verdict } : index.insert(new) { verdict }
    if verdict == .hard {
      #expect(outcome == .fenced)
      return "insert, fenced"
    }
    if let before, before.born > new.born {
      #expect(outcome == .superseded(before))
      return "insert, superseded"
    }
    if verdict == .soft { new.flags.insert(.softlyPurged) }
    _ = take(new.name)
    if found {
      new.lastUse = started
      old.insert(new, at: 0)
      if before == nil { unknown = max(0, unknown - new.bytes) }
    } else {
      recent.insert(new, at: 0)
    }
    #expect(outcome == (before.map { .replaced($0) } ?? .inserted))
    return "insert"
  }

  /// A use moves an entry only if it was not moved within 5 s (L32).
  private mutating func use(_ name: EntryName, at second: CacheSeconds, hits: UInt32) {
    guard var entry = known(name) else { return }
    entry.hits += hits
    guard second - entry.lastUse >= 5 else { return change(name) { $0 = entry } }
    _ = take(name)
    entry.lastUse = second
    recent.insert(entry, at: 0)
  }

  private mutating func find(_ index: DiskIndex, _ random: inout SeededRandom) -> String {
    let name = names.randomElement(using: &random)!
    use(name, at: now, hits: 1)
    #expect(index.find(name, now: now) == known(name))
    return "find"
  }

  private mutating func touch(_ index: DiskIndex, _ random: inout SeededRandom) -> String {
    let name = names.randomElement(using: &random)!
    use(name, at: now, hits: 3)
    index.touch(name, lastUse: now, hits: 3)
    return "touch"
  }

  private mutating func refresh(_ index: DiskIndex, _ random: inout SeededRandom) -> String {
    let new = entry(&random)
    let isDone = known(new.name).map { $0.born <= new.born } ?? false
    if isDone {
      change(new.name) {
        $0.born = new.born
        $0.usefulUntil = new.usefulUntil
        $0.blocks = new.blocks
        $0.flags = new.flags
      }
    }
    #expect(
      index.refresh(
        new.name, born: new.born, usefulUntil: new.usefulUntil, blocks: new.blocks, flags: new.flags)
        == isDone)
    return "refresh"
  }

  private mutating func remove(_ index: DiskIndex, _ random: inout SeededRandom) -> String {
    let name = names.randomElement(using: &random)!
    guard let before = known(name) else {
      #expect(index.remove(name, born: .max) == nil)
      return "remove nothing"
    }
    #expect(index.remove(name, born: before.born - 1) == nil)
    #expect(index.remove(name, born: before.born) == before)
    leaving += take(name)!.bytes
    return "remove"
  }

  private mutating func purge(_ index: DiskIndex, _ random: inout SeededRandom) -> String {
    let url = UInt64.random(in: 0..<8, using: &random)
    let soft = Bool.random(using: &random)
    let limit = sequence - UInt64.random(in: 0..<10, using: &random)
    var hit = all.filter { $0.urlHash == url && $0.born < limit }
    if soft {
      hit.removeAll { $0.flags.contains(.softlyPurged) }
      for i in hit.indices {
        hit[i].flags.insert(.softlyPurged)
        change(hit[i].name) { $0.flags.insert(.softlyPurged) }
      }
    } else {
      for entry in hit { leaving += take(entry.name)!.bytes }
    }
    let changed = index.purge(urlHash: url, bornBefore: limit, soft: soft)
    #expect(Set(changed.map(\.name)) == Set(hit.map(\.name)))
    #expect(changed.allSatisfy { hit.contains($0) })
    return "purge"
  }

  /// What has to leave, and why; as the rules say it.
  private func want(free: Int?) -> EvictionReason? {
    guard let oldest = all.last else { return nil }
    if oldest.lastUse + limits.inactive + 5 < now { return .inactive }
    if bytes + reserved > limits.size - limits.size / 64 { return .size }
    if limits.maxEntries < .max, all.count > limits.maxEntries - limits.maxEntries / 64 { return .entries }
    if limits.maxEntries == .max, all.count > .max - 1024 { return .entries }
    if let free, free + leaving < limits.minFree { return .minFree }
    return nil
  }

  private mutating func evict(_ index: DiskIndex, _ random: inout SeededRandom) -> String {
    let free = [nil, 5000, 50_000].randomElement(using: &random)!
    let limit = Int.random(in: 1...6, using: &random)
    let victims = index.evict(now: now, freeBytes: free, limit: limit)
    for victim in victims {
      guard let reason = want(free: free) else {
        Issue.record("\(victim) had no reason to leave")
        return "evict"
      }
      let expired = all.filter { $0.usefulUntil < now }
      if reason == .inactive || expired.isEmpty {
        #expect(victim == DiskVictim(entry: all.last!, reason: reason))
      } else {
        #expect(expired.contains(victim.entry))
        #expect(victim.reason == .expired)
      }
      evictions[victim.reason, default: 0] += 1
      leaving += take(victim.entry.name)?.bytes ?? 0
    }
    #expect(victims.count == limit || want(free: free) == nil)
    if Bool.random(using: &random) {
      index.unlinked(bytes: leaving)
      leaving = 0
    }
    return "evict"
  }

  private mutating func reserve(_ index: DiskIndex, _ random: inout SeededRandom) -> String {
    if Bool.random(using: &random) {
      index.release(reserved)
      reserved = 0
      return "release"
    }
    let count = Int.random(in: 0...100_000, using: &random)
    let fits = bytes + reserved + leaving + unknown + count <= limits.size
    #expect(index.reserve(count) == fits)
    if fits { reserved += count }
    return "reserve"
  }

  private mutating func restore(_ index: DiskIndex, _ random: inout SeededRandom) -> String {
    unknown = Int.random(in: 0...50_000, using: &random)
    index.assumeUnknown(bytes: unknown)
    var batch: [DiskEntry] = []
    for _ in 0..<Int.random(in: 0...40, using: &random) {
      var new = entry(&random)
      new.lastUse -= CacheSeconds.random(in: 0...700, using: &random)
      batch.append(new)
    }
    for var new in batch where known(new.name) == nil && new.born % 5 != 0 {
      new.lastUse = min(new.lastUse, old.last?.lastUse ?? started)
      old.append(new)
      unknown = max(0, unknown - new.bytes)
    }
    index.restore(batch) { $0.born % 5 == 0 ? .hard : .clear }
    return "restore"
  }

  private mutating func scan(_ index: DiskIndex, _ random: inout SeededRandom) -> String {
    index.beginScan()
    var here: Set<EntryName> = []
    for name in names where Int.random(in: 0..<3, using: &random) > 0 {
      #expect(index.seen(name) == (known(name) != nil))
      here.insert(name)
    }
    let before = Set(all.map(\.name))
    for _ in 0..<5 {
      _ = insert(index, &random)
      here.formUnion(all.filter { $0.born + 25 > sequence && !before.contains($0.name) }.map(\.name))
    }
    // What was written again meanwhile has been seen, too: only the index can tell it from the old one.
    here.formUnion(all.filter { index.isSeen($0.name) }.map(\.name))
    let gone = all.filter { !here.contains($0.name) }
    var vanished: [DiskEntry] = []
    var cursor: UInt32? = 0
    while let place = cursor {
      let step = index.endScanStep(from: place)
      vanished += step.vanished
      cursor = step.next
    }
    #expect(Set(vanished.map(\.name)) == Set(gone.map(\.name)))
    for entry in gone { _ = take(entry.name) }
    unknown = 0
    return "scan"
  }

  private func list(_ index: DiskIndex, _ random: inout SeededRandom) -> String {
    var found: [DiskEntry] = []
    var cursor: UInt32? = 0
    while let place = cursor {
      let step = index.entries(from: place, limit: Int.random(in: 1...20, using: &random))
      found += step.entries
      cursor = step.next
    }
    #expect(found.count == all.count)
    #expect(Set(found.map(\.name)) == Set(all.map(\.name)))
    return "list"
  }

  // MARK: Comparison

  func check(_ index: DiskIndex, _ what: String) {
    let statistics = index.statistics
    #expect(statistics.entries == all.count, "\(what)")
    #expect(statistics.bytes == bytes, "\(what)")
    #expect(statistics.reservedBytes == reserved, "\(what)")
    #expect(statistics.leavingBytes == leaving, "\(what)")
    #expect(statistics.unknownBytes == unknown, "\(what)")
    for reason in EvictionReason.allCases {
      #expect(statistics.evictions(for: reason) == evictions[reason] ?? 0, "\(what)")
    }
    #expect(index.leastRecentFirst() == all.reversed(), "\(what)")
    for url in UInt64(0)..<8 {
      let own = Set(all.filter { $0.urlHash == url }.map(\.name))
      #expect(Set(index.names(ofURL: url)) == own, "\(what)")
    }
  }
}

extension DiskIndex {
  func leastRecentFirst() -> [DiskEntry] {
    beginCheckpoint()
    var entries: [DiskEntry] = []
    while true {
      let step = checkpointStep()
      if step.isEmpty { return entries }
      entries += step
    }
  }

  func names(ofURL hash: UInt64) -> [EntryName] {
    state.withLock { state in
      var names: [EntryName] = []
      var number = state.firstOfURL(hash)
      while number != 0 {
        names.append(state.records[number].name)
        number = state.records[number].nextOfURL
      }
      return names
    }
  }

  func isSeen(_ name: EntryName) -> Bool {
    state.withLock { state in
      let number = state.find(name)
      return number != 0 && state.records[number].scan == state.scan
    }
  }
}
