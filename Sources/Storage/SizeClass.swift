/// The block sizes of the slab arena: eight to each doubling, from 64 bytes to one span. Rounding a request
/// up to the next of them wastes less than an eighth of the request (L31); requests below 64 bytes take 64.
enum SizeClass {
  static let smallest = 64
  static let largest = 65536
  /// 64 itself, and eight for each of the ten doublings above it.
  static let count = 81

  /// - Parameter bytes: 0 through `largest`.
  static func index(for bytes: Int) -> Int {
    if bytes <= smallest { return 0 }
    let last = bytes - 1
    let doubling = Int.bitWidth - 1 - last.leadingZeroBitCount
    return (doubling - 6) * 8 + (last >> (doubling - 3)) & 7 + 1
  }

  static func bytes(_ index: Int) -> Int {
    if index == 0 { return smallest }
    let doubling = (index - 1) / 8 + 6
    return 1 << doubling + ((index - 1) % 8 + 1) << (doubling - 3)
  }

  /// How large the next block of a chain should be that still has to hold `remaining` bytes: whole large
  /// blocks first, so that only the last one is rounded up.
  static func chunk(for remaining: Int) -> Int {
    for whole in [65536, 32768, 16384, 8192] where remaining >= whole { return whole }
    return max(remaining, smallest)
  }
}
