/// Hash table from 64-bit tags to nodes: open addressing, linear probing, no gaps left by removal. What makes
/// two nodes equal is its user's affair. Plain memory, so that a look-up counts no references.
@safe struct NodeTable: ~Copyable {
  private struct Slot {
    var tag: UInt64 = 0
    var node: NodeRef?
  }

  private var slots: UnsafeMutablePointer<Slot>
  private var mask: Int
  private(set) var count = 0

  init() {
    mask = 15
    unsafe slots = .allocate(capacity: 16)
    unsafe slots.initialize(repeating: Slot(), count: 16)
  }

  deinit { unsafe slots.deallocate() }

  var bytes: Int { (mask + 1) * MemoryLayout<Slot>.stride }

  /// The low six bits have chosen the stripe.
  @inline(__always) private func home(_ tag: UInt64) -> Int { Int(truncatingIfNeeded: tag &>> 6) & mask }

  @inline(__always) func find(_ tag: UInt64, where matches: (NodeRef) -> Bool) -> NodeRef? {
    var i = home(tag)
    // SAFETY: `mask` keeps the index within the table, and the table always has a free slot.
    while let node = unsafe slots[i].node {
      if unsafe slots[i].tag == tag, matches(node) { return node }
      i = (i &+ 1) & mask
    }
    return nil
  }

  /// Returns by how many bytes the table grew.
  mutating func insert(_ node: NodeRef, tag: UInt64) -> Int {
    let before = bytes
    if (count + 1) * 4 > (mask + 1) * 3 { grow() }
    place(node, tag)
    count += 1
    return bytes - before
  }

  mutating func remove(_ node: NodeRef, tag: UInt64) {
    var i = home(tag)
    while unsafe slots[i].node != node {
      precondition(unsafe slots[i].node != nil, "removing a node that is not in the table")
      i = (i + 1) & mask
    }
    count -= 1
    // Moves back what probing would no longer find behind the gap.
    var gap = i
    var next = (i + 1) & mask
    while let moved = unsafe slots[next].node {
      let distance = (next - home(unsafe slots[next].tag)) & mask
      if distance >= (next - gap) & mask {
        unsafe slots[gap] = Slot(tag: slots[next].tag, node: moved)
        gap = next
      }
      next = (next + 1) & mask
    }
    unsafe slots[gap] = Slot()
  }

  /// Replaces the node stored for `old`, under the same tag.
  mutating func replace(_ old: NodeRef, with new: NodeRef, tag: UInt64) {
    var i = home(tag)
    while unsafe slots[i].node != old { i = (i + 1) & mask }
    unsafe slots[i].node = new
  }

  func forEach(_ body: (NodeRef) -> Void) {
    for i in 0...mask { if let node = unsafe slots[i].node { body(node) } }
  }

  private mutating func place(_ node: NodeRef, _ tag: UInt64) {
    var i = home(tag)
    while unsafe slots[i].node != nil { i = (i + 1) & mask }
    unsafe slots[i] = Slot(tag: tag, node: node)
  }

  private mutating func grow() {
    let old = unsafe slots
    let oldCount = mask + 1
    mask = oldCount * 2 - 1
    unsafe slots = .allocate(capacity: oldCount * 2)
    unsafe slots.initialize(repeating: Slot(), count: oldCount * 2)
    for i in 0..<oldCount { if let node = unsafe old[i].node { place(node, unsafe old[i].tag) } }
    unsafe old.deallocate()
  }
}
