import Synchronization

/// A stored body: its length and the list of blocks that hold it, or the file that it lies in. Counted apart
/// from the entry, so that a response refreshed by a 304 shares the body of the one before.
///
/// Lies at the start of a block; the list of segments follows it.
@safe struct BodyRecord: ~Copyable {
  let references = Atomic<UInt32>(1)
  /// Some of its pages were given to a socket without a copy.
  let isLent = Atomic<Bool>(false)
  let segmentCount: Int
  let length: Int
  /// Counted by this record. `nil`: the body is in memory.
  let file: Unmanaged<StoredFile>?
  let arena: Unmanaged<SlabArena>
}

/// One piece of a body. `end` is the offset in the body of the first byte after it.
@unsafe struct BodySegment {
  var pointer: UnsafeMutablePointer<UInt8>
  var end: Int
}

/// One reference to a body record, or the index's way to it. Who counts it says so.
@safe struct BodyRef: @unchecked Sendable {
  private let pointer: UnsafeMutablePointer<BodyRecord>

  // SAFETY (of this type): a record is freed by the release of its last reference, and whoever holds a
  // `BodyRef` holds one; but for the count, the record does not change after `init`.

  /// Takes over the blocks of `segments`.
  init(_ segments: [BodySegment], arena: SlabArena) {
    let bytes = unsafe MemoryLayout<BodyRecord>.stride + segments.count * MemoryLayout<BodySegment>.stride
    let block = unsafe arena.allocateSomewhere(bytes)
    unsafe pointer = block.pointer.bindMemory(to: BodyRecord.self, capacity: 1)
    unsafe pointer.initialize(
      to: BodyRecord(
        segmentCount: segments.count, length: segments.last?.end ?? 0, file: nil,
        arena: .passUnretained(arena)))
    for i in unsafe segments.indices { unsafe (list + i).initialize(to: segments[i]) }
  }

  /// A body that lies in `file`.
  init(_ file: StoredFile, arena: SlabArena) {
    let block = unsafe arena.allocateSomewhere(MemoryLayout<BodyRecord>.stride)
    unsafe pointer = block.pointer.bindMemory(to: BodyRecord.self, capacity: 1)
    unsafe pointer.initialize(
      to: BodyRecord(
        segmentCount: 0, length: file.bodyLength, file: .passRetained(file), arena: .passUnretained(arena)))
  }

  /// The file that the body lies in; `nil`: it is in memory.
  var file: StoredFile? { unsafe pointer.pointee.file?.takeUnretainedValue() }

  private var list: UnsafeMutablePointer<BodySegment> {
    unsafe (UnsafeMutableRawPointer(pointer) + MemoryLayout<BodyRecord>.stride)
      .assumingMemoryBound(to: BodySegment.self)
  }

  var length: Int { unsafe pointer.pointee.length }
  var segmentCount: Int { unsafe pointer.pointee.segmentCount }

  /// The bytes of segment `index`, which is less than `segmentCount`.
  func segment(_ index: Int) -> (UnsafePointer<UInt8>, Int) {
    precondition(index >= 0 && index < segmentCount, "segment out of range")
    let start = index == 0 ? 0 : unsafe list[index - 1].end
    return unsafe (UnsafePointer(list[index].pointer), list[index].end - start)
  }

  /// Segment `index` as a part of the arena's file, to be sent without a copy; `nil` if it is none. Its pages
  /// are then not used again as long as a socket may hold them.
  func lend(_ index: Int) -> (file: CInt, offset: Int)? {
    let (start, count) = unsafe segment(index)
    let arena = unsafe pointer.pointee.arena.takeUnretainedValue()
    let block = unsafe UnsafeMutablePointer(mutating: start)
    guard let offset = unsafe arena.filePosition(of: block, count: count) else { return nil }
    if unsafe !pointer.pointee.isLent.load(ordering: .relaxed) {
      unsafe pointer.pointee.isLent.store(true, ordering: .relaxed)
    }
    return (arena.file, offset)
  }

  /// The segment that holds the byte at `offset`, which is less than `length`.
  func segmentIndex(holding offset: Int) -> Int {
    var low = 0
    var high = segmentCount - 1
    while low < high {
      let middle = (low + high) / 2
      if unsafe list[middle].end > offset { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// The bytes from `offset` to the end of their segment, at most `max` of them; `nil` at the body's end.
  func bytes(at offset: Int, max limit: Int) -> (UnsafePointer<UInt8>, Int)? {
    guard offset >= 0, offset < length else { return nil }
    let index = segmentIndex(holding: offset)
    let start = index == 0 ? 0 : unsafe list[index - 1].end
    let left = unsafe list[index].end - offset
    return unsafe (UnsafePointer(list[index].pointer) + (offset - start), min(left, limit))
  }

  func retain() { unsafe pointer.pointee.references.wrappingAdd(1, ordering: .relaxed) }

  func release() {
    let left = unsafe pointer.pointee.references.wrappingSubtract(1, ordering: .acquiringAndReleasing)
      .newValue
    guard left == 0 else { return }
    let arena = unsafe pointer.pointee.arena.takeUnretainedValue()
    let isLent = unsafe pointer.pointee.isLent.load(ordering: .relaxed)
    for i in 0..<segmentCount {
      if isLent, unsafe arena.filePosition(of: list[i].pointer, count: segment(i).1) != nil {
        unsafe arena.detach(list[i].pointer)
      }
      unsafe arena.free(list[i].pointer)
    }
    unsafe pointer.pointee.file?.release()
    unsafe pointer.deinitialize(count: 1)
    unsafe arena.free(pointer)
  }
}
