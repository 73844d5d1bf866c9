/// Memory for what the ready connections have sent, read before any of them is answered.
///
/// A turn first reads from all, then answers all: the kernel's way in and its way out each stay in the
/// processor's cache, and a peer on this machine is not woken anew for each answer.
@safe struct ReadAhead: ~Copyable {
  /// Connections of one turn that are read ahead; the others are read when it is their turn.
  static let slotCount = 32
  static let slotBytes = 16384
  /// Not a power of two: the slots' first lines would share a set of the cache.
  private static let stride = slotBytes + 512

  private let memory: UnsafeMutableRawPointer
  private var taken = 0
  private var given = 0

  init() { unsafe memory = .allocate(byteCount: Self.slotCount * Self.stride, alignment: 64) }

  deinit { unsafe memory.deallocate() }

  /// `nil`: all are in use.
  mutating func take() -> Int? {
    guard taken < Self.slotCount else { return nil }
    taken += 1
    return taken - 1
  }

  /// Slots become free together, when none is in use any more.
  mutating func giveBack() {
    given += 1
    guard given == taken else { return }
    taken = 0
    given = 0
  }

  func bytes(of slot: Int) -> UnsafeMutableRawPointer { unsafe memory + slot * Self.stride }
}
