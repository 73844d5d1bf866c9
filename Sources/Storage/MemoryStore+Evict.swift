import Bytes
import Synchronization

extension MemoryStore {
  /// A block of at least `count` bytes, for which the least recently used goes if need be; `nil`: there is
  /// nothing left to evict, or `count` is more than a block can hold. No stripe's lock may be held.
  func allocateEvicting(_ count: Int) -> SlabBlock? {
    guard count <= SizeClass.largest else { return nil }
    for _ in 0..<options.evictionsPerAllocation {
      if let block = unsafe arena.allocate(count, leaving: arena.reserve) { return unsafe block }
      guard evictOldest() else { return nil }
    }
    return nil
  }

  /// Evicts for what was taken beyond the budget: nodes, fills and passing bodies do not wait for room. No
  /// stripe's lock may be held.
  func restoreBudget() {
    for _ in 0..<MemoryStore.restoringEvictions {
      guard arena.isOverBudget, evictOldest() else { return }
    }
  }

  /// Most entries that go at once to restore the budget; each of its causes is smaller than so many.
  private static let restoringEvictions = 16

  /// Evicts from the stripe whose least recently used is oldest. False: nothing is left in any.
  func evictOldest() -> Bool {
    // Each time from another stripe on, since many are equally old by a clock of seconds.
    let start = evictionStart.wrappingAdd(1, ordering: .relaxed).oldValue
    var oldest = Int64.max
    var number = -1
    for i in 0..<MemoryStore.stripeCount {
      let candidate = (start &+ i) & (MemoryStore.stripeCount - 1)
      let use = stripe(candidate).oldestUse
      if use < oldest {
        oldest = use
        number = candidate
      }
    }
    guard number >= 0 else { return false }
    let entry = stripe(number).withLock { (stripe) -> EntryRef? in
      guard let node = stripe.recency.last else { return nil }
      stripe.counts.evictions += 1
      let entry = dropContents(of: node, in: &stripe)
      publishOldest(of: stripe)
      return entry
    }
    entry?.release()
    return true
  }

  /// Tells eviction how old the stripe's least recently used is.
  func publishOldest(of stripe: borrowing Stripe) {
    self.stripe(stripe.number).oldestUse = stripe.recency.last?.it.lastUse ?? .max
  }

  public var statistics: StoreStatistics {
    var sum = StoreStatistics(arena: arena.statistics, sequence: fences.sequence)
    for i in 0..<MemoryStore.stripeCount {
      let counts = stripe(i).withLock { $0.counts }
      sum.entries += counts.entries
      sum.marks += counts.marks
      sum.registeredFills += counts.fills
      sum.evictions += counts.evictions
      sum.variantsDropped += counts.variantsDropped
    }
    let (records, inFlight) = fences.statistics
    sum.purgeRecords = records
    sum.fillsInFlight = inFlight
    return sum
  }
}

public struct StoreStatistics: Equatable, Sendable {
  public var arena: ArenaStatistics
  /// The newest number in the sequence of births and purges.
  public var sequence: UInt64
  public var entries = 0
  public var marks = 0
  /// Fills that can be found under their keys.
  public var registeredFills = 0
  /// Fills that have begun and not ended.
  public var fillsInFlight = 0
  public var purgeRecords = 0
  /// Entries and marks that went for want of room, since the start.
  public var evictions = 0
  /// Variants that went because their key had too many, since the start (L8).
  public var variantsDropped = 0
}
