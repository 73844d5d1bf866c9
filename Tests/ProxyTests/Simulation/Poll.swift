import Bytes
import CLinux
import IO

/// An epoll of the simulated kernel: edge-triggered watches of which some have news.
final class Poll {
  fileprivate var ready: [Watch] = []
  /// The last wait found nothing, and would have slept until `sleepsUntil`.
  private(set) var isAsleep = false
  private(set) var sleepsUntil: Milliseconds = .max

  var hasEvents: Bool { ready.contains { $0.isLive } }

  /// Does not sleep: the scheduler calls the worker only when it would have been woken.
  func wait(
    _ events: UnsafeMutablePointer<linux_event>, capacity: Int, milliseconds: Int, _ network: Network
  ) -> Int {
    var count = 0
    // Some of the news may come a moment later.
    var most = min(capacity, ready.count)
    if most > 1, network.random.once(in: 4) { most = 1 + network.random.below(most) }
    var taken = 0
    while taken < ready.count, count < most {
      let watch = ready[taken]
      taken += 1
      watch.isQueued = false
      let state = watch.state
      guard watch.isLive, !state.isEmpty else { continue }
      unsafe events[count] = linux_event(ready: state.rawValue, token: watch.token)
      network.trace("event \(watch.token & 0xffff_ffff) \(String(state.rawValue, radix: 16))")
      count += 1
    }
    ready.removeFirst(taken)
    // A call while it sleeps is the end of that sleep: the same wait returns.
    isAsleep = count == 0 && milliseconds != 0 && !isAsleep
    if isAsleep { network.trace("sleep \(milliseconds)") }
    sleepsUntil = milliseconds < 0 ? .max : network.now + Milliseconds(milliseconds)
    return count
  }
}

/// A watched descriptor.
final class Watch {
  let poll: Poll
  let token: UInt64
  let interest: Readiness
  weak var end: StreamEnd?
  weak var listener: SimulatedListener?
  fileprivate var isQueued = false

  init(poll: Poll, token: UInt64, interest: UInt32) {
    self.poll = poll
    self.token = token
    self.interest = Readiness(rawValue: interest).union([.failed, .hungUp])
  }

  /// False once the descriptor has been closed.
  fileprivate var isLive: Bool { end?.watch === self || listener?.watch === self }

  /// What epoll reports: the whole state at the time of the wait, as far as it was asked for.
  fileprivate var state: Readiness { (end?.state ?? listener?.state ?? []).intersection(interest) }

  func edge(_ change: Readiness) {
    guard !isQueued, !interest.isDisjoint(with: change) else { return }
    isQueued = true
    poll.ready.append(self)
  }
}

/// A listening socket: connections that no worker has taken yet.
final class SimulatedListener {
  var pending: [StreamEnd] = []
  var watch: Watch?
  private(set) var isOpen = true

  var state: Readiness { pending.isEmpty ? [] : .readable }

  func close() {
    isOpen = false
    watch = nil
    for end in pending { end.reset() }
    pending = []
  }
}
