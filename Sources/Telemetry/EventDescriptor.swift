import CLinux
import Glibc

/// An eventfd: one thread wakes, another waits. Raising it never blocks.
final class EventDescriptor: Sendable {
  private let number: CInt

  /// `nil` when the process has no descriptor left; `errno` says so.
  init?() {
    number = eventfd(0, CInt(EFD_NONBLOCK) | CInt(EFD_CLOEXEC))
    if number < 0 { return nil }
  }

  deinit { _ = Glibc.close(number) }

  func raise() {
    var one: UInt64 = 1
    // SAFETY: reads 8 bytes from a local. Fails only when already raised 2⁶⁴ - 2 times.
    _ = unsafe write(number, &one, 8)
  }

  /// Waits until raised, then lowers it.
  ///
  /// - Parameter milliseconds: Longest wait; -1 for any time.
  /// - Returns: false when the time ran out.
  @discardableResult
  func wait(_ milliseconds: CInt) -> Bool {
    var entry = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
    // SAFETY: one entry, a local.
    guard unsafe poll(&entry, 1, milliseconds) > 0 else { return false }
    var count: UInt64 = 0
    // SAFETY: writes 8 bytes to a local.
    _ = unsafe read(number, &count, 8)
    return true
  }
}
