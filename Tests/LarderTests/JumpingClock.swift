import Foundation
import TestSupport

/// The wall clock of a process that is given `environment`; see `JumpingClock.h`.
final class JumpingClock: Sendable {
  private static let library = URL(fileURLWithPath: LarderProcess.binary).deletingLastPathComponent()
    .appendingPathComponent("libJumpingClock.so").path
  private let file = FileManager.default.temporaryDirectory.appendingPathComponent("larder-clock-\(UUID())")

  init() throws { try Data(count: 8).write(to: file) }
  deinit { try? FileManager.default.removeItem(at: file) }

  /// To so many seconds ahead of the true time.
  func jump(to seconds: Int) throws {
    let handle = try FileHandle(forWritingTo: file)
    unsafe try handle.write(contentsOf: withUnsafeBytes(of: Int64(seconds)) { unsafe Data($0) })
    try handle.close()
  }

  var environment: [String] { ["LD_PRELOAD=\(Self.library)", "LARDER_CLOCK=\(file.path)"] }
}
