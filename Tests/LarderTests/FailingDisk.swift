import FailingCalls
import Foundation
import TestSupport

/// The system calls of the disk tier of a process that is given `environment`; see `FailingCalls.h`.
final class FailingDisk: Sendable {
  private static let library = URL(fileURLWithPath: LarderProcess.binary).deletingLastPathComponent()
    .appendingPathComponent("libFailingCalls.so").path
  private let file = FileManager.default.temporaryDirectory.appendingPathComponent("larder-faults-\(UUID())")

  init() throws { try Data(count: 4 * Int(CALLS.rawValue)).write(to: file) }
  deinit { try? FileManager.default.removeItem(at: file) }

  /// From now on the call fails with `code`; 0: it is carried out.
  func set(_ call: call, _ code: CInt) throws {
    let handle = try FileHandle(forWritingTo: file)
    try handle.seek(toOffset: 4 * UInt64(call.rawValue))
    unsafe try handle.write(contentsOf: withUnsafeBytes(of: code) { unsafe Data($0) })
    try handle.close()
  }

  func set(_ calls: [call], _ code: CInt) throws { for call in calls { try set(call, code) } }

  var environment: [String] { ["LD_PRELOAD=\(Self.library)", "LARDER_FAULTS=\(file.path)"] }
}

/// A file system in memory, of a size of its own.
final class SmallDisk {
  let folder: TestFolder
  var path: String { "\(folder.path)/disk" }

  /// `nil`: we may not mount.
  static func mount(_ size: String) throws -> SmallDisk {
    let disk = SmallDisk(try TestFolder())
    try FileManager.default.createDirectory(atPath: disk.path, withIntermediateDirectories: false)
    guard unsafe Glibc.mount("larder-test", disk.path, "tmpfs", 0, "size=\(size)") == 0 else {
      throw SupportError.system("mount", errno)
    }
    return disk
  }

  private init(_ folder: TestFolder) { self.folder = folder }
  deinit { unsafe umount2(path, CInt(MNT_DETACH)) }

  /// Whether this process may mount: as root, and not in a container that forbids it.
  static let isPossible = (try? mount("64k")) != nil
}
