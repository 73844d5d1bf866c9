/// What is told of the disk tier to whoever asks; takes locks for a moment each, and is for the admin
/// listener.
extension DiskStore {
  public var openFiles: Int { openCount.value }

  /// The start-up scan has seen every file.
  public var isComplete: Bool { isScanned.load(ordering: .acquiring) }

  /// Jobs that somebody waits for, those that can wait, and the memory that these keep, in bytes.
  public var queueDepths: (urgent: Int, deferred: Int, deferredBytes: Int) { threads.depths }

  public var purgeLogStatistics: PurgeLog.Statistics { purgeLog.statistics }
}
