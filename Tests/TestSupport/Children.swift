import Foundation
import Glibc

extension LarderProcess {
  /// The processes that it has started and that have not ended, the oldest first.
  public var children: [pid_t] {
    let text = try? String(contentsOfFile: "/proc/\(process)/task/\(process)/children", encoding: .utf8)
    return (text ?? "").split(separator: " ").compactMap { pid_t($0) }.filter { isRunning($0) }
  }

  /// The only child there is to be, once there is.
  public func awaitChild(otherThan old: pid_t = 0) throws -> pid_t {
    var child: pid_t = 0
    try eventually("a child of \(process)") {
      let children = children
      child = children.first ?? 0
      return children.count == 1 && child != old
    }
    return child
  }

  /// Its lines on standard error that come from the parent or its children, not from a backtrace.
  public var logLines: [String] {
    standardError.split(separator: "\n").map(String.init).filter { $0.hasPrefix("larder: ") }
  }

  public func awaitLog(_ text: String) throws {
    _ = try awaitLine("'\(text)'") { $0.contains(text) ? true : nil }
  }
}

/// The process is there and no zombie.
public func isRunning(_ process: pid_t) -> Bool { state(of: process).map { $0 != "Z" } ?? false }

/// `R`, `S`, `T` and so on, as proc(5) has them; `nil`: there is no such process.
public func state(of process: pid_t) -> Character? {
  guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
    let end = text.lastIndex(of: ")")
  else { return nil }
  return text[end...].dropFirst(2).first
}

/// A folder of its own, removed with this object.
public final class TestFolder: Sendable {
  public let path: String

  public init() throws {
    var name = Array("\(NSTemporaryDirectory())larder-XXXXXX".utf8CString)
    guard mkdtemp(&name) != nil else { throw SupportError.system("mkdtemp", errno) }
    path = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Puts a copy of `file` in the place of `name` at once, as a package's upgrade does. By `cp`: while this
  /// process had it open for writing, a child that another test begins would too, and it could not be run.
  public func replace(_ name: String, byCopyOf file: String) throws {
    let copy = try LarderProcess(program: "/bin/cp", arguments: [file, "\(path)/\(name).new"])
    guard try copy.awaitExit().status == 0, rename("\(path)/\(name).new", "\(path)/\(name)") == 0 else {
      throw SupportError.system("cp \(file)", errno)
    }
  }
}
