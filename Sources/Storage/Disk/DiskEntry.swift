public import Bytes

/// What the disk index knows of one file of the store.
public struct DiskEntry: Equatable, Sendable {
  public struct Flags: OptionSet, Equatable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Lists the variants of a key; has no body.
    public static let varyRecord = Flags(rawValue: 1)
    /// A soft purge has come since it was born: not to be used as fresh (L21).
    public static let softlyPurged = Flags(rawValue: 2)
    /// Has an entity tag or a modification time to be revalidated by.
    public static let hasValidators = Flags(rawValue: 4)
  }

  public var name: EntryName
  /// `KeyHash.low` of the canonical URL (L7).
  public var urlHash: UInt64
  public var born: UInt64
  /// What the file takes in its file system, in units of 512 bytes (`st_blocks`).
  public var blocks: UInt32
  public var lastUse: CacheSeconds
  /// The last second in which grace, `stale-if-error` or validators can still make something of it.
  public var usefulUntil: CacheSeconds
  public var hits: UInt32
  public var flags: Flags

  public init(
    name: EntryName, urlHash: UInt64, born: UInt64, blocks: UInt32, lastUse: CacheSeconds,
    usefulUntil: CacheSeconds, hits: UInt32 = 0, flags: Flags = []
  ) {
    self.name = name
    self.urlHash = urlHash
    self.born = born
    self.blocks = blocks
    self.lastUse = lastUse
    self.usefulUntil = usefulUntil
    self.hits = hits
    self.flags = flags
  }

  public var bytes: Int { Int(blocks) * 512 }
}

/// How much the store may hold on disk, and for how long.
public struct DiskLimits: Equatable, Sendable {
  /// Bytes of the file system's blocks, temporary files included.
  public var size: Int
  public var maxEntries: Int
  /// Seconds after which an entry leaves that nobody has used.
  public var inactive: CacheSeconds
  /// Bytes that the file system must keep free.
  public var minFree: Int

  public init(
    size: Int, maxEntries: Int = .max, inactive: CacheSeconds = CacheSeconds(UInt32.max), minFree: Int = 0
  ) {
    self.size = size
    self.maxEntries = maxEntries
    self.inactive = inactive
    self.minFree = minFree
  }

  /// Eviction begins here, a little below the limit, so that whoever writes finds room.
  var sizeLowWater: Int { size - min(size / 64, 64 << 20) }
  var entriesLowWater: Int { maxEntries - min(maxEntries / 64, 1024) }
}

public enum EvictionReason: Int, Sendable, CaseIterable {
  case size, entries, inactive, minFree
  /// Room was needed for one of the other reasons, and this entry was good for nothing any more.
  case expired
}

/// An entry that has left the index and whose file the caller must now remove.
public struct DiskVictim: Equatable, Sendable {
  public var entry: DiskEntry
  public var reason: EvictionReason
}

public enum InsertOutcome: Equatable, Sendable {
  case inserted
  /// Took the place of this one, which had the same name.
  case replaced(DiskEntry)
  /// This one of the same name was born later, and stays.
  case superseded(DiskEntry)
  /// Purged since it was born.
  case fenced
}

public struct DiskStatistics: Equatable, Sendable {
  public var entries = 0
  /// Of the entries' files.
  public var bytes = 0
  /// Of temporary files.
  public var reservedBytes = 0
  /// Of files that have left the index and may still be there.
  public var leavingBytes = 0
  /// Taken to be held by files that the start-up scan has not seen yet.
  public var unknownBytes = 0
  /// Of the process, for the index itself.
  public var memoryBytes = 0
  /// By `EvictionReason.rawValue`, since the start.
  public var evictions: InlineArray<5, Int> = .init(repeating: 0)
  /// Inserts, removals and refreshes since the start.
  public var changes = 0

  public func evictions(for reason: EvictionReason) -> Int { evictions[reason.rawValue] }

  public static func == (left: DiskStatistics, right: DiskStatistics) -> Bool {
    left.entries == right.entries && left.bytes == right.bytes && left.reservedBytes == right.reservedBytes
      && left.leavingBytes == right.leavingBytes && left.unknownBytes == right.unknownBytes
      && left.memoryBytes == right.memoryBytes && left.changes == right.changes
      && EvictionReason.allCases.allSatisfy { left.evictions(for: $0) == right.evictions(for: $0) }
  }
}
