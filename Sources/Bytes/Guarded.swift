import CLinux
public import Glibc
public import Synchronization

/// A lock of one word in memory that somebody else lays out: free, held, or held while somebody may sleep.
///
/// Used instead of `Mutex` of the standard library, which on Linux is handed over inside the kernel when
/// threads meet (`FUTEX_LOCK_PI`): the thread sanitizer does not see that and reports races where there are
/// none. Here the kernel only sleeps and wakes; who owns the lock is decided by atomics alone. Figures are in
/// `docs/decisions`.
///
/// Source of the algorithm: Drepper, "Futexes Are Tricky" (2011), section 6, the third mutex.
@safe public struct LockWord: @unchecked Sendable {
  /// 0: free; 1: held; 2: held, and somebody may sleep.
  @usableFromInline let word: UnsafeMutablePointer<Atomic<UInt32>>

  /// - Parameter memory: 4 bytes, aligned, that live as long as the lock is used. See `initialize`.
  @inlinable public init(at memory: UnsafeMutableRawPointer) {
    unsafe word = memory.assumingMemoryBound(to: Atomic<UInt32>.self)
  }

  /// Makes the word a free lock.
  @inlinable public func initialize() { unsafe word.initialize(to: Atomic(0)) }

  @inlinable public func deinitialize() { unsafe word.deinitialize(count: 1) }

  @inlinable @inline(__always) public func lock() {
    // SAFETY: the memory lives as long as the lock is used, by the contract of `init`.
    let (isTaken, _) = unsafe word.pointee.compareExchange(
      expected: 0, desired: 1, successOrdering: .acquiring, failureOrdering: .relaxed)
    if !isTaken { waitForLock() }
  }

  @inlinable @inline(__always) public func unlock() {
    // SAFETY: as above.
    if unsafe word.pointee.exchange(0, ordering: .releasing) == 2 { wakeOne() }
  }

  /// What is guarded is held for tens of nanoseconds: waiting awake for a moment is cheaper than to sleep.
  @usableFromInline func waitForLock() {
    for _ in 0..<100 {
      if unsafe word.pointee.load(ordering: .relaxed) == 0 {
        let (isTaken, _) = unsafe word.pointee.compareExchange(
          expected: 0, desired: 1, successOrdering: .acquiring, failureOrdering: .relaxed)
        if isTaken { return }
      }
      linux_pause()
    }
    // Whoever has slept takes it as 2: there may be others asleep, of whom it cannot know.
    while unsafe word.pointee.exchange(2, ordering: .acquiring) != 0 {
      // SAFETY: an atomic of 32 bits is 32 bits.
      unsafe linux_futex_wait(UnsafeRawPointer(word).assumingMemoryBound(to: UInt32.self), 2)
    }
  }

  @usableFromInline func wakeOne() {
    // SAFETY: as above.
    unsafe linux_futex_wake(UnsafeRawPointer(word).assumingMemoryBound(to: UInt32.self))
  }
}

/// A value that one thread at a time may touch, with the contract of `Mutex`. Lock word and value are in
/// memory of their own, on cache lines of their own.
@safe public struct Guarded<Value: ~Copyable>: ~Copyable, @unchecked Sendable {
  @usableFromInline let word: LockWord
  @usableFromInline let memory: UnsafeMutableRawPointer
  @usableFromInline let value: UnsafeMutablePointer<Value>

  /// - Parameter sharesCacheLines: False where threads meet often. True for what is made and ended often:
  ///   memory that is aligned more than usual costs the allocator more.
  @inlinable public init(_ value: consuming sending Value, sharesCacheLines: Bool = false) {
    precondition(MemoryLayout<Value>.alignment <= MemoryLayout<Int>.alignment, "aligned more than usual")
    let offset = MemoryLayout<Int>.size
    let size = (offset + MemoryLayout<Value>.size + 63) & ~63
    // `aligned_alloc` wants a multiple of the alignment.
    unsafe memory = sharesCacheLines ? allocateBytes(size) : aligned_alloc(64, size)!
    // SAFETY: the word is first and the value behind it, both aligned and within `size`; `deinit` ends them.
    unsafe word = LockWord(at: memory)
    unsafe self.value = (memory + offset).bindMemory(to: Value.self, capacity: 1)
    word.initialize()
    unsafe self.value.initialize(to: value)
  }

  deinit {
    // SAFETY: nobody can hold the lock: that would borrow `self`.
    unsafe value.deinitialize(count: 1)
    word.deinitialize()
    unsafe free(memory)
  }

  /// Calls `body` with the value while no other thread can. Not to be nested on the same thread: that waits
  /// for ever.
  @inlinable public borrowing func withLock<Result: ~Copyable, Failure: Error>(
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    word.lock()
    defer { word.unlock() }
    // SAFETY: the lock makes this the only access; the memory lives as long as `self`, which is borrowed.
    return try unsafe body(&value.pointee)
  }
}
