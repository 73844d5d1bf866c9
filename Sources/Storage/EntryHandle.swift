public import Bytes
public import Caching
public import Synchronization

/// One counted reference to a stored response: its bytes stay where they are as long as the handle lives,
/// whatever is evicted, replaced or purged meanwhile. May be used on any thread.
@safe public struct EntryHandle: ~Copyable, @unchecked Sendable {
  @usableFromInline let entry: EntryRef
  /// After a failed refresh, no other is to be tried before this time (L15); 0: any time.
  public let refreshBlockedUntil: Milliseconds
  /// The key is known to be unshareable now: fetch on your own; the entry serves only as a stale answer
  /// (L14).
  public let isMarked: Bool
  /// Its use was noted by this look-up: at most once in a few seconds (L32).
  public let isNoted: Bool

  /// Takes over one reference that its maker has counted.
  init(
    adopting entry: EntryRef, refreshBlockedUntil: Milliseconds = 0, isMarked: Bool = false,
    isNoted: Bool = false
  ) {
    self.entry = entry
    self.refreshBlockedUntil = refreshBlockedUntil
    self.isMarked = isMarked
    self.isNoted = isNoted
  }

  @inlinable deinit { entry.release() }

  /// Another reference to the same response.
  public borrowing func duplicate() -> EntryHandle {
    entry.retain()
    return EntryHandle(adopting: entry, refreshBlockedUntil: refreshBlockedUntil, isMarked: isMarked)
  }

  @inlinable public var status: UInt16 { entry.it.status }
  @inlinable public var born: UInt64 { entry.it.born }
  @inlinable public var freshness: Freshness { entry.it.freshness }
  @inlinable public var urlHash: KeyHash { entry.it.urlHash }

  /// A soft purge has come since: not to be used as fresh (L21).
  @inlinable public var isSoftlyPurged: Bool { entry.it.isSoftlyPurged.load(ordering: .relaxed) }

  /// Seconds since 1970; `nil`: the response has no usable `Last-Modified`.
  @inlinable public var lastModified: Int64? {
    entry.it.lastModified == .min ? nil : entry.it.lastModified
  }

  /// The serialised head as `commit` was given it.
  @inlinable public var head: Span<UInt8> {
    @_lifetime(borrow self)
    get { part(0, Int(entry.it.headCount)) }
  }

  /// The head's first byte, for system calls; valid as long as the handle.
  @inlinable public var headBase: UnsafePointer<UInt8> { unsafe entry.bytes }

  @inlinable public var key: Span<UInt8> {
    @_lifetime(borrow self)
    get { part(Int(entry.it.headCount), Int(entry.it.keyCount)) }
  }

  /// The canonical URL (L7).
  @inlinable public var url: Span<UInt8> {
    @_lifetime(borrow self)
    get { part(Int(entry.it.headCount) &+ Int(entry.it.keyCount), Int(entry.it.urlCount)) }
  }

  /// The entity tag with its quotes, as it stands in the head; `nil`: none.
  @inlinable public var etag: Span<UInt8>? {
    @_lifetime(borrow self)
    get {
      let range = entry.it.etag
      return range.isEmpty ? nil : part(range.lower, range.count)
    }
  }

  /// Where the entity tag stands in the head; empty: there is none.
  var etagRange: ByteRange { entry.it.etag }
  var headCount: Int { Int(entry.it.headCount) }
  var keyCount: Int { Int(entry.it.keyCount) }
  var urlCount: Int { Int(entry.it.urlCount) }

  @_lifetime(borrow self)
  @inlinable func part(_ start: Int, _ count: Int) -> Span<UInt8> {
    // SAFETY: the record's bytes do not move or change while this handle counts it.
    let span = unsafe Span<UInt8>(_unsafeStart: entry.bytes + start, count: count)
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  public var bodyLength: Int { entry.it.body.length }
  /// Of its file; `nil`: there is no disk.
  public var name: EntryName? { entry.it.name }

  /// 0 where the body lies in a file.
  public var bodySegmentCount: Int { entry.it.body.segmentCount }

  /// The file that the body lies in; `nil`: it is in memory.
  public var file: StoredFile? { entry.it.body.file }

  /// Segment `index` as a part of a file, to be sent without a copy while the handle lives; `nil`: it must be
  /// copied.
  public borrowing func lendSegment(_ index: Int) -> (file: CInt, offset: Int)? { entry.it.body.lend(index) }

  /// The bytes of the body's segment `index`; valid as long as the handle.
  public borrowing func bodySegment(_ index: Int) -> (UnsafePointer<UInt8>, Int) {
    unsafe entry.it.body.segment(index)
  }

  /// The body's bytes from `offset` on, as far as they lie together, at most `max`; `nil` at its end. Valid
  /// as long as the handle.
  public borrowing func bodyBytes(at offset: Int, max limit: Int) -> (UnsafePointer<UInt8>, Int)? {
    unsafe entry.it.body.bytes(at: offset, max: limit)
  }
}
