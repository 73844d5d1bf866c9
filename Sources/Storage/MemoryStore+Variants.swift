import Bytes

/// Where a fill's response belongs once its `Vary` is known. All under the lock of the key's stripe.
extension MemoryStore {
  /// Moves the fill to its response's variant, making the response's list the key's newest.
  func settle(_ fill: Fill, in stripe: inout Stripe, _ garbage: inout Garbage) -> NodeRef {
    if unsafe !fill.selection.isKnown, let head = unsafe fill.publishedHead {
      unsafe fill.selection = FillSelection(varyNames: head.varyNames, hash: head.selecting, isKnown: true)
    }
    if unsafe !fill.selection.isKnown, let place = unsafe fill.place { return place }
    let old = unsafe fill.place
    let key = old.map { $0.it.owner ?? $0 } ?? findOrMakeKey(of: fill, in: &stripe)
    // Under way, nothing that is still needed may look dead; both places are looked at again at the end.
    let target = unsafe variant(of: key, fill.selection, in: &stripe, &garbage)
    if target != old, old != nil {
      stripe.unregister(fill)
      stripe.register(fill, at: target)
      if let old { stripe.removeIfDead(old, arena: arena) }
    }
    return target
  }

  private func findOrMakeKey(of fill: Fill, in stripe: inout Stripe) -> NodeRef {
    return stripe.findOrMake(fill.hash, key: fill.key, arena: arena)
  }

  /// The node of the variant that `selection` names, made if need be.
  private func variant(
    of key: NodeRef, _ selection: FillSelection, in stripe: inout Stripe, _ garbage: inout Garbage
  ) -> NodeRef {
    let listHash = FieldNames.hash(of: selection.varyNames.span, seed: seed)
    if key.it.lists == nil {
      if listHash == 0 { return key }
      let lists = VaryListsRef(in: arena)
      key.it.lists = lists
      if key.it.isWorthKeeping { _ = lists.makeNewest(Span<UInt8>(), hash: 0, in: arena) }
    }
    guard let lists = key.it.lists else { return key }
    let target: NodeRef
    if listHash == 0 {
      target = key
    } else {
      let hash = variantHash(key.it.hash, listHash: listHash, selecting: selection.hash)
      target = stripe.findOrMake(variant: hash, of: key, listHash: listHash, arena: arena)
    }
    if let dropped = lists.makeNewest(selection.varyNames.span, hash: listHash, in: arena) {
      // Held as if by one more variant: the key's node may have nothing else at this moment.
      lists.it.children += 1
      dropVariants(of: key, listHash: dropped, except: target, in: &stripe, &garbage)
      lists.it.children -= 1
    }
    return target
  }

  /// What a list selected cannot be found without it.
  private func dropVariants(
    of key: NodeRef, listHash: UInt64, except kept: NodeRef, in stripe: inout Stripe,
    _ garbage: inout Garbage
  ) {
    if listHash == 0 {
      if key != kept, key.it.isListed, let entry = dropContents(of: key, in: &stripe) { garbage.add(entry) }
      return
    }
    var next = key.it.lists?.it.siblings.first
    while let node = next {
      next = node.it.links[Chain.siblings.rawValue].next
      guard node.it.listHash == listHash, node != kept else { continue }
      if let entry = dropContents(of: node, in: &stripe) { garbage.add(entry) }
    }
  }

  /// Takes entry and mark from a node, and the node from the index if no fill needs it. The caller releases
  /// the entry.
  func dropContents(of node: NodeRef, in stripe: inout Stripe) -> EntryRef? {
    let entry = node.it.entry
    if entry != nil {
      urls.remove(node)
      stripe.counts.entries -= 1
      node.it.entry = nil
    }
    if node.it.markedUntil != .min {
      stripe.counts.marks -= 1
      node.it.markedUntil = .min
    }
    node.it.forgetBackOff()
    stripe.unlist(node)
    stripe.removeIfDead(node, arena: arena)
    return entry
  }
}
