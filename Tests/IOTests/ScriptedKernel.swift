import Bytes
import CLinux
import Glibc
import IO

/// A kernel with a clock that a test turns, and events that it puts in line. No descriptor of it is real.
final class ScriptedKernel: Kernel {
  struct Event {
    var token: UInt64
    var readiness: Readiness
  }

  var clock: Milliseconds = 1_000_000
  var wall: Int64 = 1_700_000_000
  /// What each wait returns, in order; afterwards nothing comes.
  var batches: [[Event]] = []
  /// What the next wait returns instead of a count.
  var waitFailure: Int?
  /// A wait in which nothing comes takes its whole time.
  var passesTime = false
  var watchResult: CInt = 0
  private(set) var waits: [Int] = []
  private(set) var closed: [CInt] = []
  private(set) var reset: [CInt] = []

  override func now() -> Milliseconds { clock }
  override func wallClock() -> Milliseconds { wall * 1000 }
  override func makePoll() -> CInt { 1000 }
  override func close(_ fd: CInt) { closed.append(fd) }
  override func reset(_ fd: CInt) { reset.append(fd) }
  override func watch(_ poll: CInt, _ fd: CInt, token: UInt64, interest: UInt32) -> CInt { watchResult }

  override func wait(
    _ poll: CInt, _ events: UnsafeMutablePointer<linux_event>, capacity: Int, milliseconds: Int
  ) -> Int {
    waits.append(milliseconds)
    if let failure = waitFailure {
      waitFailure = nil
      return failure
    }
    guard !batches.isEmpty else {
      if passesTime, milliseconds > 0 { clock += Milliseconds(milliseconds) }
      return 0
    }
    let batch = batches.removeFirst()
    for (i, event) in batch.enumerated() {
      unsafe events[i] = linux_event(ready: event.readiness.rawValue, token: event.token)
    }
    return batch.count
  }
}

/// An owner that notes what happens to it, and does on each occasion what the test wants.
final class Watched: Channel {
  var happened: [String] = []
  var onReady: (Watched) -> Void = { _ in }
  var onTimedOut: (Watched) -> Void = { _ in }
  var onResumed: (Watched) -> Void = { _ in }

  init(_ fd: CInt = 1) { super.init(adopting: fd) }

  override func ready(_ readiness: Readiness) {
    happened.append("ready")
    onReady(self)
  }

  override func timedOut() {
    happened.append("timedOut")
    onTimedOut(self)
  }

  override func resumed() {
    happened.append("resumed")
    onResumed(self)
  }
}
