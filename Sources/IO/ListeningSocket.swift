import CLinux
import Glibc

/// Opens listening sockets: one for each worker, which share the address by `SO_REUSEPORT`.
public enum ListeningSocket {
  /// Connections the kernel keeps for us before they are accepted.
  static let backlog: CInt = 4096

  /// Opens `count` sockets on one address, non-blocking.
  ///
  /// - Returns: The descriptors, and the address in use (port 0 takes any free one).
  /// - Throws: The failed call; `EADDRINUSE` also when another program that shares ports is there.
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
    let first = try bound(address, shared: false)
    guard listen(first, backlog) == 0 else {
      let code = errno
      _ = Glibc.close(first)
      throw SystemError(call: "listen", code: code)
    }
    return [first] + (1..<count).map { _ in dup(first) }
  }

  private static func bound(_ address: SocketAddress, shared: Bool) throws(SystemError) -> CInt {
    let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
    let fd = socket(address.socketFamily, type, 0)
    guard fd >= 0 else { throw SystemError(call: "socket", code: errno) }
    if !address.isUnix {
      set(fd, SOL_SOCKET, SO_REUSEADDR, 1)
      if shared { set(fd, SOL_SOCKET, SO_REUSEPORT, 1) }
      if address.family == .any { set(fd, CInt(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
      // Accepted sockets inherit it.
      set(fd, CInt(IPPROTO_TCP), TCP_NODELAY, 1)
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
