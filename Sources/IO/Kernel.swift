public import Bytes
public import CLinux
import Glibc

/// The system calls of the data path, one method each. Virtual, so that a test can put a simulated network,
/// clock and faults in their place; a call costs about 2 ns more for it.
///
/// Results are the call's own where they are not negative, and `-errno` otherwise.
open class Kernel {
  public init() {}

  open func read(_ fd: CInt, into memory: UnsafeMutableRawPointer, count: Int) -> Int {
    let result = unsafe linux_receive(fd, memory, count)
    return result < 0 ? Int(-errno) : result
  }

  open func write(_ fd: CInt, _ parts: UnsafePointer<iovec>, count: Int) -> Int {
    let result = unsafe linux_send(fd, parts, CInt(truncatingIfNeeded: count))
    return result < 0 ? Int(-errno) : result
  }

  /// Writes `count` bytes of a file from `offset` on, without copying them: the file must not change while a
  /// socket may still hold its pages.
  open func sendFile(_ fd: CInt, from file: CInt, offset: Int, count: Int) -> Int {
    let result = linux_sendfile(fd, file, Int64(offset), count)
    return result < 0 ? Int(-errno) : result
  }

  /// Takes one connection from a listening socket, non-blocking. `peer` is set where the family has
  /// addresses.
  open func accept(_ listener: CInt, peer: inout SocketAddress?) -> CInt {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let fd = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe accept4(
          listener, $0, &length, CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue))
      }
    }
    guard fd >= 0 else { return -errno }
    peer = SocketAddress(storage: storage, length: length)
    return fd
  }

  /// The address that a connection came to; `nil` where there is none.
  open func localAddress(_ fd: CInt) -> SocketAddress? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let result = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getsockname(fd, $0, &length) }
    }
    return result == 0 ? SocketAddress(storage: storage, length: length) : nil
  }

  /// Bytes that were written and have not reached the peer; 0 where the kernel does not say.
  open func unsentBytes(_ fd: CInt) -> Int { Int(max(0, linux_unsent(fd))) }

  /// A descriptor that is good for nothing but to be closed when another is needed.
  open func openReserve() -> CInt {
    let fd = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
    return fd < 0 ? -errno : fd
  }

  /// Starts a connection; it is made when the descriptor turns writable and `connectOutcome` is 0.
  open func connect(_ address: SocketAddress) -> CInt {
    let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
    let fd = socket(address.socketFamily, type, 0)
    guard fd >= 0 else { return -errno }
    if !address.isUnix { setOption(fd, CInt(IPPROTO_TCP), TCP_NODELAY, 1) }
    let result = unsafe address.withSockaddr { pointer, length in unsafe Glibc.connect(fd, pointer, length) }
    if result == 0 || errno == EINPROGRESS { return fd }
    let code = errno
    _ = Glibc.close(fd)
    return -code
  }

  /// 0, or the errno with which connecting failed.
  open func connectOutcome(_ fd: CInt) -> CInt {
    var code: CInt = 0
    var length = socklen_t(MemoryLayout<CInt>.size)
    return unsafe getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &length) == 0 ? code : errno
  }

  /// Ends our side of the stream; the peer reads an end of file after what was written.
  open func shutdownWrite(_ fd: CInt) { _ = Glibc.shutdown(fd, CInt(SHUT_WR)) }

  open func close(_ fd: CInt) { _ = Glibc.close(fd) }

  /// Closes with a reset, so that the peer cannot take what it has for a complete message.
  open func reset(_ fd: CInt) {
    var linger = linger(l_onoff: 1, l_linger: 0)
    _ = unsafe setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
    _ = Glibc.close(fd)
  }

  /// Watches a descriptor, edge-triggered, for as long as it is open.
  open func watch(_ poll: CInt, _ fd: CInt, token: UInt64, interest: UInt32) -> CInt {
    linux_epoll_set(poll, EPOLL_CTL_ADD, fd, interest, token) == 0 ? 0 : -errno
  }

  /// Watches it no longer. Closing does that alone only for a descriptor that nobody else has a copy of.
  open func unwatch(_ poll: CInt, _ fd: CInt) { _ = linux_epoll_set(poll, EPOLL_CTL_DEL, fd, 0, 0) }

  /// A new poll descriptor.
  open func makePoll() -> CInt {
    let poll = epoll_create1(CInt(EPOLL_CLOEXEC))
    return poll < 0 ? -errno : poll
  }

  /// Waits for events, at most `milliseconds`; 0 does not wait, -1 has no end.
  open func wait(
    _ poll: CInt, _ events: UnsafeMutablePointer<linux_event>, capacity: Int, milliseconds: Int
  ) -> Int {
    let count = unsafe linux_epoll_wait(poll, events, CInt(capacity), CInt(milliseconds))
    return count < 0 ? Int(-errno) : Int(count)
  }

  /// The monotonic clock, of a resolution of some milliseconds.
  open func now() -> Milliseconds {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC_COARSE, &time)
    return Milliseconds(time.tv_sec) * 1000 + Milliseconds(time.tv_nsec) / 1_000_000
  }

  /// Milliseconds since 1970, for HTTP dates: it may jump at any time, in both directions.
  open func wallClock() -> Milliseconds {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME_COARSE, &time)
    return Milliseconds(time.tv_sec) * 1000 + Milliseconds(time.tv_nsec) / 1_000_000
  }

  /// From the monotonic clock to the wall clock, in milliseconds, as they stand now.
  public var wallOffset: Milliseconds { wallClock() - now() }

  /// Monotonic microseconds, for latencies.
  open func microseconds() -> Int64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
  }

  private func setOption(_ fd: CInt, _ level: CInt, _ option: CInt, _ value: CInt) {
    var value = value
    _ = unsafe setsockopt(fd, level, option, &value, socklen_t(MemoryLayout<CInt>.size))
  }
}

/// What a descriptor is ready for, as epoll says it.
public struct Readiness: OptionSet, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  public static let readable = Readiness(rawValue: 0x1)
  public static let writable = Readiness(rawValue: 0x4)
  public static let failed = Readiness(rawValue: 0x8)
  public static let hungUp = Readiness(rawValue: 0x10)
  public static let peerEnded = Readiness(rawValue: 0x2000)

  /// Readable, writable, peer's end, edge-triggered: set once, so that no request costs an `epoll_ctl`.
  public static let everything: UInt32 = 0x1 | 0x4 | 0x2000 | 1 << 31
  /// Only readable: what is nearly always writable would wake for nothing.
  public static let arrivals: UInt32 = 0x1 | 1 << 31
}
