import Glibc

/// Which child serves, and what follows when one begins, ends or is silent, or when somebody asks (lifecycle
/// L29). Pure: events in, orders out; no process, no clock.
struct Supervision: Equatable {
  enum Stage: Equatable {
    /// Begun in the place of one that ended. → serving, leaving
    case starting
    /// Begun by an upgrade, beside the one that serves. → serving
    case candidate
    /// → leaving
    case serving
    /// Has been told to finish what it has.
    case leaving
  }

  enum Order: Equatable {
    /// Begin a child, from the program that the last one was begun from.
    case start(afterMilliseconds: Int64)
    /// Begin a candidate from the program that is now in this one's place.
    case startCandidate
    /// The candidate's program is the one to begin children from.
    case adoptProgram(of: pid_t)
    /// The first child serves: say where.
    case announce
    case closeListeners
    case send(CInt, to: pid_t)
    case log(String)
    case end(status: Int32)
  }

  /// How a child ended.
  enum Ending: Equatable {
    case exited(Int32)
    case killed(by: CInt, name: String)

    /// As a shell tells it.
    var status: Int32 {
      switch self {
      case .exited(let status): status
      case .killed(let signal, _): 128 + signal
      }
    }

    var text: String {
      switch self {
      case .exited(let status): "ended with status \(status)"
      case .killed(_, let name): "was ended by \(name)"
      }
    }
  }

  /// One that served this long does not count as failing again.
  static let steadyMilliseconds: Int64 = 60_000
  static let longestPauseMilliseconds: Int64 = 30_000

  private(set) var stages: [pid_t: Stage] = [:]
  private var hasServed = false
  private(set) var isEnding = false
  /// Ends in a row without a steady time between them.
  private var failures = 0
  private var servingSince: Int64 = 0
  /// The first that was not 0 since the end began.
  private var status: Int32 = 0

  /// Nobody serves, nor is about to.
  var lacksChild: Bool { !isEnding && incumbent == nil }

  private var incumbent: pid_t? { stages.first { $0.value == .serving || $0.value == .starting }?.key }
  private var candidate: pid_t? { stages.first { $0.value == .candidate }?.key }

  // MARK: Children

  mutating func began(_ child: pid_t, as stage: Stage) { stages[child] = stage }

  mutating func couldNotStart(_ reason: String, as stage: Stage) -> [Order] {
    if stage == .candidate { return [.log("no upgrade: \(reason); \(goesOn)")] }
    guard hasServed else { return [.log(reason), .end(status: 1)] }
    return failed(reason)
  }

  /// A child says that it serves.
  mutating func serves(_ child: pid_t, now: Int64) -> [Order] {
    guard !isEnding, let stage = stages[child], stage == .starting || stage == .candidate else { return [] }
    let old = stage == .candidate ? incumbent : nil
    stages[child] = .serving
    servingSince = now
    defer { hasServed = true }
    guard stage == .candidate else { return hasServed ? [.log("child \(child) serves")] : [.announce] }
    failures = 0
    guard let old else { return [.adoptProgram(of: child), .log("upgraded: child \(child) serves")] }
    stages[old] = .leaving
    return [
      .adoptProgram(of: child), .send(SIGUSR2, to: old),
      .log("upgraded: child \(child) serves, child \(old) finishes what it has"),
    ]
  }

  mutating func ended(_ child: pid_t, _ ending: Ending, now: Int64) -> [Order] {
    guard let stage = stages.removeValue(forKey: child) else { return [] }
    let text = "child \(child) \(ending.text)"
    if isEnding {
      if status == 0 { status = ending.status }
      let log: [Order] = ending.status == 0 ? [] : [.log(text)]
      return log + (stages.isEmpty ? [.end(status: status)] : [])
    }
    switch stage {
    case .leaving: return ending.status == 0 ? [] : [.log(text)]
    case .candidate: return [.log("no upgrade: \(text); \(goesOn)")]
    case .starting, .serving:
      guard hasServed else {
        if case .killed = ending { return [.log(text), .end(status: ending.status)] }
        return [.end(status: ending.status)]
      }
      if stage == .serving, now - servingSince >= Self.steadyMilliseconds { failures = 0 }
      return failed(text)
    }
  }

  private mutating func failed(_ text: String) -> [Order] {
    let pause = failures == 0 ? 0 : min(1000 << Int64(min(failures - 1, 5)), Self.longestPauseMilliseconds)
    failures += 1
    let when = pause == 0 ? "now" : "in \(pause / 1000) s"
    return [.log("\(text), the next one begins \(when)"), .start(afterMilliseconds: pause)]
  }

  /// A child has not said for too long that it is well.
  mutating func isSilent(_ child: pid_t) -> [Order] {
    [.log("child \(child) is silent, and is killed"), .send(SIGKILL, to: child)]
  }

  private var goesOn: String { incumbent.map { "child \($0) goes on" } ?? "the next child is as the last" }

  // MARK: What is asked from outside

  /// The first time children finish what they have, the second time they are killed.
  mutating func askedToStop() -> [Order] {
    guard !isEnding else { return toAll(SIGKILL) + [.end(status: 1)] }
    isEnding = true
    // What the children close is closed only if nobody else has it.
    return [.closeListeners] + (stages.isEmpty ? [.end(status: 1)] : toAll(SIGTERM))
  }

  mutating func askedToUpgrade() -> [Order] {
    guard !isEnding else { return [.log("no upgrade: this is the end")] }
    guard hasServed else { return [.log("no upgrade: no child serves yet")] }
    guard candidate == nil else { return [.log("no upgrade: one is under way")] }
    return [.startCandidate]
  }

  func askedToReopenLogs() -> [Order] { toAll(SIGUSR1) }

  private func toAll(_ signal: CInt) -> [Order] { stages.keys.sorted().map { .send(signal, to: $0) } }
}
