import CLinux
import Glibc
import Synchronization

/// Where the access log goes: `--access-log PATH|stdout|stderr|journal|off`.
public enum AccessLogTarget: Equatable, Sendable {
  case off
  case standardOutput
  case standardError
  /// systemd's, by its native protocol.
  case journal
  case file(String)

  /// A file that has the name of another target is written `./stdout`.
  public init(_ text: String) {
    switch text {
    case "off": self = .off
    case "stdout": self = .standardOutput
    case "stderr": self = .standardError
    case "journal": self = .journal
    default: self = .file(text)
    }
  }

  /// As the flag takes it.
  public var text: String {
    switch self {
    case .off: "off"
    case .standardOutput: "stdout"
    case .standardError: "stderr"
    case .journal: "journal"
    case .file(let path): path
    }
  }
}

/// The target could not be opened, or the writer's resources could not be had; with the system's error
/// number.
public struct AccessLogError: Error, Equatable, Sendable {
  public var path: String
  public var code: Int32
}

/// The access log of the process: one buffer per worker, one thread that writes. A worker never waits for it:
/// what cannot be written soon enough is dropped and counted.
///
/// Owners: each `AccessLogBuffer` belongs to its worker; the writer thread belongs to this.
public final class AccessLog: Sendable {
  private let format: LogFormat
  private let rings: [LogRing]
  private let writer: LogWriter?

  /// Opens the target, a file for appending (0640), and starts the writer thread unless the log is off.
  public init(_ target: AccessLogTarget, _ format: LogFormat, workers: Int) throws(AccessLogError) {
    self.format = format
    guard let source = Self.source(target) else {
      rings = []
      writer = nil
      return
    }
    rings = (0..<workers).map { _ in LogRing() }
    writer = try LogWriter(source, rings: rings)
    writer?.start()
  }

  private static func source(_ target: AccessLogTarget) -> LogSink.Source? {
    switch target {
    case .off: nil
    case .standardOutput: .stream(1)
    case .standardError: .stream(2)
    case .journal: .journal(LogSink.journalPath)
    case .file(let path): .file(path)
    }
  }

  public var isOn: Bool { writer != nil }

  /// Writes that failed, since start.
  public var writeErrors: Int { writer?.errors.load(ordering: .relaxed) ?? 0 }

  /// Lines lost in them, since start.
  public var linesLost: Int { writer?.linesLost.load(ordering: .relaxed) ?? 0 }

  /// Opens the file anew, after it was renamed. Returns at once; lines that were handed over before may still
  /// go to the old one. When it cannot be opened, the old one goes on.
  public func reopen() { writer?.reopen() }

  /// The buffer for worker `index`, to be taken once, by that worker.
  public func buffer(worker index: Int, counters: WorkerCounters) -> AccessLogBuffer {
    guard let writer else { return AccessLogBuffer(format, ring: nil, wake: nil, counters: counters) }
    return AccessLogBuffer(format, ring: rings[index], wake: writer.wake, counters: counters)
  }

  /// Writes what the workers have handed over and ends the writer. The workers must have flushed.
  ///
  /// - Returns: false when the target took longer than `milliseconds`; the rest is then lost with the
  ///   process.
  @discardableResult
  public func close(within milliseconds: Int32) -> Bool { writer?.stop(within: milliseconds) ?? true }
}
