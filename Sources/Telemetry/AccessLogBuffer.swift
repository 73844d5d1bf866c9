public import Bytes

/// A worker's end of the access log. Owner: that worker. Lines gather in a chunk, which goes to the writer
/// when it is full or one second old; nothing here waits.
///
/// A line is `begin`, then for each of `partCount` parts `beginPart` and, by the caller into `line`, the
/// part's variable; then `end`.
@safe public struct AccessLogBuffer: ~Copyable {
  // The format, in memory of this worker alone: the arrays' counts would be written by all of them.
  @usableFromInline let parts: UnsafeMutablePointer<LogPart>
  public let partCount: Int
  @usableFromInline let text: UnsafeMutablePointer<UInt8>
  /// Where the caller writes values.
  public var line: LogLine
  private let ring: LogRing?
  private let wake: EventDescriptor?
  private let counters: WorkerCounters
  private var chunk = 0
  private var filled = 0
  /// When the first line of the chunk was written.
  private var since: Milliseconds = 0

  /// Longest time a line may wait here.
  public static var ageLimitMilliseconds: Milliseconds { 1000 }

  init(_ format: LogFormat, ring: LogRing?, wake: EventDescriptor?, counters: WorkerCounters) {
    partCount = format.parts.count
    unsafe parts = .allocate(capacity: partCount)
    unsafe parts.initialize(from: format.parts, count: partCount)
    // Literals are copied in blocks of 16 bytes.
    unsafe text = .allocate(capacity: format.text.count + 16)
    unsafe text.initialize(from: format.text, count: format.text.count)
    line = LogLine(format)
    self.ring = ring
    self.wake = wake
    self.counters = counters
  }

  deinit {
    unsafe parts.deallocate()
    unsafe text.deallocate()
  }

  /// False: do not bother to make lines.
  public var isOn: Bool { ring != nil }

  /// Lines have gathered that want to be flushed in time.
  public var hasLines: Bool { filled > 0 }

  /// - Parameter wallSeconds: Since 1970.
  public mutating func begin(wallSeconds: Int64) { line.begin(wallSeconds: wallSeconds) }

  /// Writes the text before a part's variable.
  ///
  /// - Parameter index: From 0, below `partCount`.
  /// - Returns: The part, for the caller to write its variable.
  @inlinable @inline(__always) public mutating func beginPart(_ index: Int) -> LogPart {
    precondition(index >= 0 && index < partCount, "no such part")
    // SAFETY: the index was checked; the literal's offsets are within `text` by the format's making.
    let part = unsafe parts[index]
    unsafe line.append(literal: text + part.literal.lower, count: part.literal.count)
    return part
  }

  /// Writes the values of the field that a part names: `add` is called with its name and the line, and adds
  /// pieces.
  @inlinable public mutating func write(fieldOf part: LogPart, _ add: (Span<UInt8>, inout LogLine) -> Void) {
    let start = unsafe text + part.name.lower
    // SAFETY: as above; the span is used while this lasts.
    let name = unsafe Span<UInt8>(_unsafeStart: start, count: part.name.count)
    line.beginValue()
    add(name, &line)
    line.endValue()
  }

  /// The line is complete: it joins the others, or is dropped and counted when the writer is behind.
  ///
  /// - Parameter now: The loop's coarse clock.
  public mutating func end(now: Milliseconds) {
    guard let ring else { return }
    line.endLine()
    let count = line.text.count
    if filled > 0, filled + count > LogRing.chunkBytes { flush() }
    guard filled + count <= LogRing.chunkBytes, filled > 0 || ring.isFree(chunk) else {
      counters.add(.accessLogLinesDropped)
      return
    }
    if filled == 0 { since = now }
    let start = unsafe ring.chunk(chunk) + filled
    // SAFETY: the chunk is ours (it was free when its first line came), and has room for the line.
    unsafe start.update(from: line.text.base, count: count)
    filled += count
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
