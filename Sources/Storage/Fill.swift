public import Bytes
public import Caching
import Glibc
import Synchronization

/// One upstream response on its way in, read by any number of exchanges on any worker while it arrives (L3).
///
/// Its *owner* is the one worker that talks to the upstream: only it appends and ends. Readers enter, read
/// published bytes and report what they have consumed. Everything shared is an atomic, or set before an
/// atomic says so, or under `body`; `place`, `next`, `isEnded` and the selection belong to the lock of the
/// key's stripe.
///
/// A fill that is *kept* accumulates for the store. One that is not keeps only what some reader has yet to
/// consume, at most `StoreOptions.windowBytes` and a block (L12), and takes no new readers.
///
/// `MemoryStore.end` must be called for every fill, whatever became of it.
@safe public final class Fill: Sendable {
  public let hash: KeyHash
  public let urlHash: KeyHash
  /// Its number in the sequence of purges (L19), and its name.
  public let born: UInt64
  public let ownerWorker: Int
  public let startedAt: Milliseconds
  /// Registered under its key, so that others may join.
  public let isShared: Bool
  /// The store may take it. False for responses to requests that must not store.
  public let mayStore: Bool

  let store: MemoryStore
  let phase = Atomic<UInt8>(FillStatus.awaitingHead.rawValue)
  let failure = Atomic<UInt8>(0)
  let publishedLength = Atomic<Int>(0)
  let keeps: Atomic<Bool>
  let isOwnerPaused = Atomic<Bool>(false)
  let isDrainPending = Atomic<Bool>(false)
  let cutBelow = Atomic<Int>(0)
  let interimsPublished = Atomic<Int>(0)
  /// One for each worker; behind them the bytes of key and URL.
  nonisolated(unsafe) let lanes: UnsafeMutablePointer<FillLane>
  private let keyCount: Int
  private let urlCount: Int
  let body = Guarded(FillBody(), sharesCacheLines: true)
  /// The owner's own object for this fill; only its thread touches it.
  nonisolated(unsafe) public var ownerAttachment: AnyObject?
  /// Set by the owner before `phase` leaves `awaitingHead`.
  nonisolated(unsafe) var publishedHead: FillHead?
  /// How the disk takes a body that is too long for memory; `nil`: it does not. Set by the owner before that,
  /// too.
  nonisolated(unsafe) public var spillPlan: SpillPlan?

  // Under the lock of the key's stripe:
  nonisolated(unsafe) var place: NodeRef?
  nonisolated(unsafe) var next: Unmanaged<Fill>?
  nonisolated(unsafe) var isEnded = false
  nonisolated(unsafe) var selection = FillSelection()

  init(_ subject: borrowing FillSubject, store: MemoryStore, born: UInt64, isShared: Bool, mayStore: Bool) {
    hash = subject.hash
    urlHash = subject.urlHash
    startedAt = subject.now
    ownerWorker = subject.worker
    self.born = born
    self.isShared = isShared
    self.mayStore = mayStore
    keeps = Atomic(mayStore)
    self.store = store
    keyCount = subject.key.count
    urlCount = subject.url.count
    let laneBytes = store.workerCount * MemoryLayout<FillLane>.stride
    let memory = unsafe allocateBytes(laneBytes + keyCount + urlCount)
    unsafe lanes = memory.bindMemory(to: FillLane.self, capacity: store.workerCount)
    for i in 0..<store.workerCount { unsafe (lanes + i).initialize(to: FillLane()) }
    let names = unsafe UnsafeMutableRawBufferPointer(start: memory + laneBytes, count: keyCount + urlCount)
    unsafe subject.key.withUnsafeBytes { unsafe names.copyMemory(from: $0) }
    unsafe subject.url.withUnsafeBytes { url in
      unsafe UnsafeMutableRawBufferPointer(rebasing: names[keyCount...]).copyMemory(from: url)
    }
    store.arena.charge(Fill.chargedBytes)
  }

  deinit {
    unsafe lanes.deinitialize(count: store.workerCount)
    unsafe free(lanes)
    store.arena.charge(-Fill.chargedBytes)
    let passing = body.withLock { $0.release(to: store.arena) }
    if passing > 0 { store.inFlight.add(-passing) }
    if unsafe !isEnded { store.fences.ended(born) }
  }

