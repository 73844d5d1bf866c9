public import Bytes
import Synchronization

/// Whether a purge has come between the birth of something and now.
public enum FenceVerdict: Sendable, Equatable {
  case clear
  /// Softly purged: usable, but not as fresh.
  case soft
  /// Purged: not to be given to anybody new, not to be stored.
  case hard
}

/// The one sequence of births and purges (L19), and the purges that something older may still run into.
///
/// Every fill, revalidation and purge takes the next number. A purge fences what was born before it under its
/// canonical URL. Its record is kept while such a fill is in flight; entries are removed by the purge itself.
///
/// Shared by all threads. The common answer, that no purge has come, takes one atomic load: a table of slots,
/// chosen by the URL's hash, each with the number of its newest purge. Only when that is newer does the exact
/// table decide, under a lock.
@safe public final class Fences: Sendable {
  static let slotCount = 4096
  /// Most purges remembered at once. Beyond it the oldest is forgotten, and what was in flight then is
  /// fenced whatever its URL: nothing wrong can be stored, and memory stays bounded.
  static let recordLimit = 262_144
  /// What a record is taken to cost, in bytes of the budget.
  static let recordBytes = 96

  nonisolated(unsafe) let slots: UnsafeMutablePointer<Atomic<UInt64>>
  private let state = Guarded(State())
  private let arena: SlabArena

  /// - Parameter first: Numbers begin behind this one.
  init(arena: SlabArena, behind first: UInt64 = 0) {
    self.arena = arena
    state.withLock { $0.sequence = first }
    unsafe slots = .allocate(capacity: Fences.slotCount)
    for i in 0..<Fences.slotCount { unsafe (slots + i).initialize(to: Atomic(0)) }
    arena.charge(Fences.slotCount * MemoryLayout<UInt64>.stride)
  }

  deinit {
    unsafe slots.deinitialize(count: Fences.slotCount)
    unsafe slots.deallocate()
    arena.charge(-Fences.slotCount * MemoryLayout<UInt64>.stride)
  }

  /// The newest number given out.
  public var sequence: UInt64 { state.withLock { $0.sequence } }

  public var statistics: (records: Int, inFlight: Int) {
    state.withLock { ($0.records.count, $0.inFlight.count) }
  }

  /// The birth of something that will look for its purges until `ended`.
  public func nextBorn() -> UInt64 {
    state.withLock {
      $0.sequence += 1
      $0.inFlight.append($0.sequence)
      return $0.sequence
    }
  }

  /// What was born with this number looks no more.
  public func ended(_ born: UInt64) {
    let forgotten = state.withLock {
      $0.inFlight.remove(born)
      return $0.prune()
    }
    if forgotten != 0 { arena.charge(-forgotten * Fences.recordBytes) }
  }

  /// The lowest number in flight that is greater than `held`; the greatest value: there is none.
  func oldestInFlight(besides held: UInt64) -> UInt64 { state.withLock { $0.inFlight.first(above: held) } }

  /// The newest purge that may concern the URL with this hash.
  @inline(__always) func newestPurge(near urlHash: KeyHash) -> UInt64 {
    // SAFETY: the mask keeps the index within the table.
    unsafe slots[Int(truncatingIfNeeded: urlHash.high) & (Fences.slotCount - 1)].load(ordering: .acquiring)
  }

  /// For a fill or revalidation that has not `ended`.
  public func isFenced(born: UInt64, urlHash: KeyHash) -> FenceVerdict {
    if newestPurge(near: urlHash) < born { return .clear }
    return state.withLock { $0.verdict(born: born, urlHash: urlHash, floor: $0.floor) }
  }

  /// For an entry in the index. Purges that were forgotten cannot concern it: they have removed what they
  /// fence, and nothing older was stored since.
  func isEntryFenced(born: UInt64, urlHash: KeyHash) -> FenceVerdict {
    state.withLock { $0.verdict(born: born, urlHash: urlHash, floor: 0) }
  }

  /// From now on, purges are kept until this number has `ended`, as if something had been born before all of
  /// them: for what lies on a disk and may not be known yet. To be called before anything is born.
  func holdAll() -> UInt64 {
    state.withLock { $0.inFlight.append(0) }
    return 0
  }

  /// Takes up a purge of an earlier life of the process, whose number is below all that this one gives out.
  /// For what was stored then; see `holdAll`.
  func restore(urlHash: KeyHash, sequence: UInt64, soft: Bool) {
    let change = state.withLock { state in
      let before = state.records.count
      state.enter(urlHash, sequence, soft: soft)
      let slot = Int(truncatingIfNeeded: urlHash.high) & (Fences.slotCount - 1)
      unsafe slots[slot].store(
        max(sequence, slots[slot].load(ordering: .relaxed)), ordering: .releasing)
      return state.records.count - before
    }
    arena.charge(change * Fences.recordBytes)
  }

