import CLinux
import Glibc

/// What this process may use of the machine it runs on; defaults follow from it.
public struct Machine: Sendable, Equatable {
  /// Processors this process may run on, at least 1.
  public var processors: Int
  /// Bytes of memory: the machine's, or the lowest limit of the control groups around this process.
  public var memoryBytes: Int

  public init(processors: Int, memoryBytes: Int) {
    self.processors = processors
    self.memoryBytes = memoryBytes
  }

  /// A quarter of the memory, at most 1 GiB, in whole MiB (L31).
  public var defaultCacheBytes: Int {
    let quarter = min(memoryBytes / 4, Quantity.gibibyte)
    return max(quarter & ~(Quantity.mebibyte - 1), Configuration.leastMemory)
  }

  /// The machine as the kernel describes it now. Where nothing can be read, 2 GiB are assumed.
  public static func current() -> Machine {
    let group = ControlGroup(of: contents(of: "/proc/self/cgroup") ?? "")
    let limits = group.limitFiles.compactMap { path in contents(of: path).flatMap(memoryLimit(in:)) }
    let total = contents(of: "/proc/meminfo").flatMap(totalMemory(in:))
    let memory = (limits + [total].compactMap { $0 }).min() ?? 2 * Quantity.gibibyte
    return Machine(processors: Int(linux_usable_processors()), memoryBytes: memory)
  }

  /// The limit that a control group's file states, in bytes; `nil` for `max` and for anything unreadable.
  ///
  /// Source: the kernel's cgroup-v2.rst, "memory.max". Version 1 writes a number near 2⁶³ for "no limit",
  /// which loses against the machine's memory.
  static func memoryLimit(in text: String) -> Int? {
    guard let line = text.split(separator: "\n").first, line.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }) else {
      return nil
    }
    return Int(line)
  }

  /// `MemTotal` of /proc/meminfo, in bytes. Source: proc_meminfo(5); its unit is always kB, meaning 1024.
  static func totalMemory(in text: String) -> Int? {
    for line in text.split(separator: "\n") where line.hasPrefix("MemTotal:") {
      let words = line.split { $0 == " " || $0 == "\t" }
      guard words.count == 3, words[2] == "kB", let number = Int(words[1]), number > 0 else { return nil }
      let (bytes, overflow) = number.multipliedReportingOverflow(by: Quantity.kibibyte)
      return overflow ? nil : bytes
    }
    return nil
  }

  /// Up to 64 KiB of a file of the kernel's, as text; `nil` when it cannot be opened or read.
  private static func contents(of path: String) -> String? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 65536)
    var filled = 0
    while filled < bytes.count {
      // SAFETY: the kernel writes at most the rest of `bytes`.
      let got = unsafe bytes.withUnsafeMutableBytes {
        unsafe read(descriptor, $0.baseAddress! + filled, $0.count - filled)
      }
      guard got >= 0 else { return nil }
      if got == 0 { break }
      filled += got
    }
    return String(decoding: bytes.prefix(filled), as: UTF8.self)
  }
}

/// Where a process stands in the hierarchy of control groups, from its /proc/self/cgroup.
struct ControlGroup: Equatable {
  /// The files that may hold a memory limit, of this group and of those around it. Not all need exist: a
  /// container sees its own group as the root.
  let limitFiles: [String]

  init(of text: String) {
    var files: [String] = []
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      if parts[0] == "0", parts[1].isEmpty {
        files += Self.ancestors(of: parts[2]).map { "/sys/fs/cgroup\($0)/memory.max" }
      } else if parts[1].split(separator: ",").contains("memory") {
        files += Self.ancestors(of: parts[2]).map { "/sys/fs/cgroup/memory\($0)/memory.limit_in_bytes" }
      }
    }
    limitFiles = files
  }

  /// `/a/b` gives `/a/b`, `/a` and the root, which is spelled as nothing.
  private static func ancestors(of path: Substring) -> [String] {
    var steps = path.split(separator: "/")
    guard !steps.contains("..") else { return [""] }
    var paths: [String] = []
    while !steps.isEmpty {
      paths.append("/" + steps.joined(separator: "/"))
      steps.removeLast()
    }
    return paths + [""]
  }
}
