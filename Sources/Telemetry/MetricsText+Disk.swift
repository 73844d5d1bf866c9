import Bytes

extension MetricsText {
  func write(_ disk: DiskSample, to out: inout OutputBuffer) {
    writeState(disk, to: &out)
    writeWork(disk, to: &out)
    writeReadLatency(disk, to: &out)
  }

  private func writeState(_ disk: DiskSample, to out: inout OutputBuffer) {
    out.gauge("larder_disk_size_limit_bytes", "What the files of the disk tier may take.", disk.limitBytes)
    out.gauge(
      "larder_disk_used_bytes",
      "What the disk tier's files take, those under way and those being removed included.", disk.usedBytes)
    out.gauge("larder_disk_entries", "Files in the disk tier's index.", disk.entries)
    out.gauge("larder_disk_index_memory_bytes", "Memory of the disk tier's index.", disk.indexBytes)
    out.gauge("larder_disk_open_files", "Files of the disk tier held open.", disk.openFiles)
    out.gauge(
      "larder_disk_degraded", "1 while the last write or read of the disk failed.", disk.isDegraded ? 1 : 0)
    out.gauge(
      "larder_disk_scan_complete", "1 when the start-up scan has seen every file.", disk.isScanned ? 1 : 0)
    out.labelled(
      "larder_disk_queue_depth", .gauge,
      "Jobs waiting for a disk thread, by whether somebody waits for them.",
      "queue", disk.queues.map { ($0.queue, $0.depth) })
    out.gauge(
      "larder_disk_queue_bytes", "Memory held by what waits to be written to disk.", disk.queuedBytes)
    out.gauge(
      "larder_disk_purge_log_records", "Purges that the purge log holds.", disk.purgeLogRecords)
  }

  private func writeWork(_ disk: DiskSample, to out: inout OutputBuffer) {
    out.counter("larder_disk_opens_total", "Files opened and checked for a request.", disk.opens)
    out.counter(
      "larder_disk_misses_total", "Look-ups on disk that found nothing to be served.", disk.misses)
    out.counter("larder_disk_promotions_total", "Bodies copied from disk into memory.", disk.promotions)
    out.counter("larder_disk_writes_total", "Responses written to disk.", disk.writes)
    out.counter("larder_disk_written_bytes_total", "Bytes of the files written.", disk.writtenBytes)
    out.counter(
      "larder_disk_head_writes_total", "Heads renewed in place after a 304.", disk.headWrites)
    out.labelled(
      "larder_disk_skipped_writes_total", .counter, "Responses not written to disk, by reason.", "reason",
      disk.skippedWrites.map { ($0.reason, $0.count) })
    out.labelled(
      "larder_disk_evictions_total", .counter, "Files evicted from the disk tier, by reason.", "reason",
      disk.evictions.map { ($0.reason, $0.count) })
    out.counter(
      "larder_disk_damaged_files_total",
      "Files removed because they were not as they were written: wrong checksum, length or name.",
      disk.damagedFiles)
    out.labelled(
      "larder_disk_errors_total", .counter, "System calls on the disk tier's files that failed.", "operation",
      disk.errors.map { ($0.operation, $0.count) })
    out.counter("larder_disk_scanned_files_total", "Files seen by the start-up scan.", disk.scannedFiles)
    out.counter("larder_disk_scrubbed_files_total", "Files read by the scrub.", disk.scrubbedFiles)
    out.counter("larder_disk_checkpoints_total", "Times that the index was written down.", disk.checkpoints)
    out.counter(
      "larder_disk_purge_log_syncs_total", "Times that purges were made durable.", disk.purgeLogSyncs)
  }

  private func writeReadLatency(_ disk: DiskSample, to out: inout OutputBuffer) {
    out.openFamily(
      "larder_disk_read_seconds", .summary, "Time that disk threads took to read heads and blocks.")
    out.append("larder_disk_read_seconds_sum ")
    out.append(secondsOf: disk.readMicroseconds)
    out.append(.lineFeed)
    out.sample("larder_disk_read_seconds_count", disk.reads)
  }
}

extension OutputBuffer {
  /// A family with one sample for each value of its only label.
  fileprivate mutating func labelled(
    _ name: StaticString, _ kind: MetricKind, _ help: StaticString, _ label: StaticString,
    _ samples: [(text: String, value: Int)]
  ) {
    openFamily(name, kind, help)
    for one in samples { sample(name, label, one.text, one.value) }
  }
}
