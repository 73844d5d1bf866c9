import Synchronization

/// A ring of chunks between one worker and the log's writer thread. Owners: the worker fills one chunk at a
/// time, in order; the writer empties them in the same order. Neither waits for the other.
///
/// A chunk's `filled` says whose it is: 0, the worker's; else the writer's, with so many bytes.
@safe final class LogRing: @unchecked Sendable {
  static let chunkBytes = 64 << 10
  /// 1 MiB per worker, all that a log which cannot be written may hold: at 100,000 lines a second the writer
  /// may be kept from its processor for 30 ms.
  static let chunkCount = 16

  private let memory: UnsafeMutablePointer<UInt8>
  private let filled: InlineArray<16, Atomic<Int>> = InlineArray { _ in Atomic(0) }

  init() { unsafe memory = .allocate(capacity: LogRing.chunkBytes * LogRing.chunkCount) }

  deinit { unsafe memory.deallocate() }

  /// The chunk's bytes: for the worker while `isFree`, for the writer while `readyBytes` is not 0.
  func chunk(_ index: Int) -> UnsafeMutablePointer<UInt8> {
    precondition(index >= 0 && index < LogRing.chunkCount, "no such chunk")
    return unsafe memory + index * LogRing.chunkBytes
  }

  /// Asked by the worker: acquires, so that the writer has done with the bytes before they are written again.
  func isFree(_ index: Int) -> Bool { filled[index].load(ordering: .acquiring) == 0 }

  /// By the worker: the chunk is the writer's from here on.
  func handOver(_ index: Int, count: Int) { filled[index].store(count, ordering: .releasing) }

  /// Asked by the writer.
  func readyBytes(_ index: Int) -> Int { filled[index].load(ordering: .acquiring) }

  /// By the writer: the chunk is the worker's again.
  func giveBack(_ index: Int) { filled[index].store(0, ordering: .releasing) }
}
