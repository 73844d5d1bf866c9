import Bytes

/// Lets an entry onto the disk when it has been asked for `minUses` times within about the last hundred
/// thousand requests that came this far. Counts in a table of fixed size: a name that was never seen may be
/// let in (less than one in a hundred), one that was counted never waits longer than it must.
///
/// Source: Cormode and Muthukrishnan, "An Improved Data Stream Summary: The Count-Min Sketch" (2005), with
/// conservative update and the ageing by halves of Einziger et al., "TinyLFU" (2017), spread over all calls.
public final class AdmissionFilter: Sendable {
  /// The most that a counter can tell.
  public static let mostUses = 15
  private static let words = 1 << 17

  private let minUses: UInt64
  private let table: Guarded<Table>

  /// - Parameter minUses: 1 lets in everything and takes no memory.
  public init(minUses: Int) {
    self.minUses = UInt64(clamping: min(max(minUses, 1), AdmissionFilter.mostUses))
    table = Guarded(Table(words: minUses > 1 ? AdmissionFilter.words : 0))
  }

  public var memoryBytes: Int { minUses > 1 ? AdmissionFilter.words * 8 : 0 }

  /// Counts a request for this name.
  public func admits(_ name: EntryName) -> Bool {
    if minUses == 1 { return true }
    return table.withLock { $0.count(name) } >= minUses
  }

  /// Counters of 4 bits, 16 in a word; each name has one in each of four rows, a quarter of the table each.
  private struct Table {
    var counters: [UInt64]
    var aged = 0

    init(words: Int) { counters = Array(repeating: 0, count: words) }

    mutating func count(_ name: EntryName) -> UInt64 {
      age()
      // The digest's last 128 bits: the index chooses its buckets by the first.
      let (w2, w3) = (name.words.w2, name.words.w3)
      let places: InlineArray<4, UInt64> = [w2 >> 32, w2 & 0xffff_ffff, w3 >> 32, w3 & 0xffff_ffff]
      var least = UInt64(AdmissionFilter.mostUses)
      for row in 0..<4 { least = min(least, counters[word(row, places[row])] >> shift(places[row]) & 15) }
      guard least < UInt64(AdmissionFilter.mostUses) else { return least }
      for row in 0..<4 {
        let (word, shift) = (word(row, places[row]), shift(places[row]))
        if counters[word] >> shift & 15 == least { counters[word] += 1 << shift }
      }
      return least + 1
    }

    private func word(_ row: Int, _ place: UInt64) -> Int {
      row * (counters.count / 4) + Int(place >> 4) % (counters.count / 4)
    }

    private func shift(_ place: UInt64) -> UInt64 { (place & 15) * 4 }

    /// Halves the counters of one word more.
    private mutating func age() {
      counters[aged] = counters[aged] >> 1 & 0x7777_7777_7777_7777
      aged = aged + 1 == counters.count ? 0 : aged + 1
    }
  }
}
