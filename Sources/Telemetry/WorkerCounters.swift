// Telemetry: what is told to the operator: counters of each worker, the metrics text, the access log, the
// JSON of the admin listener. It imports CLinux and Bytes; what it is told comes as plain values, so it knows
// neither requests nor the store. The proxy counts and logs with it on every request, and renders with it on
// the admin listener.

public import Synchronization

/// The numbers of one worker. Owner: that worker, the only one that writes; every thread may read.
///
/// One writer makes a relaxed load and a store enough: 0.3 ns instead of the 2 ns of an atomic addition, and
/// no cache line is shared with another worker. A reader sees each number whole, but not all of one instant.
@safe public final class WorkerCounters: Sendable {
  /// Layout: tallies, histograms, final statuses 100 to 599 and other, decisions × status classes.
  @usableFromInline nonisolated(unsafe) let cells: UnsafeMutablePointer<Atomic<Int>>
  @usableFromInline let decisionCount: Int

  /// Status classes of a request: 1xx to 5xx, and other.
  @usableFromInline static var classCount: Int { 6 }
  @usableFromInline static var statusCount: Int { 501 }

  @usableFromInline static var histogramsStart: Int { Tally.count }
  @usableFromInline static var statusesStart: Int {
    histogramsStart + Latency.count * LatencyBuckets.cellCount
  }
  @usableFromInline static var requestsStart: Int { statusesStart + statusCount }

  /// - Parameter decisionCount: How many decisions there are; their indices run from 0 to one less.
  public init(decisionCount: Int) {
    precondition(decisionCount > 0, "a request needs a decision")
    self.decisionCount = decisionCount
    let count = WorkerCounters.requestsStart + decisionCount * WorkerCounters.classCount
    // Two lines of 64 bytes, since processors fetch them in pairs: no worker's numbers lie beside another's.
    let size = (count * MemoryLayout<Atomic<Int>>.stride + 127) & ~127
    let memory = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 128)
    // SAFETY: `size` bytes hold `count` cells, each of which is initialised here.
    unsafe cells = memory.bindMemory(to: Atomic<Int>.self, capacity: count)
    for i in 0..<count { unsafe (cells + i).initialize(to: Atomic(0)) }
  }

  deinit { unsafe cells.deallocate() }

  /// Adds to a cell. `index` comes from the functions below, which keep it within the allocation.
  @inlinable @inline(__always) func raise(_ index: Int, by amount: Int) {
    // SAFETY: every caller computes `index` from a closed enum or clamps it.
    let value = unsafe cells[index].load(ordering: .relaxed)
    unsafe cells[index].store(value &+ amount, ordering: .relaxed)
  }

  @inlinable func cell(_ index: Int) -> Int { unsafe cells[index].load(ordering: .relaxed) }
}

// MARK: - What the worker reports

extension WorkerCounters {
  /// Raises a count, or moves a gauge by `amount`, which may then be negative.
  @inlinable public func add(_ tally: Tally, _ amount: Int = 1) { raise(tally.rawValue, by: amount) }

  /// A response has left whole, or its exchange has failed.
  ///
  /// - Parameters:
  ///   - decision: Index of the decision; one out of range is counted under the last.
  ///   - status: The final status sent; 0 when none was.
  ///   - microseconds: From the first byte of the request's head to the last byte handed to the kernel.
  @inlinable public func requestEnded(decision: Int, status: UInt16, microseconds: Int) {
    let row = decision >= 0 && decision < decisionCount ? decision : decisionCount &- 1
    let isKnown = status >= 100 && status < 600
    let column = isKnown ? Int(status) / 100 &- 1 : WorkerCounters.classCount &- 1
    raise(WorkerCounters.requestsStart &+ row &* WorkerCounters.classCount &+ column, by: 1)
    raise(WorkerCounters.statusesStart &+ (isKnown ? Int(status) &- 100 : 500), by: 1)
    observe(.clientRequest, microseconds: microseconds)
  }

  @inlinable public func observe(_ latency: Latency, microseconds: Int) {
    let time = max(microseconds, 0)
    let start = WorkerCounters.histogramsStart &+ latency.rawValue &* LatencyBuckets.cellCount
    raise(start &+ LatencyBuckets.index(of: time), by: 1)
    raise(start &+ LatencyBuckets.count, by: time)
  }
}

// MARK: - What readers see

extension WorkerCounters {
  public func value(of tally: Tally) -> Int { cell(tally.rawValue) }

  /// Requests that ended with this decision, by status class: 0 is 1xx, 4 is 5xx, 5 is anything else.
  func requests(decision: Int, statusClass: Int) -> Int {
    cell(WorkerCounters.requestsStart + decision * WorkerCounters.classCount + statusClass)
  }

  /// Responses by exact status, `offset` being the status less 100; 500 is anything else.
  func responses(statusOffset offset: Int) -> Int { cell(WorkerCounters.statusesStart + offset) }

  func observations(of latency: Latency, bucket: Int) -> Int {
    cell(WorkerCounters.histogramsStart + latency.rawValue * LatencyBuckets.cellCount + bucket)
  }

  /// In microseconds.
  func sum(of latency: Latency) -> Int { observations(of: latency, bucket: LatencyBuckets.count) }
}
