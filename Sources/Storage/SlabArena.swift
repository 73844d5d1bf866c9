import Bytes
import CLinux
import Glibc
import Synchronization

/// Memory of the cache: entries, their bodies, the index and fills live in blocks of one mapped region.
///
/// The region is cut into spans of 64 KiB. A span serves one size class while it holds blocks and is free for
/// any class when it is empty. The region is larger than the budget by a sixteenth and a few spans, so that
/// partly filled spans do not keep the bytes in use from reaching the budget, and the resident size cannot
/// pass it by more than that (L31).
///
/// Shared by all threads: one lock around the free lists, never held across a system call but the one that
/// gives pages back. The arena outlives its last block, even when its owner is gone.
@safe public final class SlabArena: Sendable {
  static let spanBytes = SizeClass.largest

  /// Most bytes that blocks and charges may use together.
  public let budget: Int
  private nonisolated(unsafe) let base: UnsafeMutableRawPointer
  private let reserved: Int
  /// The file whose memory the region is; -1: none.
  let file: CInt
  private let slabs: Guarded<Slabs>
  private let outside = Atomic<Int>(0)
  private let heap = Atomic<Int>(0)
  private let blocks = Atomic<Int>(0)

  /// - Parameter budget: Bytes, at least 1 MiB; less is taken as 1 MiB.
  public init(budget: Int) {
    self.budget = max(budget, 1 << 20)
    let spans = (self.budget + self.budget / 16) / SlabArena.spanBytes + 64
    reserved = spans * SlabArena.spanBytes
    var file: CInt = -1
    guard let region = unsafe linux_reserve(reserved, &file) else {
      fatalError("cannot reserve \(reserved) bytes of address space for the cache")
    }
    unsafe base = region
    self.file = file
    slabs = Guarded(unsafe Slabs(base: region, spans: spans))
  }

  deinit {
    unsafe munmap(base, reserved)
    if file >= 0 { close(file) }
  }

  /// Where a block of a whole span lies in `file`; `nil` for smaller ones, which share pages with others, and
  /// for those outside.
  func filePosition(of pointer: UnsafeMutablePointer<UInt8>, count: Int) -> Int? {
    let offset = unsafe UnsafeMutableRawPointer(pointer) - base
    guard file >= 0, count > SizeClass.bytes(SizeClass.index(for: SlabArena.spanBytes) - 1) else {
      return nil
    }
    guard offset >= 0, offset < reserved, offset % SlabArena.spanBytes == 0 else { return nil }
    return offset
  }

  /// Gives a whole span's pages back before the block is freed: a socket may still hold them, and what is
  /// written into the block next must not reach its reader.
  func detach(_ pointer: UnsafeMutablePointer<UInt8>) {
    unsafe linux_release_pages(pointer, SlabArena.spanBytes)
  }

  /// What large allocations leave of the budget for small ones that must not fail: nodes, lists.
  var reserve: Int { min(budget / 64, 1 << 20) }

  /// A block of at least `count` bytes; `nil` when the budget, but for `reserve`, or the region is used up,
  /// or when `count` is more than the largest class.
  func allocate(_ count: Int, leaving reserve: Int = 0) -> SlabBlock? {
    guard count <= SizeClass.largest else { return nil }
    let sizeClass = SizeClass.index(for: count)
    let allowance = budget - reserve - outside.load(ordering: .relaxed)
    let block = unsafe slabs.withLock { unsafe $0.allocate(sizeClass, allowance: allowance) }
    if unsafe block != nil { countBlock() }
    return unsafe block
  }

  /// A block from the process's heap, for what must not fail. It is charged to the budget, so that the cache
  /// shrinks for it at the next allocation.
  func allocateOutside(_ count: Int) -> SlabBlock {
    // SAFETY: 16 bytes before the block hold its size and keep the alignment of `malloc`.
    guard let memory = unsafe malloc(count + 16) else { fatalError("out of memory") }
    unsafe memory.storeBytes(of: count, as: Int.self)
    charge(count + 16)
    heap.wrappingAdd(count + 16, ordering: .relaxed)
    countBlock()
    return unsafe SlabBlock(pointer: memory + 16, capacity: count)
  }

  func allocateSomewhere(_ count: Int) -> SlabBlock { unsafe allocate(count) ?? allocateOutside(count) }

  /// Takes back a block of either kind.
  func free(_ pointer: UnsafeMutableRawPointer) {
    let offset = unsafe pointer - base
    if offset >= 0, offset < reserved {
      slabs.withLock { $0.free(offset) }
    } else {
      // SAFETY: by `allocateOutside`, the size stands 16 bytes before the block.
      let memory = unsafe pointer - 16
      let count = unsafe memory.load(as: Int.self) + 16
      charge(-count)
      heap.wrappingSubtract(count, ordering: .relaxed)
      unsafe Glibc.free(memory)
    }
    if blocks.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue == 0 {
      unsafe Unmanaged.passUnretained(self).release()
    }
  }

  /// The first block keeps the arena alive, the last one lets it go.
  private func countBlock() {
    if blocks.wrappingAdd(1, ordering: .relaxed).newValue == 1 { _ = unsafe Unmanaged.passRetained(self) }
  }

  /// Counts memory that is not the arena's own against the budget. Negative: gives it back.
  func charge(_ bytes: Int) { outside.wrappingAdd(bytes, ordering: .relaxed) }

  /// More is counted than the budget allows: something that must not fail has taken it.
  var isOverBudget: Bool {
    slabs.withLock { $0.allocated } + outside.load(ordering: .relaxed) > budget
  }

  /// So many allocations have been asked for.
  var allocations: Int { slabs.withLock { $0.allocations } }

  /// Has those of the allocations, counted from the first, find no room.
  func fail(allocations: Range<Int>) { slabs.withLock { $0.failing = allocations } }

  public var statistics: ArenaStatistics {
    slabs.withLock {
      ArenaStatistics(
        budget: budget, allocatedBytes: $0.allocated, chargedBytes: outside.load(ordering: .relaxed),
        heapBytes: heap.load(ordering: .relaxed), spansInUse: $0.spansInUse, spansResident: $0.spansResident)
    }
  }
}

/// Uninitialised memory: `capacity` bytes aligned to 8.
@unsafe struct SlabBlock: @unchecked Sendable {
  var pointer: UnsafeMutableRawPointer
  var capacity: Int
}

public struct ArenaStatistics: Equatable, Sendable {
  public var budget: Int
  /// Bytes in blocks, by size class, as the budget counts them.
  public var allocatedBytes: Int
  /// Bytes outside the arena that the budget counts: tables, fills, purge records.
  public var chargedBytes: Int
  /// Those of them that are blocks for which the arena had no room.
  public var heapBytes: Int
  public var spansInUse: Int
  /// Spans whose pages have not been given back, in use or kept for the next class that needs one.
  public var spansResident: Int

  public var countedBytes: Int { allocatedBytes + chargedBytes }
}
