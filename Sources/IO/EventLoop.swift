// IO: one thread's event loop with clock and time-outs, mailboxes between threads, listening sockets and
// addresses. System calls are methods of `Kernel`, which a test replaces. It imports CLinux and Bytes and
// knows nothing of HTTP. The proxy's workers run on it; the pool takes its addresses; the command line reads
// its flags with it.

public import Bytes
import CLinux
import Glibc

/// One thread's epoll loop with its clock, its time-outs and its table of channels. Everything here belongs
/// to that thread.
@safe public final class EventLoop {
  public let kernel: Kernel
  private let poll: CInt
  private let events: UnsafeMutablePointer<linux_event>
  private static let eventCapacity = 256

  /// The coarse monotonic clock as of this turn.
  public private(set) var now: Milliseconds
  /// Seconds since 1970 as of this turn, for HTTP dates.
  public private(set) var wallSeconds: Int64
  private let cacheOffset: Milliseconds

  private var table: [Timed?] = []
  private var generations: [UInt32] = []
  private var free: [UInt32] = []
  private var wheel: TimerWheel
  private var due: [DueToken] = []
  private var resuming: [Timed] = []
  private var resumingNow: [Timed] = []

  /// - Parameter cacheOffset: From `now` to the clock of ages, in milliseconds: by how much the wall clock
  ///   was ahead when the process began. One for all loops whose threads share entries.
  public init(kernel: Kernel, cacheOffset: Milliseconds) throws(SystemError) {
    self.kernel = kernel
    poll = kernel.makePoll()
    guard poll >= 0 else { throw SystemError(call: "epoll_create1", code: -poll) }
    unsafe events = .allocate(capacity: Self.eventCapacity)
    now = kernel.now()
    wallSeconds = kernel.wallClock() / 1000
    self.cacheOffset = cacheOffset
    wheel = TimerWheel(now: now)
  }

  deinit {
    kernel.close(poll)
    unsafe events.deallocate()
  }

  /// The clock of ages: never jumps.
  public var cacheSeconds: CacheSeconds { (now + cacheOffset) / 1000 }

  /// Gives `timed` a place in the table, so that it may set deadlines.
  public func enroll(_ timed: Timed) {
    precondition(timed.token == 0, "enrolled twice")
    let slot: UInt32
    if let reused = free.popLast() {
      slot = reused
      table[Int(slot)] = timed
    } else {
      slot = UInt32(table.count)
      table.append(timed)
      generations.append(0)
    }
    generations[Int(slot)] &+= 1
    if generations[Int(slot)] == 0 { generations[Int(slot)] = 1 }
    timed.token = UInt64(generations[Int(slot)]) << 32 | UInt64(slot)
  }

  /// Takes the place away; events and deadlines still under way are dropped.
  public func withdraw(_ timed: Timed) {
    guard timed.token != 0 else { return }
    let slot = Int(UInt32(truncatingIfNeeded: timed.token))
    table[slot] = nil
    generations[slot] &+= 1
    free.append(UInt32(slot))
    timed.token = 0
    timed.deadline = 0
    timed.scheduledTick = 0
  }

  /// Enrols a channel and watches its descriptor.
  public func add(_ channel: Channel, onlyReadable: Bool = false) throws(SystemError) {
    enroll(channel)
    let interest = onlyReadable ? Readiness.arrivals : Readiness.everything
    let result = kernel.watch(poll, channel.fd, token: channel.token, interest: interest)
    guard result >= 0 else {
      withdraw(channel)
      throw SystemError(call: "epoll_ctl", code: -result)
    }
  }

  /// Closes a channel's descriptor. `abruptly`: with a reset.
  public func close(_ channel: Channel, abruptly: Bool = false) {
    guard channel.fd >= 0 else { return }
    withdraw(channel)
    if abruptly { kernel.reset(channel.fd) } else { kernel.close(channel.fd) }
    channel.fd = -1
  }

  /// Closes a channel whose socket other processes have too: it would go on waking this loop.
  public func closeShared(_ channel: Channel) {
    guard channel.fd >= 0 else { return }
    kernel.unwatch(poll, channel.fd)
    close(channel)
  }

  /// Sets or moves the deadline of an enrolled owner; 0 takes it away. Moving it later costs nothing.
  public func setDeadline(_ timed: Timed, _ deadline: Milliseconds) {
    timed.deadline = deadline
    guard deadline > 0, timed.token != 0 else { return }
    let tick = TimerWheel.tick(of: deadline)
    if timed.scheduledTick == 0 || tick < timed.scheduledTick {
      timed.scheduledTick = wheel.insert(timed.token, deadline: deadline)
    }
  }

  /// Calls `timed.resumed()` after this turn's events, once however often it is asked for.
  public func resumeLater(_ timed: Timed) {
    guard !timed.isResuming else { return }
    timed.isResuming = true
    resuming.append(timed)
  }

  /// One turn: waits for events, at most `longest` milliseconds (-1: no end), and handles what came.
  public func turn(longest: Int = -1) {
    var wait = longest
    if !resuming.isEmpty {
      wait = 0
    } else if let next = wheel.untilNext(from: now), wait < 0 || next < wait {
      wait = Int(next)
    }
    let count = unsafe kernel.wait(poll, events, capacity: Self.eventCapacity, milliseconds: wait)
    now = kernel.now()
    wallSeconds = kernel.wallClock() / 1000
    for i in 0..<max(count, 0) {
      let event = unsafe events[i]
      owner(of: event.token)?.ready(Readiness(rawValue: event.ready))
    }
    // The first time-out of a loop is not to be what makes a hit allocate.
    if due.capacity == 0 { due.reserveCapacity(64) }
    wheel.advance(to: now, into: &due)
    for passed in due { slotCameUp(passed) }
    due.removeAll(keepingCapacity: true)
    swap(&resuming, &resumingNow)
    // By index: an iterator would count references of the array.
    for i in resumingNow.indices {
      resumingNow[i].isResuming = false
      resumingNow[i].resumed()
    }
    resumingNow.removeAll(keepingCapacity: true)
  }

  private func owner(of token: UInt64) -> Timed? {
    let slot = Int(UInt32(truncatingIfNeeded: token))
    guard slot < table.count, generations[slot] == UInt32(truncatingIfNeeded: token >> 32) else { return nil }
    return table[slot]
  }

  private func slotCameUp(_ passed: DueToken) {
    guard let timed = owner(of: passed.token), timed.scheduledTick == passed.tick else { return }
    timed.scheduledTick = 0
    guard timed.deadline > 0 else { return }
    if timed.deadline > now {
      timed.scheduledTick = wheel.insert(passed.token, deadline: timed.deadline)
    } else {
      timed.deadline = 0
      timed.timedOut()
    }
  }
}

/// A system call that failed, and how.
public struct SystemError: Error, Equatable, Sendable {
  public let call: String
  public let code: CInt

  public init(call: String, code: CInt) {
    self.call = call
    self.code = code
  }

  /// The system's words for the code.
  public var reason: String {
    // SAFETY: strerror's text is valid until the thread's next call of it; it is copied here.
    unsafe String(cString: strerror(code))
  }
}
