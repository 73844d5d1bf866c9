import Glibc
import Testing

@testable import IO

@Suite("Listening sockets")
struct ListeningSocketTests {
  private let kernel = Kernel()

  /// Connects and returns whether the connection was made.
  private func reaches(_ address: SocketAddress) -> Bool {
    let fd = kernel.connect(address)
    guard fd >= 0 else { return false }
    defer { close(fd) }
    var watched = pollfd(fd: fd, events: Int16(POLLOUT), revents: 0)
    guard unsafe poll(&watched, 1, 5000) == 1 else { return false }
    return kernel.connectOutcome(fd) == 0
  }

  private func free(_ descriptors: [CInt]) { for fd in descriptors { close(fd) } }

  /// A path for a socket of one test.
  private func path(_ name: String) throws -> (String, SocketAddress) {
    let path = "/tmp/larder-\(getpid())-\(name).sock"
    unsafe unlink(path)
    return (path, try SocketAddress(unixPath: Array(path.utf8)))
  }

  @Test(arguments: ["127.0.0.1:0", "[::1]:0", ":0"])
  func `port 0 takes one free port for all sockets`(_ text: String) throws {
    let (descriptors, address) = try ListeningSocket.open(SocketAddress.parse(listen: text), count: 3)
    defer { free(descriptors) }
    #expect(address.port != 0)
    #expect(Set(descriptors).count == 3)
    let target = address.family == .any ? SocketAddress(ipv4: 0x7f00_0001, port: address.port) : address
    #expect(reaches(target))
  }

