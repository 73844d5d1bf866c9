import Bytes
import IO

/// Something that the scheduler may let happen next.
class Step {
  /// Its place among those that may happen; −1: it may not.
  fileprivate(set) var place = -1

  /// It was picked, and is not among them any more.
  func step() {}
}

/// The simulated network and time, and the scheduler: which of all that could happen next does, is chance.
final class Network {
  let seed: UInt64
  var random: Randomness
  /// Milliseconds of the monotonic clock.
  private(set) var now: Milliseconds = 5_000_000
  /// What the wall clock, in milliseconds since 1970, is ahead of that. A test makes it jump.
  var wallOffset: Milliseconds = 1_750_000_000_000
  /// What a connection's buffers may hold, by chance.
  var bufferSizes = [64, 600, 4096, 65_536, 400_000]
  var servers: [SocketAddress: SimulatedServer] = [:]
  private var active: [Step] = []
  private var timers = TimerHeap()
  /// What should never happen, and did.
  private(set) var violations: [String] = []
  private(set) var steps = 0

  init(seed: UInt64) {
    self.seed = seed
    random = Randomness(seed: seed)
  }

  var wallClock: Milliseconds { wallOffset + now }

  func violate(_ text: @autoclosure () -> String) {
    if violations.count < 20 { violations.append("at \(now) ms: \(text())") }
  }

  private let isTraced = environment("LARDER_TRACE") != nil

  /// For whoever looks into one run: `LARDER_TRACE=1 LARDER_SEED=n`.
  func trace(_ text: @autoclosure () -> String) {
    if isTraced { print("\(now - 5_000_000) ms \(text())") }
  }

  func activate(_ step: Step) {
    guard step.place < 0 else { return }
    step.place = active.count
    active.append(step)
  }

  func after(_ milliseconds: Int, _ action: @escaping () -> Void) {
    timers.insert(now + Milliseconds(milliseconds), action)
  }

  var activeCount: Int { active.count }
  var nextTimer: Milliseconds? { timers.first }

  /// Lets one of those that may happen happen.
  func stepOne() {
    steps += 1
    let at = random.below(active.count)
    let step = active[at]
    let last = active.removeLast()
    if last !== step {
      active[at] = last
      last.place = at
    }
    step.place = -1
    step.step()
  }

  /// Time passes, and what was due by then happens.
  func advance(to moment: Milliseconds) {
    while let due = timers.first, due <= moment {
      now = max(now, due)
      timers.removeFirst()()
    }
    now = max(now, moment)
  }

  /// A connection attempt arrives at where it goes.
  func connect(_ end: StreamEnd, to address: SocketAddress) {
    guard let server = servers[address] else { return end.arrive(reset: 111) }
    switch server.answersConnecting() {
    case .accepts:
      guard let far = end.peer else { return }
      end.becomeConnected()
      server.accepted(far)
    case .refuses: end.arrive(reset: 111)
    case .isSilent: end.stayUnconnected()
    }
  }
}

/// Actions by time; those of the same time in the order they came.
private struct TimerHeap {
  private var items: [(time: Milliseconds, order: Int, action: () -> Void)] = []
  private var count = 0

  var first: Milliseconds? { items.first?.time }

  mutating func insert(_ time: Milliseconds, _ action: @escaping () -> Void) {
    count += 1
    items.append((time, count, action))
    var at = items.count - 1
    while at > 0, isEarlier(at, (at - 1) / 2) {
      items.swapAt(at, (at - 1) / 2)
      at = (at - 1) / 2
    }
  }

  mutating func removeFirst() -> () -> Void {
    items.swapAt(0, items.count - 1)
    let first = items.removeLast()
    var at = 0
    while true {
      var least = at
      for child in [2 * at + 1, 2 * at + 2] where child < items.count && isEarlier(child, least) {
        least = child
      }
      if least == at { return first.action }
      items.swapAt(at, least)
      at = least
    }
  }

  private func isEarlier(_ a: Int, _ b: Int) -> Bool {
    items[a].time < items[b].time || items[a].time == items[b].time && items[a].order < items[b].order
  }
}
