import CLinux
import Glibc
import IO

/// A process that serves, as its parent has it.
struct Child {
  let process: pid_t
  let program: Program
  /// Written to by the child: first when it serves, then as long as it is well.
  let pulse: CInt
  private(set) var serves = false
  private var quietLooks = 0

  /// Looks that a child may take to begin: names are looked up then, which can be slow.
  private static let looksToBegin = 6 * Watchdog.looks

  /// Begins one.
  init(_ program: Program, _ sockets: ListeningSockets) throws(SystemError) {
    self.program = program
    pulse = eventfd(0, CInt(EFD_NONBLOCK) | CInt(EFD_CLOEXEC))
    guard pulse >= 0 else { throw SystemError(call: "eventfd", code: errno) }
    let inheritance = Inheritance(parent: getpid(), pulse: pulse, sockets: sockets)
    unsafe setenv(Inheritance.variable, inheritance.text, 1)
    defer { unsafe unsetenv(Inheritance.variable) }
    do {
      process = try program.spawn(keeping: sockets.descriptors + [pulse])
    } catch {
      close(pulse)
      throw error
    }
  }

  /// Takes what the child has said. True: it has said so for the first time.
  mutating func hear() -> Bool {
    var count: UInt64 = 0
    guard unsafe read(pulse, &count, 8) == 8 else { return false }
    quietLooks = 0
    defer { serves = true }
    return !serves
  }

  /// Called at intervals. True: the child has said nothing for too many of them.
  mutating func isTooSilent() -> Bool {
    quietLooks += 1
    return quietLooks > (serves ? Watchdog.looks : Self.looksToBegin)
  }

  /// SIGKILL goes to its whole group: a crash may have left it waiting for the program that prints the
  /// backtrace.
  func send(_ signal: CInt) { kill(signal == SIGKILL ? -process : process, signal) }

  func forget() { close(pulse) }
}

/// An executable file, held open: what is put in its place later is another program.
final class Program {
  /// Where the running program is; to be asked before anything is put in its place.
  static func ownPath() -> String {
    let space = 4096
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: space) { buffer, count in
      count = unsafe max(readlink("/proc/self/exe", UnsafeMutableRawPointer(buffer.baseAddress!), space), 0)
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private let descriptor: CInt

  init(at path: String) throws(SystemError) {
    descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw SystemError(call: "open", code: errno) }
  }

  deinit { close(descriptor) }

  /// Runs it with this process's arguments.
  func spawn(keeping kept: [CInt]) throws(SystemError) -> pid_t {
    var process = pid_t()
    var arguments = unsafe CommandLine.arguments.map { unsafe strdup($0) } + [nil]
    defer { unsafe arguments.forEach { unsafe free($0) } }
    let path = "/proc/self/fd/\(descriptor)"
    let code = unsafe linux_spawn(&process, path, &arguments, kept, CInt(kept.count))
    guard code == 0 else { throw SystemError(call: "posix_spawn", code: code) }
    return process
  }
}
