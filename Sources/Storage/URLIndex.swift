import Bytes

/// Finds the nodes whose entries have one canonical URL, whatever their keys (L7). 64 stripes by the URL's
/// hash, each with its lock, which is taken while that of a key's stripe is held, never the other way round.
@safe struct URLIndex: ~Copyable, Sendable {
  private let stripes: InlineArray<64, Guarded<URLStripe>>
  private let arena: SlabArena

  init(arena: SlabArena) {
    self.arena = arena
    stripes = InlineArray { _ in Guarded(URLStripe(arena: arena)) }
  }

  /// Lists the node under the URL unless `fence` says that a purge has come; asked under the URL's lock.
  func add(_ node: NodeRef, _ urlHash: KeyHash, fence: () -> FenceVerdict) -> FenceVerdict {
    stripes[number(urlHash)].withLock { stripe in
      let verdict = fence()
      if verdict != .hard, node.it.entry == nil { stripe.add(node, urlHash, arena: arena) }
      return verdict
    }
  }

  /// Takes out a node that has an entry.
  func remove(_ node: NodeRef) {
    stripes[number(node.it.urlHash)].withLock { $0.remove(node) }
  }

  /// In which of the 64 key stripes nodes with the URL are, a bit each.
  func keyStripes(of urlHash: KeyHash) -> UInt64 {
    stripes[number(urlHash)].withLock { stripe in
      var set: UInt64 = 0
      stripe.forEach(urlHash) { set |= 1 &<< UInt64($0.it.stripe) }
      return set
    }
  }

  /// The nodes with the URL in one key stripe, whose lock is held.
  func nodes(of urlHash: KeyHash, inKeyStripe number: Int) -> [NodeRef] {
    stripes[self.number(urlHash)].withLock { stripe in
      var found: [NodeRef] = []
      stripe.forEach(urlHash) { if $0.it.stripe == number { found.append($0) } }
      return found
    }
  }

  private func number(_ urlHash: KeyHash) -> Int { Int(truncatingIfNeeded: urlHash.low & 63) }
}

/// The table knows the first node of each URL's chain.
struct URLStripe: ~Copyable, @unchecked Sendable {
  private var table = NodeTable()
  private let arena: SlabArena

  init(arena: SlabArena) {
    self.arena = arena
    arena.charge(table.bytes)
  }

  deinit { arena.charge(-table.bytes) }

  private func first(_ urlHash: KeyHash) -> NodeRef? {
    table.find(urlHash.low) { $0.it.urlHash == urlHash }
  }

  mutating func add(_ node: NodeRef, _ urlHash: KeyHash, arena: SlabArena) {
    node.it.urlHash = urlHash
    if let first = first(urlHash) {
      // Behind the first, which the table knows.
      let second = first.it.links[Chain.url.rawValue].next
      node.it.links[Chain.url.rawValue] = NodeLinks(previous: first, next: second)
      first.it.links[Chain.url.rawValue].next = node
      second?.it.links[Chain.url.rawValue].previous = node
    } else {
      node.it.links[Chain.url.rawValue] = NodeLinks()
      arena.charge(table.insert(node, tag: urlHash.low))
    }
  }

  mutating func remove(_ node: NodeRef) {
    let links = node.it.links[Chain.url.rawValue]
    links.next?.it.links[Chain.url.rawValue].previous = links.previous
    if let previous = links.previous {
      previous.it.links[Chain.url.rawValue].next = links.next
    } else if let next = links.next {
      table.replace(node, with: next, tag: node.it.urlHash.low)
    } else {
      table.remove(node, tag: node.it.urlHash.low)
    }
    node.it.links[Chain.url.rawValue] = NodeLinks()
  }

  func forEach(_ urlHash: KeyHash, _ body: (NodeRef) -> Void) {
    var next = first(urlHash)
    while let node = next {
      next = node.it.links[Chain.url.rawValue].next
      body(node)
    }
  }
}
