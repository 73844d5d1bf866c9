extension DiskIndex {
  /// Applies a purge (L21) to all records of a URL (L7) that were born before it.
  ///
  /// - Parameter urlHash: `KeyHash.low` of the canonical URL.
  /// - Parameter soft: They stay, marked; else they leave, and the caller removes the files and calls
  ///   `unlinked`.
  /// - Returns: The records that it has changed.
  public func purge(urlHash: UInt64, bornBefore sequence: UInt64, soft: Bool) -> [DiskEntry] {
    var changed: [DiskEntry] = []
    let cursor = state.withLock { $0.beginCursor(urlHash) }
    while state.withLock({ !$0.purgeStep(cursor, sequence, soft, &changed) }) {}
    return changed
  }
}

extension IndexState {
  /// True: that was all.
  fileprivate mutating func purgeStep(
    _ cursor: Int, _ sequence: UInt64, _ soft: Bool, _ changed: inout [DiskEntry]
  ) -> Bool {
    for _ in 0..<DiskIndex.step {
      let number = advanceCursor(cursor)
      guard number != 0 else {
        endCursor(cursor)
        return true
      }
      guard records[number].born < sequence else { continue }
      if !soft {
        changed.append(dismiss(number))
      } else if !records[number].flags.contains(.softlyPurged) {
        records[number].flags.insert(.softlyPurged)
        counts.changes += 1
        changed.append(entry(number))
      }
    }
    return false
  }
}
