import Synchronization

/// What traffic under way holds, in bytes, and how much of that there may be: blocks of fills that are passed
/// through, requests that wait, what was received and could not be used yet, connections to servers.
///
/// The store can be emptied for new entries, this cannot: each byte waits for a peer. So it is counted by
/// itself, and those who would add to it ask first. From half of the limit on fills keep a smaller window
/// (`MemoryStore.windowBytes`), and beyond it new ones are refused, which bounds it without a list of who
/// holds what: whoever is in may finish, in small steps.
///
/// Shared by all workers. A hit does not come here.
public final class InFlightMemory: Sendable {
  public let limit: Int
  private let counted = Atomic<Int>(0)

  public init(limit: Int) { self.limit = limit }

  /// Negative: gives back.
  public func add(_ bytes: Int) { counted.wrappingAdd(bytes, ordering: .relaxed) }

  public var bytes: Int { counted.load(ordering: .relaxed) }

  /// Half of the limit is in use: what is added should be small.
  public var isScarce: Bool { bytes > limit / 2 }

  /// Nothing new may begin.
  public var isExhausted: Bool { bytes > limit }
}
