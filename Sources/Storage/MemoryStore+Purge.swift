import Bytes
import Synchronization

extension MemoryStore {
  /// Purges all that has this canonical URL (L7): entries of every key and variant go at once, what is being
  /// fetched for it is fenced. When this returns, no look-up on any thread gets older content (L20, L21).
  ///
  /// - Parameter soft: Entries stay, but not as fresh; what is being fetched is stored stale.
  /// - Returns: How many entries were concerned, and the purge's number in the sequence.
  public func purge(url: Span<UInt8>, soft: Bool) -> (purged: Int, sequence: UInt64) {
    let urlHash = seed.hash(url)
    let sequence = fences.purge(urlHash: urlHash, soft: soft)
    var purged = 0
    var remaining = urls.keyStripes(of: urlHash)
    while remaining != 0 {
      let number = remaining.trailingZeroBitCount
      remaining &= remaining - 1
      purged += purge(urlHash, bornBefore: sequence, soft: soft, inStripe: number)
    }
    // Only now may the record go: until here, entries were left that it had to fence.
    fences.ended(sequence)
    return (purged, sequence)
  }

  private func purge(_ urlHash: KeyHash, bornBefore sequence: UInt64, soft: Bool, inStripe number: Int) -> Int
  {
    var garbage = Garbage()
    let count = stripe(number).withLock { stripe in
      var count = 0
      for node in urls.nodes(of: urlHash, inKeyStripe: number) {
        guard let entry = node.it.entry, entry.it.born < sequence else { continue }
        count += 1
        if soft {
          entry.it.isSoftlyPurged.store(true, ordering: .relaxed)
        } else {
          _ = dropEntry(of: node, in: &stripe)
          garbage.add(entry)
        }
      }
      publishOldest(of: stripe)
      return count
    }
    garbage.release()
    return count
  }

  /// A purge leaves the mark: what is unshareable stays so.
  private func dropEntry(of node: NodeRef, in stripe: inout Stripe) -> EntryRef? {
    let markedUntil = node.it.markedUntil
    guard markedUntil != .min, let entry = node.it.entry else { return dropContents(of: node, in: &stripe) }
    urls.remove(node)
    stripe.counts.entries -= 1
    node.it.entry = nil
    node.it.forgetBackOff()
    return entry
  }
}
