public import Bytes

/// The index of all files of the store: compact records in memory, the order of use, and exact accounts of
/// what the files take.
///
/// Used by all disk threads. One lock, held for the time of some cache misses (with a million entries a
/// look-up takes 0.7 µs): whatever concerns many records takes it again for every few. Nothing here touches
/// the disk; whoever is told that an entry has left the index removes its file and then says so (`unlinked`),
/// until when its bytes count as used.
///
/// Times are `CacheSeconds`, which never jump while the process runs.
public final class DiskIndex: Sendable {
  /// Memory per entry with its share of the tables, where these have grown to the number of entries.
  public static let bytesPerEntry = MemoryLayout<IndexRecord>.stride + 2 * MemoryLayout<UInt32>.stride

  /// Records that one taking of the lock goes through at most.
  static let step = 8

  let state: Guarded<IndexState>
  public let limits: DiskLimits

  /// - Parameter seed: Secret, of this process alone.
  public init(limits: DiskLimits, now: CacheSeconds, seed: (UInt64, UInt64)) {
    self.limits = limits
    state = Guarded(IndexState(limits: limits, now: UInt32(clamping: now), seed: seed))
  }

  public var statistics: DiskStatistics {
    state.withLock {
      var statistics = $0.counts
      statistics.memoryBytes = $0.memoryBytes
      return statistics
    }
  }

  /// What is known of the file with this name. Counts as a use of it.
  public func find(_ name: EntryName, now: CacheSeconds) -> DiskEntry? {
    state.withLock { state in
      state.advance(to: now)
      let number = state.find(name)
      guard number != 0 else { return nil }
      state.touch(number, at: state.clock, hits: 1)
      return state.entry(number)
    }
  }

  /// As `find`, without counting as a use.
  public func peek(_ name: EntryName) -> DiskEntry? {
    state.withLock { state in
      let number = state.find(name)
      return number == 0 ? nil : state.entry(number)
    }
  }

  /// Notes uses that another tier has seen.
  public func touch(_ name: EntryName, lastUse: CacheSeconds, hits: UInt32) {
    state.withLock { state in
      state.advance(to: lastUse)
      let number = state.find(name)
      if number != 0 { state.touch(number, at: UInt32(clamping: lastUse), hits: hits) }
    }
  }

  /// Enters a file that has been written, as just used.
  ///
  /// - Parameter releasing: Bytes that were reserved for it.
  /// - Parameter fence: Asked under the index's lock, so that a purge that it does not see finds the entry.
  public func insert(_ entry: DiskEntry, releasing: Int = 0, fence: () -> FenceVerdict = { .clear })
    -> InsertOutcome
  {
    state.withLock { state in
      state.counts.reservedBytes -= releasing
      state.advance(to: entry.lastUse)
      var entry = entry
      entry.lastUse = CacheSeconds(state.clock)
      return state.insert(entry, .front, verdict: fence())
    }
  }

  /// A 304 has renewed the entry's head in its file. False: it is not in the index, or was born later.
  public func refresh(
    _ name: EntryName, born: UInt64, usefulUntil: CacheSeconds, blocks: UInt32, flags: DiskEntry.Flags,
    fence: () -> FenceVerdict = { .clear }
  ) -> Bool {
    state.withLock { state in
      let number = state.find(name)
      guard number != 0, state.records[number].born <= born else { return false }
      let verdict = fence()
      guard verdict != .hard else { return false }
      state.records[number].born = born
      state.records[number].flags = verdict == .soft ? flags.union(.softlyPurged) : flags
      state.setUsefulUntil(number, usefulUntil)
      state.setBlocks(number, blocks)
      state.counts.changes += 1
      return true
    }
  }

  /// Takes out an entry unless it was born after `born`. The caller removes the file and calls `unlinked`.
  public func remove(_ name: EntryName, born: UInt64) -> DiskEntry? {
    state.withLock { state in
      let number = state.find(name)
      guard number != 0, state.records[number].born <= born else { return nil }
      return state.dismiss(number)
    }
  }

  /// The files of entries that have left the index are gone; `bytes` is their sum.
  public func unlinked(bytes: Int) { state.withLock { $0.counts.leavingBytes -= bytes } }

  /// Room for a file that is to be written. False: `size` would be exceeded; evict, or do without.
  public func reserve(_ bytes: Int) -> Bool {
    state.withLock { state in
      let (sum, isOver) = state.usedBytes.addingReportingOverflow(bytes)
      guard !isOver, sum <= state.limits.size else { return false }
      state.counts.reservedBytes += bytes
      return true
    }
  }

  public func release(_ bytes: Int) { state.withLock { $0.counts.reservedBytes -= bytes } }

  /// Entries by place in memory, for listing: each that is there all the time comes once.
  ///
  /// - Parameter cursor: 0 at first, then what the call before has returned.
  /// - Returns: At most `limit` entries, and where to go on; `nil`: that was all.
  public func entries(from cursor: UInt32, limit: Int) -> (entries: [DiskEntry], next: UInt32?) {
    var found: [DiskEntry] = []
    var number = max(cursor, IndexState.firstRecord)
    while found.count < limit {
      let isAll = state.withLock { state in
        let end = state.records.end
        for _ in 0..<DiskIndex.step where number < end && found.count < limit {
          if state.records[number].isUsed { found.append(state.entry(number)) }
          number += 1
        }
        return number >= end
      }
      if isAll { return (found, nil) }
    }
    return (found, number)
  }
}

extension IndexState {
  /// All that counts against `size`.
  var usedBytes: Int { counts.bytes + counts.reservedBytes + counts.leavingBytes + counts.unknownBytes }

  mutating func insert(_ entry: DiskEntry, _ place: Place, verdict: FenceVerdict) -> InsertOutcome {
    guard verdict != .hard else { return .fenced }
    var entry = entry
    if verdict == .soft { entry.flags.insert(.softlyPurged) }
    let old = find(entry.name)
    guard old != 0 else { return add(entry, place) ? .inserted : .fenced }
    if records[old].born > entry.born { return .superseded(self.entry(old)) }
    let replaced = remove(old)
    _ = add(entry, place)
    return .replaced(replaced)
  }
}
