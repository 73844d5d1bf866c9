/// The disk tier at one moment. Counters are since the start of the process.
public struct DiskSample: Sendable {
  /// What the files may take, and what they take, temporary ones and those being removed included.
  public var limitBytes = 0
  public var usedBytes = 0
  public var entries = 0
  /// Memory of the index.
  public var indexBytes = 0
  /// Files that the memory tier's entries hold open.
  public var openFiles = 0
  public var isDegraded = false
  public var isScanned = false
  public var scannedFiles = 0
  public var scrubbedFiles = 0
  public var checkpoints = 0
  public var purgeLogRecords = 0
  public var purgeLogSyncs = 0
  /// Jobs waiting for a disk thread, and the memory that those keep which can wait.
  public var queues: [(queue: String, depth: Int)] = []
  public var queuedBytes = 0
  /// Files opened for a request, and requests for which there was none.
  public var opens = 0
  public var misses = 0
  public var promotions = 0
  public var writes = 0
  public var writtenBytes = 0
  public var headWrites = 0
  public var damagedFiles = 0
  public var evictions: [(reason: String, count: Int)] = []
  public var skippedWrites: [(reason: String, count: Int)] = []
  public var errors: [(operation: String, count: Int)] = []
  public var reads = 0
  public var readMicroseconds = 0

  public init() {}
}