  /// Makes a purge visible to all look-ups and commits. The caller then removes the entries and calls
  /// `ended` with the purge's number.
  func purge(urlHash: KeyHash, soft: Bool) -> UInt64 {
    let (sequence, change) = state.withLock { state in
      let before = state.records.count
      let sequence = state.record(urlHash, soft: soft)
      // Under the lock, so that the slots only rise.
      let slot = Int(truncatingIfNeeded: urlHash.high) & (Fences.slotCount - 1)
      unsafe slots[slot].store(sequence, ordering: .releasing)
      return (sequence, state.records.count - before)
    }
    arena.charge(change * Fences.recordBytes)
    return sequence
  }

  private struct Record {
    var hard: UInt64 = 0
    var soft: UInt64 = 0
  }

  private struct State {
    var sequence: UInt64 = 0
    var inFlight = BirthQueue()
    var records: [KeyHash: Record] = [:]
    /// Purges in order; one that its URL's later purge has replaced stays until it comes to the front.
    var order: [(sequence: UInt64, urlHash: KeyHash)] = []
    var orderStart = 0
    var floor: UInt64 = 0

    func verdict(born: UInt64, urlHash: KeyHash, floor: UInt64) -> FenceVerdict {
      if born < floor { return .hard }
      guard let record = records[urlHash] else { return .clear }
      return born < record.hard ? .hard : born < record.soft ? .soft : .clear
    }

    mutating func record(_ urlHash: KeyHash, soft: Bool) -> UInt64 {
      sequence += 1
      inFlight.append(sequence)
      enter(urlHash, sequence, soft: soft)
      if order.count - orderStart > 2 * records.count + 64 { dropReplaced() }
      if records.count > Fences.recordLimit {
        floor = order[orderStart].sequence
        forgetFirst()
      }
      return sequence
    }

    mutating func enter(_ urlHash: KeyHash, _ sequence: UInt64, soft: Bool) {
      if soft {
        records[urlHash, default: Record()].soft = sequence
      } else {
        records[urlHash, default: Record()].hard = sequence
      }
      order.append((sequence, urlHash))
    }

    /// Forgets the purges that nothing in flight is older than. Returns how many records went.
    mutating func prune() -> Int {
      let before = records.count
      let oldest = inFlight.first ?? .max
      while orderStart < order.count, order[orderStart].sequence < oldest { forgetFirst() }
      if orderStart > 1024, orderStart * 2 > order.count || orderStart == order.count {
        order.removeFirst(orderStart)
        orderStart = 0
      }
      return before - records.count
    }

    private mutating func forgetFirst() {
      let (sequence, urlHash) = order[orderStart]
      orderStart += 1
      if isNewest(sequence, urlHash) { records[urlHash] = nil }
    }

    private func isNewest(_ sequence: UInt64, _ urlHash: KeyHash) -> Bool {
      guard let record = records[urlHash] else { return false }
      return max(record.hard, record.soft) == sequence
    }

    private mutating func dropReplaced() {
      order.removeFirst(orderStart)
      orderStart = 0
      order = order.filter { isNewest($0.sequence, $0.urlHash) }
    }
  }
}

/// The numbers of what is in flight, oldest first. Appended in rising order, removed in any.
struct BirthQueue {
  private var numbers: [UInt64] = []
  private var isGone: [Bool] = []
  private var start = 0
  private(set) var count = 0

  var first: UInt64? { start < numbers.count ? numbers[start] : nil }

  func first(above held: UInt64) -> UInt64 {
    for i in start..<numbers.count where !isGone[i] && numbers[i] > held { return numbers[i] }
    return .max
  }

  mutating func append(_ number: UInt64) {
    numbers.append(number)
    isGone.append(false)
    count += 1
  }

  mutating func remove(_ number: UInt64) {
    var low = start
    var high = numbers.count
    while low < high {
      let middle = (low + high) / 2
      if numbers[middle] < number { low = middle + 1 } else { high = middle }
    }
    guard low < numbers.count, numbers[low] == number, !isGone[low] else { return }
    isGone[low] = true
    count -= 1
    while start < numbers.count, isGone[start] { start += 1 }
    if start > 1024 && start * 2 > numbers.count || start == numbers.count {
      numbers.removeFirst(start)
      isGone.removeFirst(start)
      start = 0
    }
  }
}
