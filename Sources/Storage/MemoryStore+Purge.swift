import Bytes
import Synchronization

extension MemoryStore {
  /// Purges all that has this canonical URL (L7): entries of every key and variant go at once, what is being
  /// fetched for it is fenced. When this returns, no look-up on any thread gets older content (L20, L21).
  ///
  /// - Parameter soft: Entries stay, but not as fresh; what is being fetched is stored stale.
  /// - Returns: How many entries were concerned, and the purge's number in the sequence.
  public func purge(url: Span<UInt8>, soft: Bool) -> (purged: Int, sequence: UInt64) {
    let (born, sequence) = purgeEntries(urlHash: seed.hash(url), soft: soft)
    return (born.count, sequence)
  }

  /// As `purge`; tells the numbers of the entries that were concerned.
  func purgeEntries(urlHash: KeyHash, soft: Bool) -> (born: [UInt64], sequence: UInt64) {
    let sequence = fences.purge(urlHash: urlHash, soft: soft)
    var purged: [UInt64] = []
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

  private func purge(_ urlHash: KeyHash, bornBefore sequence: UInt64, soft: Bool, inStripe number: Int)
    -> [UInt64]
  {
    var garbage = Garbage()
    let purged = stripe(number).withLock { stripe in
      var purged: [UInt64] = []
      for node in urls.nodes(of: urlHash, inKeyStripe: number) {
        guard let entry = node.it.entry, entry.it.born < sequence else { continue }
        purged.append(entry.it.born)
        if soft {
          entry.it.isSoftlyPurged.store(true, ordering: .relaxed)
        } else {
          _ = dropEntry(of: node, in: &stripe)
          garbage.add(entry)
        }
      }
      publishOldest(of: stripe)
      return purged
    }
    garbage.release()
    return purged
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
