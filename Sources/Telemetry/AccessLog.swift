import CLinux
import Glibc
import Synchronization

/// Where the access log goes: `--access-log PATH|-|off`.
public enum AccessLogTarget: Equatable, Sendable {
  case off
  case standardOutput
  case file(String)

  public init(_ text: String) {
    switch text {
    case "off": self = .off
    case "-": self = .standardOutput
    default: self = .file(text)
    }
  }
}

/// The file could not be opened, or the writer's resources could not be had; with the system's error number.
public struct AccessLogError: Error, Equatable, Sendable {
  public var path: String
  public var code: Int32
}

/// The access log of the process: one buffer per worker, one thread that writes. A worker never waits for it:
/// what cannot be written soon enough is dropped and counted.
///
/// Owners: each `AccessLogBuffer` belongs to its worker; the writer thread belongs to this.
public final class AccessLog: Sendable {
  private let rings: [LogRing]
  private let writer: LogWriter?

  /// Opens the file for appending (0640), and starts the writer thread unless the log is off.
  public init(_ target: AccessLogTarget, workers: Int) throws(AccessLogError) {
    guard target != .off else {
      rings = []
      writer = nil
      return
    }
    rings = (0..<workers).map { _ in LogRing() }
    writer = try LogWriter(target, rings: rings)
    writer?.start()
  }

  public var isOn: Bool { writer != nil }

  /// Writes that failed, since start.
  public var writeErrors: Int { writer?.errors.load(ordering: .relaxed) ?? 0 }

  /// The buffer for worker `index`, to be taken once, by that worker.
  public func buffer(worker index: Int, counters: WorkerCounters) -> AccessLogBuffer {
    guard let writer else { return AccessLogBuffer(ring: nil, wake: nil, counters: counters) }
    return AccessLogBuffer(ring: rings[index], wake: writer.wake, counters: counters)
  }

  /// Writes what the workers have handed over and ends the writer. The workers must have flushed.
  ///
  /// - Returns: false when the target took longer than `milliseconds`; the rest is then lost with the
  ///   process.
  @discardableResult
  public func close(within milliseconds: Int32) -> Bool { writer?.stop(within: milliseconds) ?? true }
}
