import Bytes

/// One part of the index. Guarded by the lock of its slot.
struct Stripe: ~Copyable, @unchecked Sendable {
  let number: Int
  var table = NodeTable()
  var recency = NodeList()
  /// The latest second that this stripe has been told, of the cache's clock.
  var clock: Int64 = .min
  var counts = StripeCounts()

  init(number: Int, arena: SlabArena) {
    self.number = number
    arena.charge(table.bytes)
  }

  /// The node of a key. The whole key is compared.
  @inline(__always) func find(_ hash: KeyHash, key: Span<UInt8>) -> NodeRef? {
    table.find(hash.low) { $0.it.hash == hash && $0.hasKey(key) }
  }

  func find(variant hash: KeyHash, of owner: NodeRef) -> NodeRef? {
    table.find(hash.low) { $0.it.hash == hash && $0.it.owner == owner }
  }

  mutating func findOrMake(_ hash: KeyHash, key: Span<UInt8>, arena: SlabArena) -> NodeRef {
    if let node = find(hash, key: key) { return node }
    let node = NodeRef.make(hash: hash, owner: nil, listHash: 0, stripe: number, key: key, in: arena)
    arena.charge(table.insert(node, tag: hash.low))
    return node
  }

  mutating func findOrMake(variant hash: KeyHash, of owner: NodeRef, listHash: UInt64, arena: SlabArena)
    -> NodeRef
  {
    if let node = find(variant: hash, of: owner) { return node }
    let node = NodeRef.make(
      hash: hash, owner: owner, listHash: listHash, stripe: number, key: Span<UInt8>(), in: arena)
    arena.charge(table.insert(node, tag: hash.low))
    owner.it.lists?.it.children += 1
    return node
  }

  /// Frees a node that holds nothing any more, and its key's node if that was all it was there for.
  mutating func removeIfDead(_ node: NodeRef, arena: SlabArena) {
    guard node.it.isDead else { return }
    let owner = node.it.owner
    table.remove(node, tag: node.it.hash.low)
    node.free(in: arena)
    guard let owner else { return }
    owner.it.lists?.it.children -= 1
    removeIfDead(owner, arena: arena)
  }

  /// Puts a node in the order of use, as the last used.
  mutating func list(_ node: NodeRef, now: Int64) {
    clock = max(clock, now)
    if node.it.isListed { recency.remove(node, .recency) }
    recency.pushFront(node, .recency)
    node.it.lastUse = clock
    if let lists = node.it.owner?.it.lists {
      if node.it.isListed { lists.it.siblings.remove(node, .siblings) } else { lists.it.siblingCount += 1 }
      lists.it.siblings.pushBack(node, .siblings)
    }
    node.it.isListed = true
  }

  mutating func unlist(_ node: NodeRef) {
    guard node.it.isListed else { return }
    recency.remove(node, .recency)
    if let lists = node.it.owner?.it.lists {
      lists.it.siblings.remove(node, .siblings)
      lists.it.siblingCount -= 1
    }
    node.it.isListed = false
  }

  mutating func register(_ fill: Fill, at node: NodeRef) {
    unsafe fill.next = node.it.fills
    unsafe node.it.fills = .passRetained(fill)
    unsafe fill.place = node
    counts.fills += 1
  }

  /// Takes a fill from its node, which may be dead then.
  mutating func unregister(_ fill: Fill) {
    guard let node = unsafe fill.place else { return }
    unsafe fill.place = nil
    counts.fills -= 1
    let reference = unsafe Unmanaged.passUnretained(fill)
    if unsafe node.it.fills?.toOpaque() == reference.toOpaque() {
      unsafe node.it.fills = fill.next
    } else {
      var before = unsafe node.it.fills
      while let fillBefore = unsafe before?.takeUnretainedValue() {
        if unsafe fillBefore.next?.toOpaque() == reference.toOpaque() {
          unsafe fillBefore.next = fill.next
          break
        }
        unsafe before = fillBefore.next
      }
    }
    unsafe fill.next = nil
    unsafe reference.release()
  }
}

struct StripeCounts {
  var entries = 0
  var marks = 0
  var fills = 0
  var evictions = 0
  var variantsDropped = 0
}

/// Where a variant of the key with hash `key` stands in the table.
func variantHash(_ key: KeyHash, listHash: UInt64, selecting: KeyHash) -> KeyHash {
  KeyHash(
    low: key.low ^ listHash ^ (selecting.low &<< 17 | selecting.low &>> 47), high: key.high &+ selecting.high)
}
