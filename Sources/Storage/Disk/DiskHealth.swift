import Bytes
import Caching
import Glibc

/// What goes wrong with the disk: it is said once a minute, shown by `/ready`, and writing rests for a
/// moment, so that a full disk costs no more than an error a second.
public final class DiskHealth: Sendable {
  public enum Operation: String, Sendable {
    case open, read, write, remove, log = "write the purge log of", checkpoint = "write the index of"
  }

  /// Seconds for which nothing is written after a failure.
  static let rest: CacheSeconds = 1
  static let reportInterval: CacheSeconds = 60

  fileprivate struct State {
    var fault: String?
    var faultCode: CInt = 0
    var restsUntil: CacheSeconds = .min
    var reportedAt: CacheSeconds = .min
    var probesAt: CacheSeconds = .min
    /// The last line said that something is wrong.
    var hasComplained = false
  }

  private let state = Guarded(State())
  private let report: @Sendable (String) -> Void

  init(report: @escaping @Sendable (String) -> Void) { self.report = report }

  /// The last failure of writing or reading, until one succeeds; `nil`: all is well.
  public var fault: String? { state.withLock { $0.fault } }

  /// May something be written now?
  func mayWrite(now: CacheSeconds) -> Bool { state.withLock { now >= $0.restsUntil } }

  /// May it be tried now whether the disk works again? Once a second.
  func mayProbe(now: CacheSeconds) -> Bool {
    state.withLock { state in
      guard now >= state.probesAt else { return false }
      state.probesAt = now + DiskHealth.rest
      return true
    }
  }

  func failed(_ operation: Operation, _ code: CInt, now: CacheSeconds) {
    // SAFETY: strerror's text is valid until the thread's next call of it; it is copied here.
    let text = unsafe "cannot \(operation.rawValue) the disk cache: \(String(cString: strerror(code)))"
    let line = state.withLock { state -> String? in
      state.fault = text
      state.faultCode = code
      if operation != .read, operation != .open { state.restsUntil = now + DiskHealth.rest }
      guard state.mayReport(now) else { return nil }
      state.hasComplained = true
      return text
    }
    if let line { report(line) }
  }

  /// A file was not as it was written.
  func damaged(_ path: String, _ what: String, now: CacheSeconds) {
    let line = state.withLock { $0.mayReport(now) ? "the cache file \(path) \(what); removed" : nil }
    if let line { report(line) }
  }

  /// A response was written: there is room again, whatever else may be wrong.
  func wrote() { succeeded { $0 == ENOSPC || $0 == EDQUOT } }

  /// A small file was written and read: all is well, except that it says little about room.
  func probed() { succeeded { $0 != ENOSPC && $0 != EDQUOT } }

  private func succeeded(_ curing: (CInt) -> Bool) {
    let isNews = state.withLock { state in
      guard state.fault != nil, curing(state.faultCode) else { return false }
      defer { state.hasComplained = false }
      state.fault = nil
      state.restsUntil = .min
      return state.hasComplained
    }
    if isNews { report("the disk cache works again") }
  }
}

extension DiskHealth.State {
  fileprivate mutating func mayReport(_ now: CacheSeconds) -> Bool {
    guard reportedAt == .min || now - reportedAt >= DiskHealth.reportInterval else { return false }
    reportedAt = now
    return true
  }
}
