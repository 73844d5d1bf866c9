import CLinux
import Glibc

/// Opens listening sockets: one for each worker, which share the address by `SO_REUSEPORT`.
public enum ListeningSocket {
  /// Connections the kernel keeps for us before they are accepted.
  static let backlog: CInt = 4096
  /// Bytes that a connection's socket takes beyond those under way to the peer. Without a limit the kernel
  /// keeps up to 4 MiB for each client that does not read, in memory that no budget of ours counts.
  static let mostUnsent: CInt = 512 << 10

  /// Opens `count` sockets on one address, non-blocking.
  ///
  /// - Returns: The descriptors, and the address in use (port 0 takes any free one).
  /// - Throws: The failed call; `EADDRINUSE` also when another program that shares ports is there, or listens
  ///   on the Unix socket.
  public static func open(_ address: SocketAddress, count: Int) throws(SystemError) -> (
    descriptors: [CInt], address: SocketAddress
  ) {
    if address.isUnix { return (try openUnix(address, count: count), address) }
    var wanted = address
    let probe: CInt
    do throws(SystemError) {
      probe = try bound(address, shared: false)
    } catch {
      guard address.family == .any, error.code == EAFNOSUPPORT else { throw error }
      wanted = address.ipv4Wildcard
      probe = try bound(wanted, shared: false)
    }
    // The probe alone would be refused a port that somebody shares; the workers' sockets would not.
    wanted = wanted.with(port: localPort(probe))
    _ = Glibc.close(probe)
    var descriptors: [CInt] = []
    do throws(SystemError) {
      for _ in 0..<count {
        let fd = try bound(wanted, shared: true)
        descriptors.append(fd)
        guard listen(fd, backlog) == 0 else { throw SystemError(call: "listen", code: errno) }
      }
    } catch {
      for fd in descriptors { _ = Glibc.close(fd) }
      throw error
    }
    return (descriptors, wanted)
  }

  private static func openUnix(_ address: SocketAddress, count: Int) throws(SystemError) -> [CInt] {
    var descriptors = [try boundUnix(address)]
    do throws(SystemError) {
      guard listen(descriptors[0], backlog) == 0 else { throw SystemError(call: "listen", code: errno) }
      while descriptors.count < count {
        let copy = fcntl(descriptors[0], F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { throw SystemError(call: "fcntl", code: errno) }
        descriptors.append(copy)
      }
    } catch {
      for fd in descriptors { _ = Glibc.close(fd) }
      throw error
    }
    return descriptors
  }

  /// A socket's file outlives its process: one that nobody listens on is replaced. A live one is refused, and
  /// so is any other file, which is not ours to remove.
  private static func boundUnix(_ address: SocketAddress) throws(SystemError) -> CInt {
    do throws(SystemError) {
      return try bound(address, shared: false)
    } catch {
      guard error.code == EADDRINUSE, isAbandoned(address) else { throw error }
      _ = unsafe withPath(of: address) { unsafe unlink($0) }
      return try bound(address, shared: false)
    }
  }

  private static func isAbandoned(_ address: SocketAddress) -> Bool {
    var status = stat()
    guard unsafe withPath(of: address, { unsafe lstat($0, &status) }) == 0 else { return false }
    guard status.st_mode & mode_t(S_IFMT) == mode_t(S_IFSOCK) else { return false }
    let fd = Kernel().connect(address)
    if fd >= 0 { _ = Glibc.close(fd) }
    return fd == -ECONNREFUSED
  }

  private static func withPath(of address: SocketAddress, _ body: (UnsafePointer<CChar>) -> CInt) -> CInt {
    let path = address.path.map { CChar(bitPattern: $0) } + [0]
    return unsafe path.withUnsafeBufferPointer { unsafe body($0.baseAddress!) }
  }

  private static func bound(_ address: SocketAddress, shared: Bool) throws(SystemError) -> CInt {
    let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
    let fd = socket(address.socketFamily, type, 0)
    guard fd >= 0 else { throw SystemError(call: "socket", code: errno) }
    if !address.isUnix {
      set(fd, SOL_SOCKET, SO_REUSEADDR, 1)
      if shared { set(fd, SOL_SOCKET, SO_REUSEPORT, 1) }
      if address.family == .any { set(fd, CInt(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
      // Accepted sockets inherit these.
      set(fd, CInt(IPPROTO_TCP), TCP_NODELAY, 1)
      set(fd, CInt(IPPROTO_TCP), TCP_NOTSENT_LOWAT, mostUnsent)
    }
    let result = unsafe address.withSockaddr { pointer, length in unsafe bind(fd, pointer, length) }
    guard result == 0 else {
      let code = errno
      _ = Glibc.close(fd)
      throw SystemError(call: "bind", code: code)
    }
    return fd
  }

  private static func localPort(_ fd: CInt) -> UInt16 {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let result = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe getsockname(fd, $0, &length)
      }
    }
    return result == 0 ? SocketAddress(storage: storage, length: length)?.port ?? 0 : 0
  }

  private static func set(_ fd: CInt, _ level: CInt, _ option: CInt, _ value: CInt) {
    var value = value
    _ = unsafe setsockopt(fd, level, option, &value, socklen_t(MemoryLayout<CInt>.size))
  }
}
