import Bytes

/// Bringing the index up to what is on the disk after a start: first the checkpoint, then the scan. Meanwhile
/// the index is used, but that something is not in it means nothing yet.
extension DiskIndex {
  /// Bytes that files may hold which neither the checkpoint nor the scan has shown yet. They count as used,
  /// so that `size` is not exceeded meanwhile; every file that becomes known is taken from them.
  public func assumeUnknown(bytes: Int) { state.withLock { $0.counts.unknownBytes = bytes } }

  /// Enters what a checkpoint holds, the most recently used first, behind all that is there. Whoever has been
  /// entered since the start stays.
  ///
  /// - Parameter fence: As for `insert`, with the entry's URL and birth.
  public func restore(_ entries: [DiskEntry], fence: (DiskEntry) -> FenceVerdict = { _ in .clear }) {
    var i = 0
    while i < entries.count {
      let end = min(i + DiskIndex.step, entries.count)
      state.withLock { state in
        while i < end {
          state.restore(entries[i], fence)
          i += 1
        }
      }
    }
  }

  /// Begins a scan of all files. Records entered from now on count as seen.
  public func beginScan() {
    state.withLock { $0.scan = $0.scan == .max ? 1 : $0.scan + 1 }
  }

  /// The scan has seen the file. False: it is not in the index, so its head has to be read.
  public func seen(_ name: EntryName) -> Bool {
    state.withLock { state in
      let number = state.find(name)
      guard number != 0 else { return false }
      state.records[number].scan = state.scan
      return true
    }
  }

  /// Enters a file that only the scan has found. It counts as used when the process started, since nothing
  /// that a change of the clock could not falsify tells when it was.
  public func insertFound(_ entry: DiskEntry, fence: () -> FenceVerdict = { .clear }) -> InsertOutcome {
    state.withLock { state in
      var entry = entry
      entry.lastUse = CacheSeconds(state.started)
      let outcome = state.insert(entry, .start, verdict: fence())
      if outcome == .inserted { state.noteKnown(entry.bytes) }
      return outcome
    }
  }

  /// After all files were seen: takes out the records of those that were not.
  ///
  /// - Parameter cursor: 0 at first, then what the call before has returned.
  /// - Returns: Records that have left, whose files are not there, and where to go on; `nil`: the index is
  ///   complete.
  public func endScanStep(from cursor: UInt32) -> (vanished: [DiskEntry], next: UInt32?) {
    state.withLock { state in
      var vanished: [DiskEntry] = []
      var number = max(cursor, IndexState.firstRecord)
      let end = min(state.records.end, number + UInt32(DiskIndex.step))
      while number < end {
        if state.records[number].isUsed, state.records[number].scan != state.scan {
          vanished.append(state.remove(number))
        }
        number += 1
      }
      guard number >= state.records.end else { return (vanished, number) }
      state.counts.unknownBytes = 0
      return (vanished, nil)
    }
  }
}

/// The order of use, written down bit by bit while it changes.
extension DiskIndex {
  /// Begins going through all entries, the least recently used first. One at a time.
  public func beginCheckpoint() {
    state.withLock { state in
      if state.isCheckpointing { state.records.unlink(IndexState.checkpointMarker, .recency) }
      state.isCheckpointing = true
      state.records.link(IndexState.checkpointMarker, before: IndexState.recency, .recency)
    }
  }

  /// The next entries; none: that was all. What is used meanwhile comes again, later.
  public func checkpointStep() -> [DiskEntry] {
    state.withLock { state in
      guard state.isCheckpointing else { return [] }
      var entries: [DiskEntry] = []
      entries.reserveCapacity(DiskIndex.step)
      var number = state.records.previous(IndexState.checkpointMarker, .recency)
      state.records.unlink(IndexState.checkpointMarker, .recency)
      while number != IndexState.recency, entries.count < DiskIndex.step {
        if number >= IndexState.firstRecord { entries.append(state.entry(number)) }
        number = state.records.previous(number, .recency)
      }
      if entries.isEmpty {
        state.isCheckpointing = false
      } else {
        state.records.link(IndexState.checkpointMarker, after: number, .recency)
      }
      return entries
    }
  }
}

extension IndexState {
  fileprivate mutating func restore(_ entry: DiskEntry, _ fence: (DiskEntry) -> FenceVerdict) {
    guard find(entry.name) == 0 else { return }
    let verdict = fence(entry)
    guard verdict != .hard else { return }
    var entry = entry
    if verdict == .soft { entry.flags.insert(.softlyPurged) }
    // The order holds whatever the file says.
    let last = records[records.previous(IndexState.recency, .recency)].lastUse
    entry.lastUse = min(entry.lastUse, CacheSeconds(last))
    let scan = scan
    self.scan = 0
    if add(entry, .back) { noteKnown(entry.bytes) }
    self.scan = scan
  }

  fileprivate mutating func noteKnown(_ bytes: Int) {
    counts.unknownBytes = max(0, counts.unknownBytes - bytes)
  }
}
