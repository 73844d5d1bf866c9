public import Bytes

extension DiskIndex {
  /// Takes out what must go, at most `limit` entries: who has been inactive, and for want of room what is
  /// useful no more, then the least recently used. Nothing beyond what brings size and number a little below
  /// their limits. The caller removes the files, calls `unlinked`, and comes again until it gets nothing.
  ///
  /// - Parameter freeBytes: Of the file system; `nil`: there is no `minFree`.
  public func evict(now: CacheSeconds, freeBytes: Int?, limit: Int) -> [DiskVictim] {
    var victims: [DiskVictim] = []
    while victims.count < limit {
      let step = state.withLock { state in
        state.advance(to: now)
        return state.evictOne(freeBytes: freeBytes)
      }
      switch step {
      case .none: return victims
      case .sorting: continue
      case .victim(let victim): victims.append(victim)
      }
    }
    return victims
  }
}

enum EvictionStep {
  case none
  /// Nothing is known yet; to be called again.
  case sorting
  case victim(DiskVictim)
}

extension IndexState {
  mutating func evictOne(freeBytes: Int?) -> EvictionStep {
    expiry.advance(to: clock, records)
    let oldest = oldest
    guard oldest != 0 else { return .none }
    // It may have been used since, by as much as uses are not noted.
    let noted = CacheSeconds(records[oldest].lastUse) + CacheSeconds(IndexState.touchInterval)
    if CacheSeconds(clock) - noted > limits.inactive {
      return evict(oldest, .inactive)
    }
    guard let want = want(freeBytes: freeBytes) else { return .none }
    guard expiry.sort(DiskIndex.step, records) else { return .sorting }
    let past = expiry.firstPast(records)
    return past != 0 ? evict(past, .expired) : evict(oldest, want)
  }

  /// For what reason somebody has to leave.
  private func want(freeBytes: Int?) -> EvictionReason? {
    // What is not known yet may be a guess: nothing is written for which there may be no room, but nobody
    // leaves on suspicion.
    if counts.bytes + counts.reservedBytes > limits.sizeLowWater { return .size }
    if counts.entries > limits.entriesLowWater { return .entries }
    if let freeBytes, freeBytes + counts.leavingBytes < limits.minFree { return .minFree }
    return nil
  }

  private mutating func evict(_ number: UInt32, _ reason: EvictionReason) -> EvictionStep {
    counts.evictions[reason.rawValue] += 1
    return .victim(DiskVictim(entry: dismiss(number), reason: reason))
  }
}
