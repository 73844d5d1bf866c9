import CLinux
import Glibc
import Synchronization

/// The thread that writes the access log. It alone may wait for the disk or a pipe.
///
/// Owner: `AccessLog` makes and stops it. The sink and the place in each ring are the thread's own.
final class LogWriter: Sendable {
  let wake: EventDescriptor
  let errors = Atomic<Int>(0)
  let linesLost = Atomic<Int>(0)
  private let finished: EventDescriptor
  private let stopping = Atomic<Bool>(false)
  private let reopening = Atomic<Bool>(false)
  private let rings: [LogRing]
  private let source: LogSink.Source
  private let firstDescriptor: CInt

  init(_ source: LogSink.Source, rings: [LogRing]) throws(AccessLogError) {
    guard let wake = EventDescriptor(), let finished = EventDescriptor() else {
      throw AccessLogError(path: "", code: errno)
    }
    (self.wake, self.finished, self.rings, self.source) = (wake, finished, rings, source)
    firstDescriptor = LogSink.open(source)
    guard firstDescriptor >= 0 else { throw AccessLogError(path: LogWriter.name(source), code: errno) }
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

  func reopen() {
    reopening.store(true, ordering: .releasing)
    wake.raise()
  }

  private static func name(_ source: LogSink.Source) -> String {
    switch source {
    case .stream: ""
    case .file(let path), .journal(let path): path
    }
  }
}

// MARK: - On the thread

extension LogWriter {
  private func run() {
    unsafe linux_name_thread("access-log")
    var sink = LogSink(source, adopting: firstDescriptor)
    var places = [Int](repeating: 0, count: rings.count)
    while true {
      wake.wait(-1)
      // Read before the rings: what was handed over before `stop` is then written below.
      let isLast = stopping.load(ordering: .acquiring)
      if reopening.exchange(false, ordering: .acquiring) { reopen(&sink) }
      while writeReady(&places, to: &sink) {}
      if isLast { break }
    }
    finished.raise()
  }

  /// One round over all rings, so that none waits for another's flood.
  ///
  /// - Returns: false when there was nothing to write.
  private func writeReady(_ places: inout [Int], to sink: inout LogSink) -> Bool {
    var hasWritten = false
    for (index, ring) in rings.enumerated() {
      let count = ring.readyBytes(places[index])
      guard count > 0 else { continue }
      // SAFETY: the chunk is the writer's until given back, and holds `count` bytes. A full disk must not
      // stop the log for good: what it does not take is gone.
      let lost = unsafe sink.write(ring.chunk(places[index]), count)
      if lost > 0 {
        errors.wrappingAdd(1, ordering: .relaxed)
        linesLost.wrappingAdd(lost, ordering: .relaxed)
      }
      ring.giveBack(places[index])
      places[index] = (places[index] + 1) % LogRing.chunkCount
      hasWritten = true
    }
    return hasWritten
  }

  private func reopen(_ sink: inout LogSink) {
    let code = sink.reopen()
    guard code != 0 else { return }
    errors.wrappingAdd(1, ordering: .relaxed)
    // SAFETY: strerror_r would do the same for this thread; the text is copied at once.
    let reason = unsafe String(cString: strerror(code))
    let line = Array(
      "larder: --access-log '\(LogWriter.name(source))': \(reason), the old one goes on\n".utf8)
    _ = unsafe Glibc.write(2, line, line.count)
  }
}
