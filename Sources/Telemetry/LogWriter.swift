import CLinux
import Glibc
import Synchronization

/// The thread that writes the access log. It alone may wait for the disk or a pipe.
///
/// Owner: `AccessLog` makes and stops it. The descriptor and the place in each ring are the thread's own.
final class LogWriter: Sendable {
  let wake: EventDescriptor
  let errors = Atomic<Int>(0)
  private let finished: EventDescriptor
  private let stopping = Atomic<Bool>(false)
  private let rings: [LogRing]
  private let path: String?
  private let firstDescriptor: CInt

  init(_ target: AccessLogTarget, rings: [LogRing]) throws(AccessLogError) {
    guard let wake = EventDescriptor(), let finished = EventDescriptor() else {
      throw AccessLogError(path: "", code: errno)
    }
    (self.wake, self.finished, self.rings) = (wake, finished, rings)
    switch target {
    case .file(let path):
      self.path = path
      firstDescriptor = LogWriter.open(path)
      guard firstDescriptor >= 0 else { throw AccessLogError(path: path, code: errno) }
    case .standardOutput, .off:
      path = nil
      firstDescriptor = 1
    }
  }

  func start() {
    let start = unsafe Unmanaged.passRetained(self)
    var thread = pthread_t()
    let code = unsafe pthread_create(
      &thread, nil,
      { argument in
        // SAFETY: the reference retained above, taken back once.
        unsafe Unmanaged<LogWriter>.fromOpaque(argument!).takeRetainedValue().run()
        return nil
      }, start.toOpaque())
    precondition(code == 0, "no thread for the access log")
    pthread_detach(thread)
  }

  func stop(within milliseconds: CInt) -> Bool {
    stopping.store(true, ordering: .releasing)
    wake.raise()
    return finished.wait(milliseconds)
  }

  private static func open(_ path: String) -> CInt {
    unsafe Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o640)
  }
}

// MARK: - On the thread

extension LogWriter {
  private func run() {
    unsafe linux_name_thread("access-log")
    var descriptor = firstDescriptor
    var places = [Int](repeating: 0, count: rings.count)
    while true {
      wake.wait(-1)
      // Read before the rings: what was handed over before `stop` is then written below.
      let isLast = stopping.load(ordering: .acquiring)
      reopenIfMoved(&descriptor)
      while writeReady(&places, to: descriptor) {}
      if isLast { break }
    }
    if path != nil { _ = Glibc.close(descriptor) }
    finished.raise()
  }

  /// One round over all rings, so that none waits for another's flood.
  ///
  /// - Returns: false when there was nothing to write.
  private func writeReady(_ places: inout [Int], to descriptor: CInt) -> Bool {
    var hasWritten = false
    for (index, ring) in rings.enumerated() {
      let count = ring.readyBytes(places[index])
      guard count > 0 else { continue }
      // SAFETY: the chunk is the writer's until given back, and holds `count` bytes.
      unsafe write(ring.chunk(places[index]), count, to: descriptor)
      ring.giveBack(places[index])
      places[index] = (places[index] + 1) % LogRing.chunkCount
      hasWritten = true
    }
    return hasWritten
  }

  /// Writes all of it, or counts an error and lets the rest go: a full disk must not stop the log for good.
  private func write(_ start: UnsafePointer<UInt8>, _ count: Int, to descriptor: CInt) {
    var done = 0
    while done < count {
      // SAFETY: `done` stays below `count`.
      let written = unsafe Glibc.write(descriptor, start + done, count - done)
      if written >= 0 {
        done += written
      } else if errno == EAGAIN {
        // Standard output may be a pipe that somebody made non-blocking.
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = unsafe poll(&entry, 1, -1)
      } else if errno != EINTR {
        errors.wrappingAdd(1, ordering: .relaxed)
        return
      }
    }
  }

  /// Rotation without a signal: when the path no longer leads to the open file, it is opened anew. A path
  /// that cannot be opened keeps the old file.
  private func reopenIfMoved(_ descriptor: inout CInt) {
    guard let path else { return }
    var named = stat()
    var opened = stat()
    // SAFETY: both structures are locals.
    let isThere = unsafe stat(path, &named) == 0
    guard unsafe fstat(descriptor, &opened) == 0 else { return }
    if isThere, named.st_ino == opened.st_ino, named.st_dev == opened.st_dev { return }
    let fresh = LogWriter.open(path)
    guard fresh >= 0 else { return }
    _ = Glibc.close(descriptor)
    descriptor = fresh
  }
}
