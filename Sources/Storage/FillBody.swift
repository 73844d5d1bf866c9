import Glibc

/// The blocks of a fill's body, in order. Guarded by the fill's lock; the bytes below the published length do
/// not change and are read without it.
@safe struct FillBody: @unchecked Sendable {
  @unsafe struct Segment {
    var pointer: UnsafeMutableRawPointer
    var capacity: Int
    /// Offset in the body of the first byte.
    var start: Int
    /// Offset after the last; for the last segment, that is the published length.
    var end: Int
  }

  var segments: [Segment] = unsafe []
  /// Segments before this one have been recycled.
  var firstHeld = 0
  /// Bytes of the body that are gone with them.
  var recycled = 0
  /// Bytes of the blocks that are held.
  private var heldBytes = 0
  /// Those of them that are counted as memory under way.
  private var passingBytes = 0
  var readers = 0
  var alternateRequest: AlternateRequest?
  /// Heads of the interim responses so far.
  var interims: [[UInt8]] = []
  /// Set when the body goes to a file while it arrives.
  var spill: Spill?
  /// Set by commit: counts the blocks from then on.
  var record: BodyRef?
  /// The last block as it was before commit copied it to a smaller one; readers may still be in it.
  private var leftover: UnsafeMutableRawPointer?
  private var setAside: [UnsafeMutableRawPointer] = unsafe []

  /// The free part of the last block.
  func room(published: Int) -> UnsafeMutableRawBufferPointer? {
    guard unsafe firstHeld < segments.count, let last = unsafe segments.last else { return nil }
    let used = unsafe published - last.start
    return unsafe UnsafeMutableRawBufferPointer(start: last.pointer + used, count: last.capacity - used)
  }

  mutating func append(_ block: SlabBlock, published: Int) {
    heldBytes += unsafe block.capacity
    if unsafe firstHeld < segments.count { unsafe segments[segments.count - 1].end = published }
    unsafe segments.append(
      Segment(pointer: block.pointer, capacity: block.capacity, start: published, end: published))
  }

  /// The fill is not kept: all that it holds now is memory under way. Returns by how much that is more than
  /// when it was last counted.
  mutating func countAsPassing() -> Int {
    defer { passingBytes = heldBytes }
    return heldBytes - passingBytes
  }

  /// The bytes from `offset` to the end of their segment, at most `limit`.
  func bytes(at offset: Int, max limit: Int, published: Int) -> (UnsafePointer<UInt8>, Int)? {
    guard offset >= recycled, offset < published else { return nil }
    var low = firstHeld
    var high = unsafe segments.count - 1
    while low < high {
      let middle = (low + high + 1) / 2
      if unsafe segments[middle].start <= offset { low = middle } else { high = middle - 1 }
    }
    let segment = unsafe segments[low]
    let end = unsafe low == segments.count - 1 ? published : segment.end
    let pointer = unsafe segment.pointer.assumingMemoryBound(to: UInt8.self) + (offset - segment.start)
    return unsafe (UnsafePointer(pointer), min(end - offset, limit))
  }

  /// Takes out the blocks that lie wholly before `offset`; one of at least `capacity` is returned, the others
  /// are freed.
  mutating func recycle(before offset: Int, wanting capacity: Int, arena: SlabArena) -> SlabBlock? {
    var reusable: SlabBlock?
    while unsafe firstHeld < segments.count - 1, unsafe segments[firstHeld].end <= offset {
      let segment = unsafe segments[firstHeld]
      firstHeld += 1
      recycled = unsafe segment.end
      heldBytes -= unsafe segment.capacity
      if unsafe reusable == nil, unsafe segment.capacity >= capacity {
        unsafe reusable = SlabBlock(pointer: segment.pointer, capacity: segment.capacity)
      } else {
        unsafe arena.free(segment.pointer)
      }
    }
    dropRecycled()
    return unsafe reusable
  }

  private mutating func dropRecycled() {
    guard firstHeld > 64 else { return }
    unsafe segments.removeFirst(firstHeld)
    firstHeld = 0
  }

  /// Takes out the blocks that lie wholly before `offset`, which are in a file by now: nobody finds them any
  /// more, but somebody may have found them a moment ago, so that they stay until `freeSetAside`.
  mutating func setAside(before offset: Int) {
    while unsafe firstHeld < segments.count - 1, unsafe segments[firstHeld].end <= offset {
      let segment = unsafe segments[firstHeld]
      firstHeld += 1
      recycled = unsafe segment.end
      heldBytes -= unsafe segment.capacity
      unsafe setAside.append(segment.pointer)
    }
    dropRecycled()
  }

  mutating func freeSetAside(to arena: SlabArena) {
    for i in unsafe setAside.indices { unsafe arena.free(setAside[i]) }
    unsafe setAside.removeAll()
  }

  /// How many bytes of the last block are used, if more than an eighth of it is not.
  func trimmedBytes(length: Int) -> Int? {
    guard record == nil, let last = unsafe segments.last, unsafe last.start < length else { return nil }
    let used = unsafe length - last.start
    let fitting = SizeClass.bytes(SizeClass.index(for: used))
    return unsafe last.capacity - used > used / 8 && fitting < last.capacity ? used : nil
  }

  /// Hands the blocks to a body record, which the fill counts once, like its new entry.
  ///
  /// - Parameter trimmed: A block for `trimmedBytes`, to which the last one is copied.
  mutating func makeRecord(length: Int, trimmed: SlabBlock?, arena: SlabArena) -> BodyRef {
    if let record {
      record.retain()
      return record
    }
    var list: [BodySegment] = unsafe []
    unsafe list.reserveCapacity(segments.count)
    for i in unsafe segments.indices {
      let end = unsafe i == segments.count - 1 ? length : segments[i].end
      guard unsafe end > segments[i].start else { continue }
      unsafe list.append(
        BodySegment(pointer: segments[i].pointer.assumingMemoryBound(to: UInt8.self), end: end))
    }
    if let last = unsafe segments.last {
      if let block = unsafe trimmed {
        unsafe memcpy(block.pointer, last.pointer, length - last.start)
        unsafe list[list.count - 1].pointer = block.pointer.assumingMemoryBound(to: UInt8.self)
        unsafe leftover = last.pointer
      } else if unsafe last.start == length {
        unsafe leftover = last.pointer
      }
    }
    let made = unsafe BodyRef(list, arena: arena)
    made.retain()
    record = made
    return made
  }

  /// Returns the bytes that were counted as memory under way.
  mutating func release(to arena: SlabArena) -> Int {
    freeSetAside(to: arena)
    if let record {
      record.release()
      if let leftover = unsafe leftover { unsafe arena.free(leftover) }
    } else {
      for i in unsafe firstHeld..<segments.count { unsafe arena.free(segments[i].pointer) }
    }
    unsafe segments.removeAll()
    firstHeld = 0
    unsafe leftover = nil
    record = nil
    return passingBytes
  }
}
