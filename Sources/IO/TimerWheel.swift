import Bytes

/// Time-outs at a cost of O(1): slots of 16 ms, 4,096 of them (65 s), each a list of tokens.
///
/// Moving a deadline later costs nothing: the owner remembers it, and when its slot comes up it is put into a
/// later one. So a connection that sets its idle time-out anew with each request does no timer work.
struct TimerWheel {
  static let slotMilliseconds: Milliseconds = 16
  static let slotCount = 4096

  private var slots: [[UInt64]] = Array(repeating: [], count: slotCount)
  private var occupied: [UInt64] = Array(repeating: 0, count: slotCount / 64)
  private var current: Milliseconds

  init(now: Milliseconds) { current = now / Self.slotMilliseconds }

  /// The first tick at which `deadline` has passed.
  static func tick(of deadline: Milliseconds) -> Milliseconds {
    (deadline + slotMilliseconds - 1) / slotMilliseconds
  }

  /// Puts a token in the slot of `deadline`, or in the last one if that is further off.
  /// - Returns: The tick of its slot, by which the owner tells a valid token from one left behind.
  mutating func insert(_ token: UInt64, deadline: Milliseconds) -> Milliseconds {
    let tick = min(max(Self.tick(of: deadline), current + 1), current + Milliseconds(Self.slotCount) - 1)
    let slot = Int(tick % Milliseconds(Self.slotCount))
    slots[slot].append(token)
    occupied[slot >> 6] |= 1 << UInt64(slot & 63)
    return tick
  }

  /// Adds each token whose slot has come up to `due`, with the slot's tick.
  mutating func advance(to now: Milliseconds, into due: inout [DueToken]) {
    let target = now / Self.slotMilliseconds
    defer { current = max(current, target) }
    // Every token's tick is less than a round ahead of `current`, so that after a longer pause (the process
    // was stopped) one round finds them all.
    let last = min(target, current + Milliseconds(Self.slotCount))
    while current < last {
      current += 1
      let slot = Int(current % Milliseconds(Self.slotCount))
      guard occupied[slot >> 6] & 1 << UInt64(slot & 63) != 0 else { continue }
      occupied[slot >> 6] &= ~(1 << UInt64(slot & 63))
      for token in slots[slot] { due.append(DueToken(token: token, tick: current)) }
      slots[slot].removeAll(keepingCapacity: true)
    }
  }

  /// Milliseconds from `now` to the next slot that holds anything; `nil` when none does.
  func untilNext(from now: Milliseconds) -> Milliseconds? {
    let start = Int((current + 1) % Milliseconds(Self.slotCount))
    var word = start >> 6
    var bits = occupied[word] & (~0 << UInt64(start & 63))
    for _ in 0...occupied.count {
      if bits != 0 {
        let slot = word << 6 + bits.trailingZeroBitCount
        let distance = (slot - start + Self.slotCount) % Self.slotCount
        return max(0, (current + 1 + Milliseconds(distance)) * Self.slotMilliseconds - now)
      }
      word = (word + 1) % occupied.count
      bits = occupied[word]
    }
    return nil
  }
}

/// A token whose slot has come up.
struct DueToken {
  let token: UInt64
  let tick: Milliseconds
}
