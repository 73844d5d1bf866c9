public import Bytes

/// A worker's end of the access log. Owner: that worker. Lines gather in a chunk, which goes to the writer
/// when it is full or one second old; nothing here waits.
@safe public struct AccessLogBuffer: ~Copyable {
  private let ring: LogRing?
  private let wake: EventDescriptor?
  private let counters: WorkerCounters
  private var line = OutputBuffer(capacity: 1024)
  private var clock = LogClock()
  private var chunk = 0
  private var filled = 0
  /// When the first line of the chunk was written.
  private var since: Milliseconds = 0

  /// Longest time a line may wait here.
  public static var ageLimitMilliseconds: Milliseconds { 1000 }

  init(ring: LogRing?, wake: EventDescriptor?, counters: WorkerCounters) {
    self.ring = ring
    self.wake = wake
    self.counters = counters
  }

  /// False: do not bother to make records.
  public var isOn: Bool { ring != nil }

  /// - Parameters:
  ///   - wallSeconds: Seconds since 1970, for the line.
  ///   - now: The loop's coarse clock.
  public mutating func append(_ record: borrowing AccessRecord, wallSeconds: Int64, now: Milliseconds) {
    guard let ring else { return }
    line.removeAll()
    clock.set(wallSeconds)
    record.write(clock: clock, to: &line)
    if filled > 0, filled + line.count > LogRing.chunkBytes { flush() }
    guard filled + line.count <= LogRing.chunkBytes, filled > 0 || ring.isFree(chunk) else {
      counters.add(.accessLogLinesDropped)
      return
    }
    if filled == 0 { since = now }
    let start = unsafe ring.chunk(chunk) + filled
    // SAFETY: the chunk is ours (it was free when its first line came), and has room for the line.
    unsafe start.update(from: line.base, count: line.count)
    filled += line.count
    flushIfOld(now)
  }

  /// To be called about once a second, so that lines appear while no request comes.
  public mutating func flushIfOld(_ now: Milliseconds) {
    if filled > 0, now - since >= AccessLogBuffer.ageLimitMilliseconds { flush() }
  }

  /// Hands the gathered lines to the writer.
  public mutating func flush() {
    guard let ring, filled > 0 else { return }
    ring.handOver(chunk, count: filled)
    chunk = (chunk + 1) % LogRing.chunkCount
    filled = 0
    wake?.raise()
  }
}
