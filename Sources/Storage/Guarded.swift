import CLinux
import Synchronization

/// A value that one thread at a time may touch, with the lock beside it in memory of its own cache lines.
///
/// Used instead of `Mutex` for two reasons. Its unlock hands over to a sleeper through the kernel only when
/// there is one, and a waiter first spins for about as long as the critical sections here take, where `Mutex`
/// goes to the kernel's priority inheritance at once. And the thread sanitizer sees it: each acquisition is an
/// atomic operation of ours, where `Mutex` may be given its lock by the kernel.
@safe struct Guarded<Value: ~Copyable>: ~Copyable, @unchecked Sendable {
  private let place: GuardedPlace<Value>

  init(_ value: consuming Value) {
    place = unsafe GuardedPlace(
      at: .allocate(byteCount: GuardedPlace<Value>.byteCount, alignment: 64), holding: value)
  }

  deinit {
    place.deinitialize()
    unsafe place.base.deallocate()
  }

  @inline(__always)
  func withLock<Result: ~Copyable>(_ body: (inout Value) -> Result) -> Result { place.withLock(body) }
}

/// Memory that holds a lock and the value that it guards. Whoever lays it out sees to its life.
@safe struct GuardedPlace<Value: ~Copyable>: @unchecked Sendable {
  let base: UnsafeMutableRawPointer

  // SAFETY (of this type): the value is reached only while the lock is held. The lock is not reached through
  // a struct that holds both: access to the value would then count as access to the lock.

  private static var valueOffset: Int { 16 }
  static var byteCount: Int { valueOffset + MemoryLayout<Value>.size }

  /// - Parameter base: `byteCount` bytes, aligned to 16.
  init(at base: UnsafeMutableRawPointer, holding value: consuming Value) {
    unsafe self.base = base
    unsafe base.initializeMemory(as: Lock.self, to: Lock())
    unsafe (base + Self.valueOffset).initializeMemory(as: Value.self, to: value)
  }

  /// A place that was initialised at `base`.
  @inline(__always) init(at base: UnsafeMutableRawPointer) { unsafe self.base = base }

  func deinitialize() {
    unsafe value.deinitialize(count: 1)
    unsafe base.assumingMemoryBound(to: Lock.self).deinitialize(count: 1)
  }

  private var value: UnsafeMutablePointer<Value> {
    @inline(__always) get { unsafe (base + Self.valueOffset).assumingMemoryBound(to: Value.self) }
  }

  @inline(__always)
  func withLock<Result: ~Copyable>(_ body: (inout Value) -> Result) -> Result {
    unsafe base.assumingMemoryBound(to: Lock.self).pointee.acquire(at: base)
    defer { unsafe base.assumingMemoryBound(to: Lock.self).pointee.release(at: base) }
    return unsafe body(&value.pointee)
  }
}

/// A lock of one word: free, held, or held while somebody may sleep.
///
/// Source: Ulrich Drepper, "Futexes are tricky" (2011), the second mutex.
struct Lock: ~Copyable {
  private static let free: UInt32 = 0
  private static let held: UInt32 = 1
  private static let awaited: UInt32 = 2
  /// Looks at a held lock before a thread sleeps: about a microsecond.
  private static let looks = 40

  private let word = Atomic<UInt32>(Lock.free)

  /// - Parameter address: Of this lock, for the kernel.
  @inline(__always)
  func acquire(at address: UnsafeMutableRawPointer) {
    let (taken, _) = word.compareExchange(
      expected: Lock.free, desired: Lock.held, successOrdering: .acquiring, failureOrdering: .relaxed)
    if !taken { unsafe acquireLater(at: address) }
  }

  @inline(__always)
  func release(at address: UnsafeMutableRawPointer) {
    if word.exchange(Lock.free, ordering: .releasing) == Lock.awaited {
      unsafe linux_futex_wake(address.assumingMemoryBound(to: UInt32.self))
    }
  }

  @inline(never)
  private func acquireLater(at address: UnsafeMutableRawPointer) {
    for _ in 0..<Lock.looks {
      linux_pause()
      guard word.load(ordering: .relaxed) == Lock.free else { continue }
      let (taken, _) = word.compareExchange(
        expected: Lock.free, desired: Lock.held, successOrdering: .acquiring, failureOrdering: .relaxed)
      if taken { return }
    }
    while word.exchange(Lock.awaited, ordering: .acquiring) != Lock.free {
      unsafe linux_futex_wait(address.assumingMemoryBound(to: UInt32.self), Lock.awaited)
    }
  }
}
