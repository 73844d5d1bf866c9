import CLinux
import Glibc

/// What the writer writes to: a file, a stream that was there before us, or the journal's socket. Owner: the
/// writer thread.
struct LogSink: ~Copyable {
  /// How the descriptor is had, and had again.
  enum Source: Equatable {
    case stream(CInt)
    case file(String)
    /// Path of its socket.
    case journal(String)
  }

  static let journalPath = "/run/systemd/journal/socket"

  private let source: Source
  private var descriptor: CInt
  /// The last write failed in the middle of a line.
  private var isTorn = false

  /// - Parameter descriptor: What `open` returned.
  init(_ source: Source, adopting descriptor: CInt) {
    self.source = source
    self.descriptor = descriptor
  }

  deinit { if case .stream = source {} else { _ = close(descriptor) } }

  /// - Returns: The descriptor; -1 with `errno` when there is none to be had.
  static func open(_ source: Source) -> CInt {
    switch source {
    case .stream(let number): return number
    case .file(let path): return openFile(path)
    case .journal(let path): return connect(path)
    }
  }

  /// A pipe that nobody reads is an error, and not a wait for a reader; afterwards writes may wait.
  private static func openFile(_ path: String) -> CInt {
    let flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK
    let number = unsafe Glibc.open(path, flags, 0o640)
    if number >= 0 { _ = fcntl(number, F_SETFL, O_APPEND) }
    return number
  }

  private static func connect(_ path: String) -> CInt {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
      errno = ENAMETOOLONG
      return -1
    }
    let number = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard number >= 0 else { return -1 }
    // SAFETY: the path was found to fit, with a zero byte behind it; the structure is a local.
    let result = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe UnsafeMutableRawPointer(pointer).advanced(by: 2).copyMemory(from: bytes, byteCount: bytes.count)
      return unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe Glibc.connect(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard result != 0 else { return number }
    let code = errno
    _ = close(number)
    errno = code
    return -1
  }

  /// Opens the same again.
  ///
  /// - Returns: 0; or the error, and then the old descriptor goes on.
  mutating func reopen() -> CInt {
    if case .stream = source { return 0 }
    let fresh = Self.open(source)
    guard fresh >= 0 else { return errno }
    _ = close(descriptor)
    descriptor = fresh
    isTorn = false
    return 0
  }

  /// Writes whole lines, waiting as long as it takes.
  ///
  /// - Returns: The lines that were lost to an error; no later line is joined to what is left of them.
  mutating func write(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int {
    if case .journal = source { return unsafe sendLines(start, count) }
    if isTorn {
      var end: UInt8 = 10
      guard unsafe writeAll(&end, 1) == 1 else { return unsafe Self.lines(start, count) }
      isTorn = false
    }
    let done = unsafe writeAll(start, count)
    guard done < count else { return 0 }
    isTorn = unsafe done > 0 && start[done - 1] != 10
    return unsafe Self.lines(start + done, count - done)
  }

  /// - Returns: Bytes written; fewer than `count` after an error.
  private func writeAll(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int {
    var done = 0
    while done < count {
      // SAFETY: `done` stays below `count`.
      let written = unsafe Glibc.write(descriptor, start + done, count - done)
      if written >= 0 {
        done += written
      } else if errno == EAGAIN {
        waitForRoom()
      } else if errno != EINTR {
        return done
      }
    }
    return done
  }

  /// Standard output may be a pipe that somebody made non-blocking.
  private func waitForRoom() {
    var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    _ = unsafe poll(&entry, 1, -1)
  }

  private static func lines(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int {
    var lines = 0
    for i in 0..<count where unsafe start[i] == 10 { lines += 1 }
    return lines
  }
}

// MARK: - The journal

extension LogSink {
  /// A datagram for each line: fields that end in a line feed. A line holds none, so the simple form does.
  ///
  /// Source: systemd, "Native Journal Protocol".
  private mutating func sendLines(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int {
    var lost = 0
    var at = 0
    while at < count {
      var end = at
      while unsafe start[end] != 10 { end += 1 }
      if unsafe !send(start + at, end + 1 - at) { lost += 1 }
      at = end + 1
    }
    return lost
  }

  /// - Parameter count: Bytes of the line with its line feed.
  private mutating func send(_ line: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    let fields: StaticString = "PRIORITY=6\nSYSLOG_IDENTIFIER=larder\nMESSAGE="
    var hasReconnected = false
    while true {
      let sent = unsafe withUnsafeTemporaryAllocation(of: iovec.self, capacity: 2) { parts in
        unsafe parts.initializeElement(
          at: 0,
          to: iovec(
            iov_base: UnsafeMutableRawPointer(mutating: fields.utf8Start), iov_len: fields.utf8CodeUnitCount))
        unsafe parts.initializeElement(
          at: 1, to: iovec(iov_base: UnsafeMutableRawPointer(mutating: line), iov_len: count))
        // SAFETY: both parts outlive the call.
        return unsafe linux_send(descriptor, parts.baseAddress, 2)
      }
      if sent >= 0 { return true }
      switch errno {
      case EINTR: continue
      case ECONNREFUSED, ENOTCONN, ECONNRESET:
        // The journal was restarted: its socket is another one now.
        guard !hasReconnected, reopen() == 0 else { return false }
        hasReconnected = true
      default: return false
      }
    }
  }
}
