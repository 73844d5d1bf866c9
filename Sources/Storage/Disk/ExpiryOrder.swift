/// Keeps records apart by when they cease to be useful, without sorting them all: a list for each highest bit
/// in which that second differs from the clock (a radix heap). When the clock moves, the lists of lower bits
/// are past as a whole, and only one list is to be looked through, which is done in small steps.
///
/// A record is moved at most 32 times in its life. The lists run through the records (`RecordChain.expiry`).
struct ExpiryOrder {
  /// Records of no file that end the lists.
  static let past: UInt32 = 3
  private static let unsorted: UInt32 = 4
  private static let equal: UInt32 = 5
  static let endCount: UInt32 = 33 + 2

  private(set) var clock: UInt32

  init(clock: UInt32, _ records: borrowing IndexRecords) {
    self.clock = clock
    for number in ExpiryOrder.past..<ExpiryOrder.past + ExpiryOrder.endCount {
      records.makeEnd(number, .expiry)
    }
  }

  func place(_ number: UInt32, _ records: borrowing IndexRecords) {
    records.link(number, before: list(for: records[number].usefulUntil), .expiry)
  }

  private func list(for second: UInt32) -> UInt32 {
    if second < clock { return ExpiryOrder.past }
    return ExpiryOrder.equal + UInt32(32 - (second ^ clock).leadingZeroBitCount)
  }

  mutating func advance(to now: UInt32, _ records: borrowing IndexRecords) {
    guard now > clock else { return }
    let highest = UInt32(32 - (clock ^ now).leadingZeroBitCount)
    clock = now
    for list in ExpiryOrder.equal..<ExpiryOrder.equal + highest {
      records.moveAll(from: list, to: ExpiryOrder.past, .expiry)
    }
    records.moveAll(from: ExpiryOrder.equal + highest, to: ExpiryOrder.unsorted, .expiry)
  }

  /// Puts at most `limit` records where they belong. False: there are more.
  func sort(_ limit: Int, _ records: borrowing IndexRecords) -> Bool {
    for _ in 0..<limit {
      let number = records.next(ExpiryOrder.unsorted, .expiry)
      if number == ExpiryOrder.unsorted { return true }
      records.unlink(number, .expiry)
      place(number, records)
    }
    return records.next(ExpiryOrder.unsorted, .expiry) == ExpiryOrder.unsorted
  }

  /// A record that is useful no more; 0: none is known.
  func firstPast(_ records: borrowing IndexRecords) -> UInt32 {
    let number = records.next(ExpiryOrder.past, .expiry)
    return number == ExpiryOrder.past ? 0 : number
  }
}
