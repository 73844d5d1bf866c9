import CLinux
import Glibc
import IO
import Testing

/// The calls' own results where they are not negative, `-errno` otherwise.
@Suite("Kernel")
struct KernelTests {
  private let kernel = Kernel()
  /// No descriptor has it.
  private let none: CInt = 1 << 30

  init() { _ = signal(SIGPIPE, SIG_IGN) }

  private func pair() -> (CInt, CInt) {
    var ends: [CInt] = [-1, -1]
    let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
    #expect(unsafe socketpair(AF_UNIX, type, 0, &ends) == 0)
    return (ends[0], ends[1])
  }

  private func read(_ fd: CInt, _ count: Int = 8) -> Int {
    var bytes = [UInt8](repeating: 0, count: count)
    return unsafe bytes.withUnsafeMutableBytes { unsafe kernel.read(fd, into: $0.baseAddress!, count: count) }
  }

  private func write(_ fd: CInt, _ bytes: [UInt8], parts: Int = 1) -> Int {
    unsafe bytes.withUnsafeBytes { memory in
      let part = unsafe iovec(
        iov_base: UnsafeMutableRawPointer(mutating: memory.baseAddress), iov_len: memory.count)
      let all = unsafe [iovec](repeating: part, count: parts)
      return unsafe all.withUnsafeBufferPointer { unsafe kernel.write(fd, $0.baseAddress!, count: parts) }
    }
  }

  @Test func `read: bytes, nothing yet, the end, no descriptor`() {
    let (mine, theirs) = pair()
    #expect(read(mine) == -Int(EAGAIN))
    #expect(write(theirs, [1, 2, 3]) == 3)
    #expect(read(mine) == 3)
    close(theirs)
    #expect(read(mine) == 0)
    close(mine)
    #expect(read(none) == -Int(EBADF))
  }

  @Test func `write: all parts, as much as there is room for, no room, no peer, no descriptor`() {
    let (mine, theirs) = pair()
    #expect(write(mine, [1, 2, 3], parts: 4) == 12)
    #expect(read(theirs, 100) == 12)
    let block = [UInt8](repeating: 7, count: 1 << 20)
    var sent = write(mine, block, parts: 8)
    #expect(sent > 0 && sent < 8 << 20)
    while sent > 0 { sent = write(mine, block) }
    #expect(sent == -Int(EAGAIN))
    close(theirs)
    #expect(write(mine, [1]) == -Int(EPIPE))
    close(mine)
    #expect(write(none, [1]) == -Int(EBADF))
  }

  @Test func `accept: a connection, none yet, no listener, no descriptor`() throws {
    let (descriptors, address) = try ListeningSocket.open(SocketAddress(ipv4: 0x7f00_0001, port: 0), count: 1)
    var peer: SocketAddress?
    #expect(kernel.accept(descriptors[0], peer: &peer) == -EAGAIN)
    #expect(peer == nil)
    let client = kernel.connect(address)
    var watched = pollfd(fd: descriptors[0], events: Int16(POLLIN), revents: 0)
    #expect(unsafe poll(&watched, 1, 5000) == 1)
    let server = kernel.accept(descriptors[0], peer: &peer)
    #expect(server >= 0)
    #expect(peer?.isLoopback == true && peer?.port != address.port)
    #expect(fcntl(server, F_GETFL) & O_NONBLOCK != 0)
    #expect(kernel.accept(server, peer: &peer) == -EINVAL)
    #expect(kernel.accept(none, peer: &peer) == -EBADF)
    for fd in [client, server] + descriptors { close(fd) }
  }

  @Test func `connect: refused at once or later, nowhere, and made`() throws {
    let (descriptors, address) = try ListeningSocket.open(SocketAddress(ipv4: 0x7f00_0001, port: 0), count: 1)
    #expect(outcome(address) == 0)
    for fd in descriptors { close(fd) }
    #expect(outcome(address) == ECONNREFUSED)
    let unix = try SocketAddress(unixPath: Array("/tmp/larder-\(getpid())-nobody.sock".utf8))
    #expect(kernel.connect(unix) == -ENOENT)
    // Every address of the broadcast's kind is refused before a byte is sent.
    #expect(kernel.connect(SocketAddress(ipv4: .max, port: 80)) < 0)
    #expect(kernel.connectOutcome(none) == EBADF)
  }

