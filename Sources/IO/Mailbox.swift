public import Bytes
public import Glibc
public import Synchronization

/// How other threads speak to a loop: they post, the loop drains. Never blocks for longer than an append, and
/// never drops; that it stays small is the duty of those who post (lifecycle L3).
public final class Mailbox<Mail: Sendable>: Sendable {
  @usableFromInline let box = Guarded<[Mail]>([])
  @usableFromInline let holdsMail = Atomic<Bool>(false)
  @usableFromInline let owner = Atomic<UInt>(0)
  /// What the owner posts to itself, which nobody else touches.
  @usableFromInline nonisolated(unsafe) var own: [Mail] = []
  @usableFromInline let wake: @Sendable () -> Void

  /// - Parameter wake: Called by the first other thread to post into an empty box. The owner looks before it
  ///   waits.
  public init(wake: @escaping @Sendable () -> Void) { self.wake = wake }

  /// The calling thread is the one that drains.
  public func adopt() { owner.store(UInt(pthread_self()), ordering: .relaxed) }

  @inlinable public func post(_ mail: Mail) {
    if owner.load(ordering: .relaxed) == UInt(pthread_self()) { return unsafe own.append(mail) }
    let isFirst = box.withLock { mails in
      mails.append(mail)
      holdsMail.store(true, ordering: .relaxed)
      return mails.count == 1
    }
    if isFirst { wake() }
  }

  /// Swaps what was posted, or a part of it, with `emptied`, which must be empty and lends its memory.
  /// Nothing is left when it stays empty.
  @inlinable public func drain(into emptied: inout [Mail]) {
    guard holdsMail.load(ordering: .relaxed) else { return unsafe swap(&own, &emptied) }
    box.withLock { mails in
      holdsMail.store(false, ordering: .relaxed)
      swap(&mails, &emptied)
    }
  }
}

/// An eventfd by which a loop is woken. What there is to do is looked for after every turn.
public final class WakeUp: Channel {
  public init(loop: EventLoop, adopting fd: CInt) throws(SystemError) {
    super.init(adopting: fd)
    try loop.add(self, onlyReadable: true)
  }

  public override func ready(_ readiness: Readiness) {
    var count: UInt64 = 0
    _ = unsafe Glibc.read(fd, &count, 8)
  }

  /// Wakes the loop that watches `fd`; may be called on any thread.
  public static func signal(_ fd: CInt) {
    var one: UInt64 = 1
    _ = unsafe Glibc.write(fd, &one, 8)
  }
}
