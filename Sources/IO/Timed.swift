public import Bytes

/// Something that a loop calls back: at a deadline, or at the end of the turn. It has a place in the loop's
/// table while it is enrolled; the place's generation keeps an old event from reaching a new owner.
open class Timed {
  /// Slot and generation; 0 while not enrolled.
  public internal(set) var token: UInt64 = 0
  /// When `timedOut` is due; 0: never.
  public internal(set) var deadline: Milliseconds = 0
  /// The tick of the wheel's slot that holds the valid token; 0: none does.
  var scheduledTick: Milliseconds = 0
  /// On the list of those to be resumed at the end of the turn.
  var isResuming = false

  public init() {}

  /// The deadline has passed and is now 0.
  open func timedOut() {}

  /// Asked for with `EventLoop.resumeLater`.
  open func resumed() {}

  /// A watched descriptor's state has changed. Edge-triggered: what is not taken now is not announced again.
  open func ready(_ readiness: Readiness) {}
}

/// A descriptor that a loop watches.
open class Channel: Timed {
  /// -1 once closed.
  public internal(set) var fd: CInt

  public init(adopting fd: CInt) { self.fd = fd }
}