  @Test func `a port that another set of sharing sockets has is in use`() throws {
    let loopback = SocketAddress(ipv4: 0x7f00_0001, port: 0)
    let (descriptors, address) = try ListeningSocket.open(loopback, count: 2)
    defer { free(descriptors) }
    #expect(throws: SystemError(call: "bind", code: EADDRINUSE)) {
      try ListeningSocket.open(address, count: 2)
    }
    #expect(throws: SystemError(call: "bind", code: EADDRINUSE)) {
      try ListeningSocket.open(SocketAddress(anyAddressPort: address.port), count: 1)
    }
  }

  @Test func `a port is free again when its sockets are closed, though connections linger`() throws {
    let loopback = SocketAddress(ipv4: 0x7f00_0001, port: 0)
    let (first, address) = try ListeningSocket.open(loopback, count: 1)
    let client = kernel.connect(address)
    var peer: SocketAddress?
    var watched = pollfd(fd: first[0], events: Int16(POLLIN), revents: 0)
    #expect(unsafe poll(&watched, 1, 5000) == 1)
    let accepted = kernel.accept(first[0], peer: &peer)
    #expect(accepted >= 0)
    // Our side ends first: its port stays in TIME_WAIT.
    free([accepted, client] + first)
    let (again, second) = try ListeningSocket.open(address, count: 1)
    #expect(second == address)
    free(again)
  }

  @Test func `the wildcard takes both families, and an IPv4 peer is told as such`() throws {
    let (descriptors, address) = try ListeningSocket.open(SocketAddress(anyAddressPort: 0), count: 1)
    defer { free(descriptors) }
    #expect(reaches(SocketAddress(ipv6: 0, 1, port: address.port)))
    var peer: SocketAddress?
    free([kernel.accept(descriptors[0], peer: &peer)])
    #expect(peer?.family == .ipv6 && peer?.isLoopback == true)
    #expect(reaches(SocketAddress(ipv4: 0x7f00_0001, port: address.port)))
    free([kernel.accept(descriptors[0], peer: &peer)])
    #expect(peer?.family == .ipv4 && peer?.isLoopback == true)
  }

  @Test func `R6 an accepted socket takes little that its peer does not read`()
    throws
  {
    let loopback = SocketAddress(ipv4: 0x7f00_0001, port: 0)
    let (descriptors, address) = try ListeningSocket.open(loopback, count: 1)
    let client = kernel.connect(address)
    var watched = pollfd(fd: descriptors[0], events: Int16(POLLIN), revents: 0)
    #expect(unsafe poll(&watched, 1, 5000) == 1)
    var peer: SocketAddress?
    let accepted = kernel.accept(descriptors[0], peer: &peer)
    defer { free([accepted, client] + descriptors) }
    var most: CInt = 0
    var length = socklen_t(MemoryLayout<CInt>.size)
    #expect(unsafe getsockopt(accepted, CInt(IPPROTO_TCP), TCP_NOTSENT_LOWAT, &most, &length) == 0)
    #expect(most == ListeningSocket.mostUnsent)
  }

  @Test func `an address that is not ours cannot be bound`() throws {
    // TEST-NET-1, RFC 5737.
    let foreign = SocketAddress(ipv4: 0xc000_0201, port: 0)
    #expect(throws: SystemError(call: "bind", code: EADDRNOTAVAIL)) {
      try ListeningSocket.open(foreign, count: 1)
    }
  }

  @Test func `every descriptor is non-blocking and closed on exec`() throws {
    let (name, unix) = try path("flags")
    defer { unsafe unlink(name) }
    for address in [SocketAddress(ipv4: 0x7f00_0001, port: 0), unix] {
      let (descriptors, _) = try ListeningSocket.open(address, count: 2)
      for fd in descriptors {
        #expect(fcntl(fd, F_GETFL) & O_NONBLOCK != 0)
        #expect(fcntl(fd, F_GETFD) & FD_CLOEXEC != 0)
      }
      free(descriptors)
    }
  }

  @Test func `a Unix socket is shared by all descriptors`() throws {
    let (name, address) = try path("shared")
    defer { unsafe unlink(name) }
    let (descriptors, used) = try ListeningSocket.open(address, count: 3)
    defer { free(descriptors) }
    #expect(used == address)
    #expect(Set(descriptors).count == 3)
    #expect(reaches(address))
    var peer: SocketAddress?
    let accepted = kernel.accept(descriptors[2], peer: &peer)
    #expect(accepted >= 0)
    #expect(peer?.isUnix == true)
    free([accepted])
  }

  @Test func `a Unix socket that a dead process left behind is replaced`() throws {
    let (name, address) = try path("stale")
    defer { unsafe unlink(name) }
    let (dead, _) = try ListeningSocket.open(address, count: 1)
    free(dead)
    unsafe #expect(access(name, F_OK) == 0)
    let (descriptors, _) = try ListeningSocket.open(address, count: 1)
    #expect(reaches(address))
    free(descriptors)
  }

  @Test func `a Unix socket on which somebody listens is refused and left alone`() throws {
    let (name, address) = try path("live")
    defer { unsafe unlink(name) }
    let (descriptors, _) = try ListeningSocket.open(address, count: 1)
    defer { free(descriptors) }
    #expect(throws: SystemError(call: "bind", code: EADDRINUSE)) {
      try ListeningSocket.open(address, count: 1)
    }
    #expect(reaches(address))
  }

  @Test func `a file that is no socket is not removed`() throws {
    let (name, address) = try path("file")
    defer { unsafe unlink(name) }
    let file = unsafe open(name, O_CREAT | O_WRONLY, 0o600)
    #expect(unsafe write(file, "mine", 4) == 4)
    close(file)
    #expect(throws: SystemError(call: "bind", code: EADDRINUSE)) {
      try ListeningSocket.open(address, count: 1)
    }
    var status = stat()
    #expect(unsafe stat(name, &status) == 0 && status.st_size == 4)
  }

  @Test func `a directory that is not there is told as such`() throws {
    let address = try SocketAddress(unixPath: Array("/tmp/larder-nowhere/a.sock".utf8))
    #expect(throws: SystemError(call: "bind", code: ENOENT)) { try ListeningSocket.open(address, count: 1) }
    #expect(SystemError(call: "bind", code: ENOENT).reason == "No such file or directory")
  }
}
