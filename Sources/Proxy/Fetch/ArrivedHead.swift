import Bytes
import Caching
import Glibc
import HTTP
import Storage

/// The head of a fill's response, as every reader on every worker sees it. Immutable once published.
@safe final class ArrivedHead: FillHead, @unchecked Sendable {
  let status: UInt16
  /// The serialised head without the empty line, as it is stored.
  let base: UnsafePointer<UInt8>
  let count: Int
  /// The same with the fields that only the client which asked may have (`no-cache="…"`, `private="…"`);
  /// empty where there are none.
  private let own: UnsafeMutableBufferPointer<UInt8>?
  /// How long it may be used; `nil` when it is not stored.
  let freshness: Freshness?
  /// The response's own Age, when it is not stored.
  let age: Int?
  let allowsAuthorization: Bool
  /// Conditions and ranges were the origin's to answer.
  let isRaw: Bool
  /// The answer to a range that was passed, when the whole may be stored and is known to be small.
  let isOfSmall: Bool
  let upstream: UpstreamFacts
  /// After a 304: the entry that it confirmed.
  let confirmed: EntryHandle?

  var isGuessed: Bool { freshness?.isGuessed ?? false }
  var isConfirmation: Bool { confirmed != nil }
  /// Whether it will be stored if it arrives whole.
  var isStored: Bool { freshness != nil && confirmed == nil }
  /// Found anew at each call: only conditions, ranges and the store ask.
  var facts: HeadFacts { HeadFacts(bytes) }

  init(
    _ bytes: borrowing OutputBuffer, _ traits: ArrivedTraits, confirmed: consuming EntryHandle?,
    own: [UInt8] = []
  ) {
    if own.isEmpty {
      unsafe self.own = nil
    } else {
      let memory = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: own.count)
      _ = unsafe memory.initialize(from: own)
      unsafe self.own = unsafe memory
    }
    let copy = unsafe allocateBytes(bytes.count)
    unsafe memcpy(copy, bytes.base, bytes.count)
    unsafe base = UnsafePointer(copy.assumingMemoryBound(to: UInt8.self))
    count = bytes.count
    status = traits.status
    freshness = traits.freshness
    age = traits.age
    allowsAuthorization = traits.allowsAuthorization
    isRaw = traits.isRaw
    isOfSmall = traits.isOfSmall
    upstream = traits.upstream
    self.confirmed = consume confirmed
    super.init(
      contentLength: traits.contentLength, isJoinable: traits.isJoinable, varyNames: traits.varyNames,
      selecting: traits.selecting)
  }

  deinit {
    unsafe free(UnsafeMutableRawPointer(mutating: base))
    unsafe own?.deallocate()
  }

  var bytes: Span<UInt8> {
    @_lifetime(borrow self)
    get {
      // SAFETY: `base` holds `count` bytes for as long as this object lives.
      let span = unsafe Span<UInt8>(_unsafeStart: base, count: count)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// For the client whose request the fill was made from.
  var ownBytes: Span<UInt8> {
    @_lifetime(borrow self)
    get {
      guard let own = unsafe own else { return bytes }
      return unsafe _overrideLifetime(Span<UInt8>(_unsafeElements: UnsafeBufferPointer(own)), borrowing: self)
    }
  }
}

/// What is known of a response beside its bytes, and decides who may read its fill.
struct ArrivedTraits {
  var status: UInt16
  var freshness: Freshness?
  var age: Int?
  var allowsAuthorization = false
  var isRaw = false
  var isOfSmall = false
  var upstream = UpstreamFacts()
  var contentLength: Int?
  var isJoinable = false
  var varyNames: [UInt8] = []
  var selecting = KeyHash(low: 0, high: 0)
}
