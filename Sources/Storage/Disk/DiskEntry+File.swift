import Bytes
import Caching

/// What the index keeps of a file.
extension DiskEntry {
  /// Of a response with the head in force.
  init(
    _ name: EntryName, urlHash: KeyHash, _ facts: EntryFile.Facts, blocks: Int, lastUse: CacheSeconds = 0
  ) {
    var flags: Flags = []
    if facts.isSoftlyPurged { flags.insert(.softlyPurged) }
    let hasValidators = facts.etag != nil || facts.lastModified != nil
    if hasValidators { flags.insert(.hasValidators) }
    self.init(
      name: name, urlHash: urlHash.low, born: facts.born, blocks: UInt32(clamping: blocks), lastUse: lastUse,
      // With validators it is worth keeping as long as it is used at all: the origin may confirm it.
      usefulUntil: hasValidators ? CacheSeconds(UInt32.max) : facts.freshness.usefulUntil, flags: flags)
  }

  /// Of a vary record.
  init(
    varyRecord name: EntryName, urlHash: KeyHash, born: UInt64, blocks: Int, lastUse: CacheSeconds = 0
  ) {
    self.init(
      name: name, urlHash: urlHash.low, born: born, blocks: UInt32(clamping: blocks), lastUse: lastUse,
      usefulUntil: CacheSeconds(UInt32.max), flags: .varyRecord)
  }
}
