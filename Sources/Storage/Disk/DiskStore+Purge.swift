import Bytes
import Caching
import Synchronization

extension DiskStore {
  /// Purges all that has this canonical URL in both tiers (L7, L20). When this returns, no look-up on any
  /// thread gets older content; `isLogged` is called, on another thread, when the purge will also outlive a
  /// crash, or cannot (L22).
  ///
  /// - Returns: How many entries were concerned, a copy in the other tier not counted again, and the purge's
  ///   number.
  public func purge(
    url: Span<UInt8>, soft: Bool, isLogged: @escaping @Sendable (Bool) -> Void
  ) -> (purged: Int, sequence: UInt64) {
    let urlHash = memory.seed.hash(url)
    // The fence first: whoever installs or enters something from now on asks it.
    let (born, sequence) = memory.purgeEntries(urlHash: urlHash, soft: soft)
    let record = PurgeRecord(sequence: sequence, urlHash: urlHash, soft: soft)
    if !isScanned.load(ordering: .acquiring) { purgesToRestore.withLock { $0.note(record) } }
    let changed = index.purge(urlHash: urlHash.low, bornBefore: sequence, soft: soft)
    var purged = Set(born)
    for entry in changed where !entry.flags.contains(.varyRecord) { purged.insert(entry.born) }
    if !soft, !changed.isEmpty { _ = threads.defer(bytes: 0) { self.removeFiles(of: changed) } }
    purgeLog.append(record) { result in
      if result != 0 { self.health.failed(.log, -result, now: self.now) }
      isLogged(result == 0)
    }
    return (purged.count, sequence)
  }
}
