import Bytes

/// A place in the index: a key, or one variant of a key. Guarded by the lock of the key's stripe, but for
/// `urlHash` and the URL chain, which the lock of the URL's stripe guards.
///
/// Lies at the start of a block; a key's node is followed by the key.
@safe struct Node {
  let hash: KeyHash
  /// Of a variant: its key's node. `nil`: this is a key's node.
  let owner: NodeRef?
  let keyCount: Int
  /// Of a variant: which of the key's lists it is selected by.
  let listHash: UInt64
  /// Number of the key's stripe.
  let stripe: Int
  /// Counted by the index.
  var entry: EntryRef?
  /// Purges up to this number do not concern `entry`: they have been looked up.
  var clearedThrough: UInt64 = 0
  /// In seconds of the cache's clock; until then the response is known to be unshareable.
  var markedUntil: Int64 = .min
  var refreshBlockedUntil: Milliseconds = 0
  var backOff: Milliseconds = 0
  /// Fills in flight, newest first, chained by `Fill.next` and counted by the index.
  var fills: Unmanaged<Fill>?
  /// Of a key: what its responses vary on. `nil`: none has varied.
  var lists: VaryListsRef?
  var lastUse: Int64 = .min
  var urlHash = KeyHash(low: 0, high: 0)
  var links = InlineArray<3, NodeLinks>(repeating: NodeLinks())
  var isListed = false

  /// Has something that eviction can take: an entry or a mark.
  var isWorthKeeping: Bool { entry != nil || markedUntil != .min }
  var isDead: Bool {
    let isFetched = unsafe fills != nil
    return !isFetched && !isWorthKeeping && (lists == nil || lists!.it.children == 0)
  }

  mutating func forgetBackOff() {
    backOff = 0
    refreshBlockedUntil = 0
  }
}

struct NodeLinks {
  var previous: NodeRef?
  var next: NodeRef?
}

/// The address of a node in the index.
@safe struct NodeRef: Equatable, @unchecked Sendable {
  let pointer: UnsafeMutablePointer<Node>

  // SAFETY (of this type): a node is freed only under its stripe's lock, when nothing in the index or in a
  // fill refers to it; whoever follows a `NodeRef` holds that lock, or the lock of the URL chain it is on.

  var it: Node {
    @inline(__always) unsafeAddress { unsafe UnsafePointer(pointer) }
    @inline(__always) nonmutating unsafeMutableAddress { unsafe pointer }
  }

  static func == (left: NodeRef, right: NodeRef) -> Bool { unsafe left.pointer == right.pointer }

  private var keyBytes: UnsafeMutablePointer<UInt8> {
    unsafe (UnsafeMutableRawPointer(pointer) + MemoryLayout<Node>.stride).assumingMemoryBound(to: UInt8.self)
  }

  /// The key of a key's node.
  func hasKey(_ key: Span<UInt8>) -> Bool {
    let own = unsafe Span<UInt8>(_unsafeStart: keyBytes, count: it.keyCount)
    return it.owner == nil && own.equals(key)
  }

  static func make(
    hash: KeyHash, owner: NodeRef?, listHash: UInt64, stripe: Int, key: Span<UInt8>, in arena: SlabArena
  ) -> NodeRef {
    let block = unsafe arena.allocateSomewhere(MemoryLayout<Node>.stride + key.count)
    let node = unsafe NodeRef(pointer: block.pointer.bindMemory(to: Node.self, capacity: 1))
    unsafe node.pointer.initialize(
      to: Node(hash: hash, owner: owner, keyCount: key.count, listHash: listHash, stripe: stripe))
    for i in key.indices { unsafe (node.keyBytes + i).initialize(to: key[i]) }
    return node
  }

  func free(in arena: SlabArena) {
    it.lists?.free(in: arena)
    unsafe pointer.deinitialize(count: 1)
    unsafe arena.free(pointer)
  }
}

/// The chains that a node can be on.
enum Chain: Int {
  /// All nodes of a stripe that are worth keeping, most recently used first.
  case recency
  /// The variants of a key that are worth keeping, oldest first.
  case siblings
  /// The nodes whose entries have one canonical URL.
  case url
}

/// A doubly linked list through the nodes themselves.
struct NodeList {
  private(set) var first: NodeRef?
  private(set) var last: NodeRef?

  mutating func pushFront(_ node: NodeRef, _ chain: Chain) {
    node.it.links[chain.rawValue] = NodeLinks(previous: nil, next: first)
    if let first { first.it.links[chain.rawValue].previous = node } else { last = node }
    first = node
  }

  mutating func pushBack(_ node: NodeRef, _ chain: Chain) {
    node.it.links[chain.rawValue] = NodeLinks(previous: last, next: nil)
    if let last { last.it.links[chain.rawValue].next = node } else { first = node }
    last = node
  }

  mutating func remove(_ node: NodeRef, _ chain: Chain) {
    let links = node.it.links[chain.rawValue]
    if let previous = links.previous {
      previous.it.links[chain.rawValue].next = links.next
    } else {
      first = links.next
    }
    if let next = links.next {
      next.it.links[chain.rawValue].previous = links.previous
    } else {
      last = links.previous
    }
    node.it.links[chain.rawValue] = NodeLinks()
  }
}
