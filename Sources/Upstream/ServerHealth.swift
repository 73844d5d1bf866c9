import Bytes

/// What is known of one server from the requests that it got. No clock, no lock: its pool has both.
struct ServerHealth {
  enum Standing: Equatable, Sendable {
    /// → failing (was the last one up), out
    case up
    /// Known to be down, but kept in rotation: no other server was up. → up, out
    case failing
    /// Ejected. From `trialDue` on it gets a request now and then. → up
    case out
  }

  private(set) var standing = Standing.up
  /// When an ejected server may get its next request.
  private(set) var trialDue: Milliseconds = 0
  /// Ejections so far, over the server's life.
  private(set) var ejections = 0
  private var failures = FailureWindow()
  private var outUntil: Milliseconds = 0
  private var upSince: Milliseconds = 0
  /// Ejections in a row: how often the time was doubled, plus one.
  private var streak = 0

  /// An answer would change something.
  var awaitsAnswer: Bool { standing != .up || !failures.isEmpty }

  /// It may be given a request while others are up.
  func isInRotation(now: Milliseconds) -> Bool { standing != .out || now >= trialDue }

  mutating func answered(now: Milliseconds) {
    if standing != .up { upSince = now }
    standing = .up
    failures.removeAll()
  }

  /// An ejected server is given a request.
  mutating func trialStarted(now: Milliseconds, _ options: PoolOptions) {
    if standing == .out { trialDue = max(trialDue, now + options.trialSpacingMilliseconds) }
  }

  /// - Parameters:
  ///   - timedOutKey: The key's hash if it is a time-out; `nil` for a connect failure or a reset.
  ///   - isAnotherUp: Without another server that is up, this one stays in rotation.
  mutating func failed(
    timedOutKey: UInt64?, now: Milliseconds, isAnotherUp: Bool, _ options: PoolOptions
  ) {
    // Requests that were under way when it was ejected say nothing new.
    if standing == .out && now < outUntil { return }
    failures.note(timedOutKey, now: now, options)
    let isProven = failures.weight(options) >= options.failuresToEject
    // Known to be down and down again: no need for three. Except by a time-out, which may be the URL's doing.
    let isStillDown = standing != .up && timedOutKey == nil
    guard isProven || isStillDown else { return }
    if isAnotherUp || standing == .out { eject(now: now, options) } else { standing = .failing }
  }

  private mutating func eject(now: Milliseconds, _ options: PoolOptions) {
    let wasBriefly = standing == .out || now - upSince < options.longestEjectionMilliseconds
    streak = streak > 0 && wasBriefly ? streak + 1 : 1
    var length = options.firstEjectionMilliseconds
    for _ in 1..<streak where length < options.longestEjectionMilliseconds { length *= 2 }
    standing = .out
    outUntil = now + min(length, options.longestEjectionMilliseconds)
    trialDue = outUntil
    ejections += 1
    failures.removeAll()
  }
}

/// The failures of the last seconds, at most as many as can matter.
struct FailureWindow {
  private struct Failure {
    var at: Milliseconds
    var timedOutKey: UInt64?
  }

  private var failures: [Failure] = []

  var isEmpty: Bool { failures.isEmpty }

  mutating func removeAll() { failures.removeAll(keepingCapacity: true) }

  mutating func note(_ timedOutKey: UInt64?, now: Milliseconds, _ options: PoolOptions) {
    failures.removeAll { failure in
      // A key counts once, by its last time-out.
      now - failure.at >= options.failureWindowMilliseconds
        || (timedOutKey != nil && failure.timedOutKey == timedOutKey)
    }
    failures.append(Failure(at: now, timedOutKey: timedOutKey))
    if failures.count > options.failuresToEject + options.timedOutKeysToCount { failures.removeFirst() }
  }

  /// Connect failures and resets, and the keys that timed out if they are enough to count.
  func weight(_ options: PoolOptions) -> Int {
    var keys = 0
    for failure in failures where failure.timedOutKey != nil { keys += 1 }
    return failures.count - keys + (keys >= options.timedOutKeysToCount ? keys : 0)
  }
}