  /// How connecting ends, sooner or later.
  private func outcome(_ address: SocketAddress) -> CInt {
    let fd = kernel.connect(address)
    guard fd >= 0 else { return -fd }
    defer { close(fd) }
    var watched = pollfd(fd: fd, events: Int16(POLLOUT), revents: 0)
    #expect(unsafe poll(&watched, 1, 5000) == 1)
    return kernel.connectOutcome(fd)
  }

  @Test func `watch and wait: an event with its token, and their failures`() {
    let poll = kernel.makePoll()
    #expect(poll >= 0)
    let (mine, theirs) = pair()
    #expect(kernel.watch(poll, mine, token: 0x0123_4567_89ab_cdef, interest: Readiness.arrivals) == 0)
    #expect(kernel.watch(poll, mine, token: 1, interest: Readiness.arrivals) == -EEXIST)
    #expect(kernel.watch(poll, none, token: 1, interest: Readiness.arrivals) == -EBADF)
    #expect(kernel.watch(none, mine, token: 1, interest: Readiness.arrivals) == -EBADF)
    var events = [linux_event](repeating: linux_event(), count: 4)
    #expect(unsafe kernel.wait(poll, &events, capacity: 4, milliseconds: 0) == 0)
    #expect(write(theirs, [1]) == 1)
    #expect(unsafe kernel.wait(poll, &events, capacity: 4, milliseconds: 5000) == 1)
    #expect(events[0].token == 0x0123_4567_89ab_cdef)
    #expect(Readiness(rawValue: events[0].ready) == .readable)
    // Edge-triggered: it is not told again.
    #expect(unsafe kernel.wait(poll, &events, capacity: 4, milliseconds: 0) == 0)
    #expect(unsafe kernel.wait(poll, &events, capacity: 0, milliseconds: 0) == -Int(EINVAL))
    #expect(unsafe kernel.wait(none, &events, capacity: 4, milliseconds: 0) == -Int(EBADF))
    for fd in [mine, theirs, poll] { kernel.close(fd) }
  }

  @Test func `the end of our side reaches the peer after what was written`() {
    let (mine, theirs) = pair()
    #expect(write(mine, [1, 2]) == 2)
    kernel.shutdownWrite(mine)
    #expect(read(theirs) == 2)
    #expect(read(theirs) == 0)
    #expect(write(theirs, [1]) == 1)
    #expect(read(mine) == 1)
    close(mine)
    close(theirs)
  }

  @Test func `a reset takes the peer what it has not read`() throws {
    let (descriptors, address) = try ListeningSocket.open(SocketAddress(ipv4: 0x7f00_0001, port: 0), count: 1)
    let client = kernel.connect(address)
    var watched = pollfd(fd: descriptors[0], events: Int16(POLLIN), revents: 0)
    #expect(unsafe poll(&watched, 1, 5000) == 1)
    var peer: SocketAddress?
    let server = kernel.accept(descriptors[0], peer: &peer)
    kernel.reset(server)
    var readable = pollfd(fd: client, events: Int16(POLLIN), revents: 0)
    #expect(unsafe poll(&readable, 1, 5000) == 1)
    #expect(read(client) == -Int(ECONNRESET))
    for fd in [client] + descriptors { close(fd) }
  }

  @Test func `the clocks agree and do not go back`() {
    let before = kernel.microseconds()
    let coarse = kernel.now()
    let after = kernel.microseconds()
    #expect(after >= before)
    // The coarse clock is behind by a tick of at most 10 ms (CONFIG_HZ=100).
    #expect(coarse >= before / 1000 - 20 && coarse <= after / 1000)
    #expect(abs(kernel.wallClock() / 1000 - Int64(time(nil))) <= 1)
  }
}
