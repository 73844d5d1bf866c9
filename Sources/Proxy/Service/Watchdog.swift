/// Tells workers that hang from workers that sleep. Pure: it is shown how often each has turned.
///
/// A worker that did not turn between two looks is to be woken, and one that does not turn although it was
/// woken hangs. It counts looks, not time, so that a process that was stopped as a whole and goes on finds
/// nobody hanging.
struct Watchdog {
  /// From being woken to being given up.
  static let looks = 4

  private var seen: [Int]
  private var quietLooks: [Int]

  init(workers: Int) {
    seen = Array(repeating: -1, count: workers)
    quietLooks = Array(repeating: 0, count: workers)
  }

  /// - Parameter turns: Of each worker; `nil`: it has ended.
  /// - Returns: The workers to wake, and the first that hangs.
  mutating func look(at turns: [Int?]) -> (quiet: [Int], hanging: Int?) {
    var quiet: [Int] = []
    for (worker, turns) in turns.enumerated() {
      guard let turns, turns == seen[worker] else {
        seen[worker] = turns ?? -1
        quietLooks[worker] = 0
        continue
      }
      quietLooks[worker] += 1
      quiet.append(worker)
    }
    return (quiet, quietLooks.firstIndex { $0 > Self.looks })
  }
}
