public import Bytes
import Synchronization

/// The memory tier: finds stored responses, brings requests for one key together on one fill, takes in what
/// was filled and lets go of what is purged or too much.
///
/// Imports `Caching` for the facts of freshness that it keeps with each entry; it decides nothing by them.
/// Its callers are the proxy's exchanges and fills, on every worker.
///
/// Keys are spread over 64 stripes by hash, each with its own lock, table and order of use; a second set of
/// stripes finds the entries of a canonical URL. Locks are taken in this order and held for a few hundred
/// nanoseconds: key stripe, URL stripe, then one of fences, fill or arena. A hit writes nothing shared but
/// its stripe's lock and the entry's count (L5).
@safe public final class MemoryStore: Sendable {
  static let stripeCount = 64

  public let arena: SlabArena
  public let fences: Fences
  public let options: StoreOptions
  public let inFlight: InFlightMemory
  public let seed: HashSeed
  public let workerCount: Int
  let wakers: [any FillWaker]
  private nonisolated(unsafe) let stripes: UnsafeMutableRawPointer
  let urls: URLIndex
  let evictionStart = Atomic<Int>(0)

  /// - Parameter budget: Bytes for everything that the store holds (L31).
  /// - Parameter seed: Also the seed of the hashes that callers pass in.
  /// - Parameter wakers: One for each worker.
  /// - Parameter firstSequence: Births and purges are numbered from here on.
  public init(
    budget: Int, seed: HashSeed, workerCount: Int, options: StoreOptions, wakers: [any FillWaker],
    firstSequence: UInt64 = 0
  ) {
    precondition(wakers.count == workerCount, "a waker for each worker")
    arena = SlabArena(budget: budget)
    fences = Fences(arena: arena, behind: firstSequence)
    urls = URLIndex(arena: arena)
    self.options = options
    inFlight = InFlightMemory(limit: options.inFlightLimit)
    self.seed = seed
    self.workerCount = workerCount
    self.wakers = wakers
    unsafe stripes = .allocate(byteCount: MemoryStore.stripeCount * StripeRef.stride, alignment: 64)
    for i in 0..<MemoryStore.stripeCount { stripe(i).initialize(Stripe(number: i, arena: arena)) }
  }

  deinit {
    for i in 0..<MemoryStore.stripeCount { clear(stripe(i)) }
    unsafe stripes.deallocate()
  }

  /// How far the fastest reader of a passing fill may be before the slowest, for now.
  var windowBytes: Int { inFlight.isScarce ? options.scarceWindowBytes : options.windowBytes }

  /// The stripe of a key.
  @inline(__always) func stripe(of hash: KeyHash) -> StripeRef {
    stripe(Int(truncatingIfNeeded: hash.low) & (MemoryStore.stripeCount - 1))
  }

  @inline(__always) func stripe(_ number: Int) -> StripeRef {
    unsafe StripeRef(at: stripes + number &* StripeRef.stride)
  }

  private func clear(_ slot: StripeRef) {
    slot.withLock { stripe in
      while let node = stripe.recency.last { dropContents(of: node, in: &stripe)?.release() }
      stripe.table.forEach { $0.free(in: arena) }
      arena.charge(-stripe.table.bytes)
    }
    slot.deinitialize()
  }
}

public struct StoreOptions: Sendable {
  /// Longest body that is kept, in bytes.
  public var maxObject: Int
  /// How far the fastest reader of a fill that is not kept may be before the slowest, in bytes (L12). With
  /// the blocks at its two ends, of which parts are used, that is 1 MiB.
  public var windowBytes = (1 << 20) - 2 * SizeClass.largest
  /// The same while memory for traffic under way is scarce: small steps, so that all get on.
  public var scarceWindowBytes = 64 << 10
  /// For traffic under way, in bytes; see `InFlightMemory`.
  public var inFlightLimit = Int.max
  /// Most variants of a key (L8).
  public var variantsPerKey = 256
  /// An entry's use is noted at most once in so many seconds (L32).
  public var recencySeconds: Int64 = 5
  /// Most fills that wait for their heads at once, for one variant (L13).
  public var fillsAwaitingHead = 3
  /// First and longest pause after failed refreshes (L15).
  public var backOffMilliseconds: Milliseconds = 1000
  public var backOffCeilingMilliseconds: Milliseconds = 30_000
  /// Most entries that one allocation may evict before it gives up.
  public var evictionsPerAllocation = 4096

  public init(maxObject: Int) { self.maxObject = maxObject }
}

/// Where a stripe is, as long as its store lives: its lock, its contents, and in a cache line of its own what
/// eviction reads without the lock.
@safe struct StripeRef {
  /// Bytes from one stripe to the next.
  static let stride = 320
  private static let valueOffset = 16
  private static let oldestOffset = 256

  private let base: UnsafeMutableRawPointer

  @inline(__always) init(at base: UnsafeMutableRawPointer) { unsafe self.base = base }

  func initialize(_ stripe: consuming Stripe) {
    precondition(StripeRef.valueOffset + MemoryLayout<Stripe>.size <= StripeRef.oldestOffset)
    lockWord.initialize()
    unsafe (base + StripeRef.valueOffset).initializeMemory(as: Stripe.self, to: stripe)
    unsafe (base + StripeRef.oldestOffset).initializeMemory(as: Atomic<Int64>.self, to: Atomic(.max))
  }

  func deinitialize() {
    unsafe value.deinitialize(count: 1)
    lockWord.deinitialize()
    unsafe oldest.deinitialize(count: 1)
  }

  @inline(__always)
  func withLock<Result: ~Copyable>(_ body: (inout Stripe) -> Result) -> Result {
    lockWord.lock()
    defer { lockWord.unlock() }
    // SAFETY: the value is reached only while the lock is held, and not through a struct that holds both.
    return unsafe body(&value.pointee)
  }

  private var lockWord: LockWord { unsafe LockWord(at: base) }

  private var value: UnsafeMutablePointer<Stripe> {
    unsafe (base + StripeRef.valueOffset).assumingMemoryBound(to: Stripe.self)
  }

  private var oldest: UnsafeMutablePointer<Atomic<Int64>> {
    unsafe (base + StripeRef.oldestOffset).assumingMemoryBound(to: Atomic<Int64>.self)
  }

  /// When the least recently used node of the stripe was used; the greatest value: it has none. Set only
  /// under the lock.
  var oldestUse: Int64 {
    get { unsafe oldest.pointee.load(ordering: .relaxed) }
    nonmutating set { unsafe oldest.pointee.store(newValue, ordering: .relaxed) }
  }
}
