import Storage
import Telemetry

extension DiskSample {
  init(_ disk: DiskStore) {
    self.init()
    let index = disk.index.statistics
    limitBytes = disk.options.limits.size
    usedBytes = index.bytes + index.reservedBytes + index.leavingBytes
    entries = index.entries
    indexBytes = index.memoryBytes
    evictions = EvictionReason.allCases.map { ($0.label, index.evictions(for: $0)) }
    openFiles = disk.openFiles
    isDegraded = disk.health.fault != nil
    isScanned = disk.isComplete
    let depths = disk.queueDepths
    queues = [("reads", depths.urgent), ("writes", depths.deferred)]
    queuedBytes = depths.deferredBytes
    let log = disk.purgeLogStatistics
    purgeLogRecords = log.records
    purgeLogSyncs = log.syncs
    count(disk.counters)
  }

  private mutating func count(_ counters: DiskCounters) {
    scannedFiles = counters.scanned.value
    scrubbedFiles = counters.scrubbed.value
    checkpoints = counters.checkpoints.value
    opens = counters.opens.value
    misses = counters.misses.value
    promotions = counters.promotions.value
    writes = counters.writes.value
    writtenBytes = counters.writtenBytes.value
    headWrites = counters.headWrites.value
    damagedFiles = counters.damaged.value
    skippedWrites = [
      ("queue", counters.skippedForQueue.value), ("room", counters.skippedForRoom.value),
      ("fault", counters.skippedForFault.value), ("uses", counters.skippedForUses.value),
    ]
    errors = [("read", counters.readErrors.value), ("write", counters.writeErrors.value)]
    reads = counters.reads.value
    readMicroseconds = counters.readMicroseconds.value
  }
}

extension EvictionReason {
  /// As metrics name it.
  fileprivate var label: String {
    switch self {
    case .size: "size"
    case .entries: "entries"
    case .inactive: "inactive"
    case .minFree: "min_free"
    case .expired: "expired"
    }
  }
}
