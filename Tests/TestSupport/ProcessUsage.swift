import Foundation

/// What the kernel says about the process that serves: the one that was started, or its child where it has
/// one.
extension LarderProcess {
  private var servingProcess: pid_t {
    let path = "/proc/\(process)/task/\(process)/children"
    let children = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    return children.split(separator: " ").first.flatMap { pid_t($0) } ?? process
  }

  /// Time on processors so far, in seconds.
  public func processorSeconds() throws -> Double {
    let text = try String(contentsOfFile: "/proc/\(servingProcess)/stat", encoding: .utf8)
    // The name in parentheses may hold spaces; user and system time are fields 14 and 15 of proc_pid_stat(5).
    let fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
    guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13]) else {
      throw SupportError.malformed("/proc/…/stat: \(text)")
    }
    return (user + system) / Double(sysconf(CInt(_SC_CLK_TCK)))
  }

  /// A field of /proc/…/status that counts kB, in bytes: `VmRSS`, `VmHWM`.
  public func memory(_ field: String) throws -> Int {
    let text = try String(contentsOfFile: "/proc/\(servingProcess)/status", encoding: .utf8)
    for line in text.split(separator: "\n") where line.hasPrefix(field + ":") {
      let words = line.split { $0 == " " || $0 == "\t" }
      if words.count == 3, let kilobytes = Int(words[1]) { return kilobytes << 10 }
    }
    throw SupportError.malformed("no \(field) in /proc/…/status")
  }

  public func openDescriptors() throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/\(servingProcess)/fd").count
  }

  /// Lowers or raises what it may have open from now on, by util-linux's program.
  public func limit(descriptors: Int) throws {
    let program = try LarderProcess(
      program: "/usr/bin/prlimit", arguments: ["--pid", "\(servingProcess)", "--nofile=\(descriptors):"])
    guard try program.awaitExit().status == 0 else {
      throw SupportError.processFailed("prlimit: \(program.standardError)")
    }
  }
}
