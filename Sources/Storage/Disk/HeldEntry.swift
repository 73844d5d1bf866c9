import Bytes
import Caching

/// An entry that a disk thread works on.
final class HeldEntry: Sendable {
  let entry: EntryHandle
  let hash: KeyHash
  let varyNames: [UInt8]
  let varyValues: [UInt8]
  let selecting: KeyHash

  init(
    _ entry: consuming EntryHandle, hash: KeyHash, varyNames: [UInt8] = [], varyValues: [UInt8] = [],
    selecting: KeyHash = KeyHash(low: 0, high: 0)
  ) {
    self.entry = entry
    self.hash = hash
    self.varyNames = varyNames
    self.varyValues = varyValues
    self.selecting = selecting
  }

  var head: Span<UInt8> {
    @_lifetime(borrow self)
    get { part(0, entry.headCount) }
  }

  var key: Span<UInt8> {
    @_lifetime(borrow self)
    get { part(entry.headCount, entry.keyCount) }
  }

  var url: Span<UInt8> {
    @_lifetime(borrow self)
    get { part(entry.headCount + entry.keyCount, entry.urlCount) }
  }

  @_lifetime(borrow self)
  private func part(_ start: Int, _ count: Int) -> Span<UInt8> {
    // SAFETY: head, key and URL lie one behind the other as long as the entry, which is counted here.
    let span = unsafe Span<UInt8>(_unsafeStart: entry.headBase + start, count: count)
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  var facts: EntryFile.Facts {
    let etag = entry.etagRange
    return EntryFile.Facts(
      born: entry.born, status: entry.status, freshness: entry.freshness,
      isSoftlyPurged: entry.isSoftlyPurged, etag: etag.isEmpty ? nil : etag, lastModified: entry.lastModified)
  }
}
