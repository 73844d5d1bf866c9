public import Bytes
public import Caching
import Glibc
public import Synchronization

/// One stored response without its body: facts, serialised head, key and canonical URL. Immutable but for its
/// count and the mark of a soft purge.
///
/// Lies at the start of a block; head, key and URL follow it in this order.
@safe @usableFromInline struct EntryRecord: ~Copyable {
  @usableFromInline let references = Atomic<UInt32>(1)
  /// A soft purge has come since the response was fetched: it must not be used as fresh (L21).
  @usableFromInline let isSoftlyPurged: Atomic<Bool>
  @usableFromInline let status: UInt16
  @usableFromInline let headCount: Int32
  @usableFromInline let keyCount: Int32
  @usableFromInline let urlCount: Int32
  @usableFromInline let born: UInt64
  @usableFromInline let freshness: Freshness
  @usableFromInline let urlHash: KeyHash
  /// Within the head; empty: none.
  @usableFromInline let etag: ByteRange
  /// Seconds since 1970; the least value: none.
  @usableFromInline let lastModified: Int64
  /// Of its file, where there is a disk.
  let name: EntryName?
  let body: BodyRef
  let arena: Unmanaged<SlabArena>

  init(
    _ facts: EntryFacts, counts: (head: Int, key: Int, url: Int), born: UInt64, urlHash: KeyHash,
    body: BodyRef, arena: SlabArena
  ) {
    isSoftlyPurged = Atomic(false)
    status = facts.status
    headCount = Int32(counts.head)
    keyCount = Int32(counts.key)
    urlCount = Int32(counts.url)
    self.born = born
    freshness = facts.freshness
    self.urlHash = urlHash
    etag = facts.etag ?? .empty
    lastModified = facts.lastModified ?? .min
    name = facts.name
    self.body = body
    unsafe self.arena = .passUnretained(arena)
  }

  /// The same response with its body in another place.
  init(copying other: EntryRef, body: BodyRef, arena: SlabArena) {
    isSoftlyPurged = Atomic(other.it.isSoftlyPurged.load(ordering: .relaxed))
    status = other.it.status
    headCount = other.it.headCount
    keyCount = other.it.keyCount
    urlCount = other.it.urlCount
    born = other.it.born
    freshness = other.it.freshness
    urlHash = other.it.urlHash
    etag = other.it.etag
    lastModified = other.it.lastModified
    name = other.it.name
    self.body = body
    unsafe self.arena = .passUnretained(arena)
  }
}

/// The address of an entry record together with one counted reference to it, passed on by hand. Only the
/// index and `EntryHandle` hold one.
@safe @usableFromInline struct EntryRef: @unchecked Sendable {
  @usableFromInline let pointer: UnsafeMutablePointer<EntryRecord>

  // SAFETY (of this type): a record is freed by the release of its last reference, and whoever uses an
  // `EntryRef` holds one or the lock of the stripe whose index does.

  init(_ pointer: UnsafeMutablePointer<EntryRecord>) { unsafe self.pointer = pointer }

  @inlinable var it: EntryRecord { unsafeAddress { unsafe UnsafePointer(pointer) } }

  @inlinable var bytes: UnsafePointer<UInt8> {
    unsafe UnsafePointer(
      (UnsafeMutableRawPointer(pointer) + MemoryLayout<EntryRecord>.stride)
        .assumingMemoryBound(to: UInt8.self))
  }

  @inlinable func retain() { it.references.wrappingAdd(1, ordering: .relaxed) }

  @inlinable func release() {
    let left = it.references.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue
    if left == 0 { free() }
  }

  @usableFromInline func free() {
    it.body.release()
    let arena = unsafe it.arena.takeUnretainedValue()
    unsafe pointer.deinitialize(count: 1)
    unsafe arena.free(pointer)
  }

  /// Size of the block for such a record, in bytes.
  static func blockBytes(head: Int, key: Int, url: Int) -> Int {
    MemoryLayout<EntryRecord>.stride + head + key + url
  }

  /// Writes a record into `block`, whose size is at least `blockBytes`. The result is its only reference.
  static func make(
    in block: SlabBlock, record: consuming EntryRecord, head: Span<UInt8>, key: Span<UInt8>, url: Span<UInt8>
  ) -> EntryRef {
    let reference = unsafe EntryRef(block.pointer.bindMemory(to: EntryRecord.self, capacity: 1))
    unsafe reference.pointer.initialize(to: record)
    var at = unsafe UnsafeMutablePointer(mutating: reference.bytes)
    for part in [0, 1, 2] {
      let bytes = part == 0 ? head : part == 1 ? key : url
      unsafe bytes.withUnsafeBufferPointer {
        if let start = $0.baseAddress { unsafe memcpy(at, start, $0.count) }
      }
      unsafe at += bytes.count
    }
    return reference
  }
}
