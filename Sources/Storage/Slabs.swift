import CLinux

/// The free lists of a slab arena: which span serves which class, and which of its blocks are free. Guarded
/// by the arena's lock.
@safe struct Slabs: ~Copyable, @unchecked Sendable {
  /// Empty spans whose pages are kept for the next class that needs one.
  static let sparesKept = 64
  private static let none = UInt32.max

  private struct Span {
    var previous = Slabs.none
    var next = Slabs.none
    var used: UInt16 = 0
    /// Blocks from here on have never been handed out since the span was given its class.
    var untouched: UInt16 = 0
    /// The first free block below `untouched`; each free block begins with the number of the next.
    var firstFree = UInt16.max
    var sizeClass: UInt8 = 0
  }

  /// The first field: on a write through any of the pointers here, the sanitizer's instrumentation (Swift
  /// 6.3) reports one at the address in the first field as well, and this memory is only touched under the
  /// lock.
  private let spans: UnsafeMutablePointer<Span>
  private let base: UnsafeMutableRawPointer
  private let spanCount: Int
  /// Per class, the first span that has a free block.
  private var partial = InlineArray<81, UInt32>(repeating: Slabs.none)
  /// Empty spans, those with pages and those without.
  private var spares: [UInt32] = []
  private var released: [UInt32] = []
  private var neverUsed = 0

  /// Of the allocations, counted from the first, those that find no room: for tests of what comes of that.
  var failing = 0..<0
  private(set) var allocations = 0
  private(set) var allocated = 0
  private(set) var spansInUse = 0
  var spansResident: Int { spansInUse + spares.count }

  init(base: UnsafeMutableRawPointer, spans count: Int) {
    unsafe self.base = base
    unsafe spans = .allocate(capacity: count)
    unsafe spans.initialize(repeating: Span(), count: count)
    spanCount = count
  }

  deinit { unsafe spans.deallocate() }

  mutating func allocate(_ sizeClass: Int, allowance: Int) -> SlabBlock? {
    let bytes = SizeClass.bytes(sizeClass)
    allocations += 1
    guard allocated + bytes <= allowance, !failing.contains(allocations) else { return nil }
    if partial[sizeClass] == Slabs.none, !assignSpan(to: sizeClass) { return nil }
    let span = partial[sizeClass]
    let block = takeBlock(of: span, bytes: bytes)
    if isFull(span, bytes: bytes) { unlink(span, from: sizeClass) }
    allocated += bytes
    // SAFETY: the block lies within its span, which lies within the region.
    return unsafe SlabBlock(pointer: base + Int(span) * SlabArena.spanBytes + block * bytes, capacity: bytes)
  }

  /// - Parameter offset: Of a block that `allocate` handed out, from the region's start.
  mutating func free(_ offset: Int) {
    let span = offset / SlabArena.spanBytes
    let sizeClass = Int(unsafe spans[span].sizeClass)
    let bytes = SizeClass.bytes(sizeClass)
    let block = offset % SlabArena.spanBytes / bytes
    let wasFull = isFull(UInt32(span), bytes: bytes)
    // SAFETY: the block is free from now on and at least 64 bytes long.
    unsafe (base + offset).storeBytes(of: spans[span].firstFree, as: UInt16.self)
    unsafe spans[span].firstFree = UInt16(block)
    unsafe spans[span].used -= 1
    allocated -= bytes
    if wasFull { link(UInt32(span), to: sizeClass) }
    if unsafe spans[span].used == 0 {
      unlink(UInt32(span), from: sizeClass)
      retire(UInt32(span))
    }
  }

  private mutating func takeBlock(of span: UInt32, bytes: Int) -> Int {
    let index = Int(span)
    unsafe spans[index].used += 1
    let free = unsafe spans[index].firstFree
    guard free != UInt16.max else {
      let block = Int(unsafe spans[index].untouched)
      unsafe spans[index].untouched += 1
      return block
    }
    // SAFETY: a free block begins with the number of the next one.
    let block = unsafe base + index * SlabArena.spanBytes + Int(free) * bytes
    unsafe spans[index].firstFree = block.load(as: UInt16.self)
    return Int(free)
  }

  private func isFull(_ span: UInt32, bytes: Int) -> Bool {
    Int(unsafe spans[Int(span)].used) == SlabArena.spanBytes / bytes
  }

  private mutating func assignSpan(to sizeClass: Int) -> Bool {
    let span: UInt32
    if let spare = spares.popLast() ?? released.popLast() {
      span = spare
    } else {
      guard neverUsed < spanCount else { return false }
      span = UInt32(neverUsed)
      neverUsed += 1
    }
    unsafe spans[Int(span)] = Span(sizeClass: UInt8(sizeClass))
    spansInUse += 1
    link(span, to: sizeClass)
    return true
  }

  private mutating func retire(_ span: UInt32) {
    spansInUse -= 1
    if spares.count < Slabs.sparesKept {
      spares.append(span)
    } else {
      // SAFETY: the span holds no block.
      unsafe linux_release_pages(base + Int(span) * SlabArena.spanBytes, SlabArena.spanBytes)
      released.append(span)
    }
  }

  private mutating func link(_ span: UInt32, to sizeClass: Int) {
    let next = partial[sizeClass]
    unsafe spans[Int(span)].previous = Slabs.none
    unsafe spans[Int(span)].next = next
    if next != Slabs.none { unsafe spans[Int(next)].previous = span }
    partial[sizeClass] = span
  }

  private mutating func unlink(_ span: UInt32, from sizeClass: Int) {
    let previous = unsafe spans[Int(span)].previous
    let next = unsafe spans[Int(span)].next
    if previous == Slabs.none { partial[sizeClass] = next } else { unsafe spans[Int(previous)].next = next }
    if next != Slabs.none { unsafe spans[Int(next)].previous = previous }
  }
}
