public import Synchronization

/// What the disk tier has done since the start; written by disk threads, read by anybody.
public final class DiskCounters: Sendable {
  /// Responses served from files: entries brought into the memory tier's index.
  public let opens = Atomic<Int>(0)
  public let misses = Atomic<Int>(0)
  public let promotions = Atomic<Int>(0)
  public let writes = Atomic<Int>(0)
  public let writtenBytes = Atomic<Int>(0)
  public let headWrites = Atomic<Int>(0)
  /// Entries that were not written because too much waited.
  public let skippedForQueue = Atomic<Int>(0)
  /// Because there was no room within the limits.
  public let skippedForRoom = Atomic<Int>(0)
  /// Because the file system refused, or had refused a moment ago.
  public let skippedForFault = Atomic<Int>(0)
  /// By `min-uses`.
  public let skippedForUses = Atomic<Int>(0)
  public let readErrors = Atomic<Int>(0)
  public let writeErrors = Atomic<Int>(0)
  /// Files that were not as they were written.
  public let damaged = Atomic<Int>(0)
  /// Files that the start-up scan has seen.
  public let scanned = Atomic<Int>(0)
  public let scrubbed = Atomic<Int>(0)
  public let checkpoints = Atomic<Int>(0)
  /// Reads of blocks and heads on disk threads, and how long they took in all.
  public let reads = Atomic<Int>(0)
  public let readMicroseconds = Atomic<Int>(0)

  init() {}
}

extension Atomic where Value == Int {
  func count(_ more: Int = 1) { wrappingAdd(more, ordering: .relaxed) }

  public var value: Int { load(ordering: .relaxed) }
}
