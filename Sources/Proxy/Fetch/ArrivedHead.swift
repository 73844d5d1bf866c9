import Bytes
import Caching
import HTTP
import Storage

/// The head of a fill's response, as every reader on every worker sees it. Immutable once published.
@safe final class ArrivedHead: FillHead, @unchecked Sendable {
  let status: UInt16
  /// The serialised head without the empty line, as it is stored.
  let base: UnsafePointer<UInt8>
  let count: Int
  /// How long it may be used; `nil` when it is not stored.
  let freshness: Freshness?
  let lastModified: Int64?
  private let etagRange: ByteRange?
  /// The response's own Age, when it is not stored.
  let age: Int?
  /// Whether it will be stored if it arrives whole.
  let isStored: Bool
  let allowsAuthorization: Bool
  /// Conditions and ranges were the origin's to answer.
  let isRaw: Bool
  /// After a 304: the entry that it confirmed.
  let confirmed: EntryHandle?

  var isGuessed: Bool { freshness?.isGuessed ?? false }

  init(
    _ bytes: borrowing OutputBuffer, status: UInt16, facts: HeadFacts, freshness: Freshness?, age: Int?,
    allowsAuthorization: Bool, isRaw: Bool, confirmed: consuming EntryHandle?, joining: JoinFacts
  ) {
    let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: max(bytes.count, 1))
    unsafe copy.update(from: bytes.base, count: bytes.count)
    unsafe base = UnsafePointer(copy)
    count = bytes.count
    self.status = status
    self.freshness = freshness
    etagRange = facts.etag
    lastModified = facts.lastModified
    self.age = age
    isStored = freshness != nil
    self.allowsAuthorization = allowsAuthorization
    self.isRaw = isRaw
    self.confirmed = consume confirmed
    super.init(
      contentLength: joining.contentLength, isJoinable: joining.isJoinable, varyNames: joining.varyNames,
      selecting: joining.selecting)
  }

  deinit { unsafe base.deallocate() }

  var etag: Span<UInt8>? {
    @_lifetime(borrow self)
    get {
      guard let etagRange else { return nil }
      let span = unsafe Span<UInt8>(_unsafeStart: base, count: count).extracting(etagRange)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }
}

/// What decides who may read a fill.
struct JoinFacts {
  var contentLength: Int?
  var isJoinable = false
  var varyNames: [UInt8] = []
  var selecting = KeyHash(low: 0, high: 0)
}
