import CLinux
import Synchronization

/// A value that one thread at a time may touch, with the lock beside it in memory of its own cache lines.
///
/// Used instead of `Mutex` for two reasons. Its unlock hands over to a sleeper through the kernel only when
/// there is one, and a waiter first spins for about as long as the critical sections here take, where `Mutex`
/// goes to the kernel's priority inheritance at once. And the thread sanitizer sees it: each acquisition is an
/// atomic operation of ours, where `Mutex` may be given its lock by the kernel.
@safe struct Guarded<Value: ~Copyable>: ~Copyable, @unchecked Sendable {
  private let box: UnsafeMutablePointer<GuardedBox<Value>>

  // SAFETY: the box lives as long as this, and its value is reached only while its lock is held.

  init(_ value: consuming Value) {
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: MemoryLayout<GuardedBox<Value>>.stride, alignment: 64)
    unsafe box = memory.bindMemory(to: GuardedBox<Value>.self, capacity: 1)
    unsafe box.initialize(to: GuardedBox(value))
  }

  deinit {
    unsafe box.deinitialize(count: 1)
    unsafe UnsafeMutableRawPointer(box).deallocate()
  }

  @inline(__always)
  func withLock<Result: ~Copyable>(_ body: (inout Value) -> Result) -> Result {
    unsafe box.withLock(body)
  }
}

/// What lies in the memory of a guarded value. Also used where that memory is laid out by hand.
struct GuardedBox<Value: ~Copyable>: ~Copyable {
  /// First, so that its address is the box's.
  let lock = Lock()
  var value: Value

  init(_ value: consuming Value) { self.value = value }
}

extension UnsafeMutablePointer where Pointee: ~Copyable {
  @inline(__always)
  func withLock<Value: ~Copyable, Result: ~Copyable>(_ body: (inout Value) -> Result) -> Result
  where Pointee == GuardedBox<Value> {
    // SAFETY: the lock is the box's first field, and no other thread touches the value while it is held.
    let word = UnsafeMutableRawPointer(self)
    unsafe pointee.lock.acquire(at: word)
    defer { unsafe pointee.lock.release(at: word) }
    return unsafe body(&pointee.value)
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
