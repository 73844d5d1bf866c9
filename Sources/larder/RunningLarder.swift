import Glibc
import Proxy

/// Why a running Larder was not asked to upgrade.
enum UpgradeError: Error {
  case unreadable(path: String, reason: String)
  case noProcessID(path: String)
  case notLarder(process: Int)
  case refused(process: Int, reason: String)

  var message: String {
    switch self {
    case .unreadable(let path, let reason): "--pid-file \(quoted(path)): \(reason)"
    case .noProcessID(let path): "--pid-file \(quoted(path)): expected the id of a process in it"
    case .notLarder(let process): "process \(process) is not there, or is no larder serve"
    case .refused(let process, let reason): "process \(process): \(reason)"
    }
  }
}

/// A process that was started as `larder serve`.
struct RunningLarder {
  let id: Int

  init(_ arguments: UpgradeArguments) throws(UpgradeError) {
    if let path = arguments.pidFile {
      let text = try Self.read(path)
      let digits = text.prefix { $0 != "\n" }
      guard let id = Int(digits), id > 0, pid_t(exactly: id) != nil else { throw .noProcessID(path: path) }
      self.id = id
    } else {
      id = arguments.process ?? 0
    }
    // To any other process the signal might be the end.
    guard takesSignal else { throw .notLarder(process: id) }
  }

  func askToUpgrade() throws(UpgradeError) {
    guard kill(pid_t(id), SIGUSR2) == 0 else {
      throw .refused(process: id, reason: unsafe String(cString: strerror(errno)))
    }
  }

  /// Larder blocks it and reads it where it is waited for.
  private var takesSignal: Bool {
    guard let status = try? Self.read("/proc/\(id)/status") else { return false }
    for line in status.split(separator: "\n") where line.hasPrefix("SigBlk:") {
      let digits = line.dropFirst(7).filter { !$0.isWhitespace }
      return UInt64(digits, radix: 16).map { $0 >> UInt64(SIGUSR2 - 1) & 1 == 1 } ?? false
    }
    return false
  }

  /// The first 4 KiB.
  private static func read(_ path: String) throws(UpgradeError) -> String {
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw unreadable(path) }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = unsafe Glibc.read(file, &bytes, bytes.count)
    guard count >= 0 else { throw unreadable(path) }
    return String(decoding: bytes[..<count], as: UTF8.self)
  }

  private static func unreadable(_ path: String) -> UpgradeError {
    .unreadable(path: path, reason: unsafe String(cString: strerror(errno)))
  }
}