  /// What a fill is taken to cost besides its body, in bytes of the budget.
  static let chargedBytes = 1024

  public var id: UInt64 { born }

  public var key: Span<UInt8> {
    @_lifetime(borrow self)
    get { names(from: 0, count: keyCount) }
  }

  /// Canonical URL (L7).
  public var url: Span<UInt8> {
    @_lifetime(borrow self)
    get { names(from: keyCount, count: urlCount) }
  }

  @_lifetime(borrow self)
  private func names(from start: Int, count: Int) -> Span<UInt8> {
    // SAFETY: the bytes live as long as the fill.
    let bytes = unsafe UnsafeRawPointer(lanes + store.workerCount) + start
    let span = unsafe Span<UInt8>(_unsafeStart: bytes.assumingMemoryBound(to: UInt8.self), count: count)
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  public var status: FillStatus { FillStatus(rawValue: phase.load(ordering: .acquiring)) ?? .failed }

  /// Why it failed: the owner's word; 0 before that.
  public var failureReason: UInt8 { failure.load(ordering: .acquiring) }

  /// `nil` until the status leaves `awaitingHead`.
  public var head: FillHead? { unsafe status == .awaitingHead ? nil : publishedHead }

  /// Bytes of the body that can be read. Read the status first: when that is `complete`, this is all.
  public var published: Int { publishedLength.load(ordering: .sequentiallyConsistent) }

  /// Accumulates for the store. Turned off by the owner, or when there is no room; never on again.
  public var keep: Bool { keeps.load(ordering: .acquiring) }

  public func stopKeeping() {
    body.withLock { _ in keeps.store(false, ordering: .releasing) }
  }

  /// Bytes of the body that the fill still holds.
  public var heldBytes: Int { body.withLock { published - $0.recycled } }

  /// A second waiter leaves its request, from which the one retry is made (L11). False: there is one already.
  public func offerAlternateRequest(_ request: AlternateRequest) -> Bool {
    body.withLock {
      guard $0.alternateRequest == nil else { return false }
      $0.alternateRequest = request
      return true
    }
  }

  public var alternateRequest: AlternateRequest? { body.withLock { $0.alternateRequest } }
}

/// What another waiter asked for, ready to be sent.
public struct AlternateRequest: Equatable, Sendable {
  /// The whole head, with its empty line.
  public var bytes: [UInt8]
  /// Of the request as that client sent it: they decide who else may read the response.
  public var traits: RequestTraits

  public init(_ bytes: [UInt8], _ traits: RequestTraits) {
    self.bytes = bytes
    self.traits = traits
  }
}

/// What is shared with the readers of one worker. A cache line each, so that workers do not disturb another.
struct FillLane: ~Copyable {
  let readers = Atomic<Int>(0)
  /// The least that any of them has consumed, in bytes of the body.
  let consumed = Atomic<Int>(0)
  /// The most that any of them has consumed.
  let furthest = Atomic<Int>(0)
  /// How often the worker has begun and ended to take bytes from a body that goes to a file; odd: it does so
  /// now.
  let takings = Atomic<Int>(0)
  /// A wake-up is on its way to the worker.
  let isPending = Atomic<Bool>(false)
  /// The worker's own object for this fill; only that worker's thread touches it.
  var attachment: AnyObject?
  private let padding = InlineArray<2, Int>(repeating: 0)
}

/// Which variant a fill's response turned out to be.
struct FillSelection {
  var varyNames: [UInt8] = []
  var hash = KeyHash(low: 0, high: 0)
  var isKnown = false
}

/// What a fill is about.
struct FillSubject: ~Copyable, ~Escapable {
  let hash: KeyHash
  let key: Span<UInt8>
  let urlHash: KeyHash
  let url: Span<UInt8>
  let now: Milliseconds
  let worker: Int

  @_lifetime(copy key, copy url)
  init(
    hash: KeyHash, key: Span<UInt8>, urlHash: KeyHash, url: Span<UInt8>, now: Milliseconds, worker: Int
  ) {
    self.hash = hash
    self.key = key
    self.urlHash = urlHash
    self.url = url
    self.now = now
    self.worker = worker
  }
}
