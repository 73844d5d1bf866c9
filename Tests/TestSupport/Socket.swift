import Bytes
import CLinux
import Foundation

/// A blocking stream socket with time-outs in both directions, so that no test hangs.
///
/// One thread reads and writes; any thread may call `stop`, which wakes it.
public final class Socket: Sendable {
  let descriptor: CInt
  private let isClosed = Guarded(false)

  init(adopting descriptor: CInt, timeout: Double = 10) {
    raiseDescriptorLimit()
    self.descriptor = descriptor
    var span = timeval(tv_sec: Int(timeout), tv_usec: Int((timeout - timeout.rounded(.down)) * 1_000_000))
    let size = socklen_t(MemoryLayout<timeval>.size)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &span, size)
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &span, size)
    set(CInt(IPPROTO_TCP), TCP_NODELAY, 1)
  }

  deinit { close() }

  /// Connects to 127.0.0.1. `receiveBuffer` makes a slow reader: the kernel then holds little for it.
  static func connect(
    port: UInt16, timeout: Double = 10, receiveBuffer: Int? = nil, from source: String? = nil
  ) throws -> Socket {
    let socket = Socket(adopting: try newSocket(AF_INET), timeout: timeout)
    if let receiveBuffer { socket.set(SOL_SOCKET, SO_RCVBUF, CInt(receiveBuffer)) }
    if let source {
      var address = loopback(port: 0)
      address.sin_addr.s_addr = inet_addr(source)
      try withSocketAddress(&address) { _ = try check("bind", Glibc.bind(socket.descriptor, $0, $1)) }
    }
    var address = loopback(port: port)
    try withSocketAddress(&address) { pointer, size in
      while Glibc.connect(socket.descriptor, pointer, size) != 0 {
        guard errno == EINTR else { throw SupportError.system("connect to port \(port)", errno) }
      }
    }
    return socket
  }

  static func connect(path: String, timeout: Double = 10) throws -> Socket {
    let socket = Socket(adopting: try newSocket(AF_UNIX), timeout: timeout)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    try withSocketAddress(&address) {
      _ = try check("connect to \(path)", Glibc.connect(socket.descriptor, $0, $1))
    }
    return socket
  }

  /// Listens on 127.0.0.1, on any free port unless one is named.
  static func listen(port: UInt16 = 0, backlog: CInt = 4096) throws -> (Socket, UInt16) {
    let socket = Socket(adopting: try newSocket(AF_INET), timeout: 0)
    socket.set(SOL_SOCKET, SO_REUSEADDR, 1)
    var address = loopback(port: port)
    try withSocketAddress(&address) { _ = try check("bind", Glibc.bind(socket.descriptor, $0, $1)) }
    try check("listen", Glibc.listen(socket.descriptor, backlog))
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    _ = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        getsockname(socket.descriptor, $0, &size)
      }
    }
    return (socket, UInt16(bigEndian: address.sin_port))
  }

  /// `nil` once the listener was stopped.
  func accept() -> Socket? {
    while true {
      let descriptor = accept4(descriptor, nil, nil, CInt(SOCK_CLOEXEC.rawValue))
      if descriptor >= 0 { return Socket(adopting: descriptor, timeout: 20) }
      guard errno == EINTR || errno == ECONNABORTED || errno == EMFILE else { return nil }
    }
  }

  func set(_ level: CInt, _ option: CInt, _ value: CInt) {
    var value = value
    setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<CInt>.size))
  }

  public func send(_ bytes: [UInt8]) throws {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes { memory in
        Glibc.send(descriptor, memory.baseAddress! + sent, memory.count - sent, CInt(MSG_NOSIGNAL))
      }
      if count >= 0 {
        sent += count
        continue
      }
      switch errno {
      case EINTR: continue
      case EAGAIN: throw SupportError.timedOut("send, \(sent) of \(bytes.count) bytes gone")
      case EPIPE, ECONNRESET: throw SupportError.peerReset("send, \(sent) of \(bytes.count) bytes gone")
      default: throw SupportError.system("send", errno)
      }
    }
  }

  /// Reads once. Empty: end of stream.
  public func receive(atMost limit: Int = 65536) throws -> [UInt8] {
    while true {
      var code: CInt = 0
      let bytes = [UInt8](unsafeUninitializedCapacity: limit) { memory, filled in
        let count = recv(descriptor, memory.baseAddress, limit, 0)
        code = count < 0 ? errno : 0
        filled = max(count, 0)
      }
      switch code {
      case 0: return bytes
      case EINTR: continue
      case EAGAIN: throw SupportError.timedOut("receive")
      case ECONNRESET: throw SupportError.peerReset("receive")
      default: throw SupportError.system("receive", code)
      }
    }
  }

  /// The peer's end of stream is there to be read next. Does not wait.
  var peerHasClosed: Bool {
    isClosed.withLock { closed in
      var byte: UInt8 = 0
      return closed || recv(descriptor, &byte, 1, CInt(MSG_PEEK | MSG_DONTWAIT)) == 0
    }
  }

  /// The port of its own end, of an IPv4 connection.
  public var localPort: UInt16 {
    var address = sockaddr_in()
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    _ = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
    }
    return UInt16(bigEndian: address.sin_port)
  }

  /// Bytes that have come and were not read. Does not wait.
  var pending: Int {
    var count: CInt = 0
    return ioctl(descriptor, UInt(FIONREAD), &count) == 0 ? Int(count) : 0
  }

  /// From now on `send` throws `timedOut` when the peer takes nothing for so long.
  public func setSendTimeout(milliseconds: Int) {
    var time = timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
  }

  public func halfClose() { _ = shutdown(descriptor, CInt(SHUT_WR)) }

  /// Ends both directions and wakes whoever reads; the descriptor stays until `close`.
  public func stop() { isClosed.withLock { if !$0 { _ = shutdown(descriptor, CInt(SHUT_RDWR)) } } }

  public func close() {
    isClosed.withLock { closed in
      if !closed { Glibc.close(descriptor) }
      closed = true
    }
  }

  /// Closes with a reset: what is unsent is thrown away and the peer's next call fails.
  public func reset() {
    var now = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
    close()
  }
}

private func newSocket(_ family: CInt) throws -> CInt {
  let kind = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
  return try check("socket", Glibc.socket(family, kind, 0))
}

private func loopback(port: UInt16) -> sockaddr_in {
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = port.bigEndian
  address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
  return address
}

private func withSocketAddress<A, R>(
  _ address: inout A, _ body: (UnsafePointer<sockaddr>, socklen_t) throws -> R
) rethrows -> R {
  try withUnsafePointer(to: &address) { pointer in
    try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      try body($0, socklen_t(MemoryLayout<A>.size))
    }
  }
}

@discardableResult
func check(_ call: String, _ result: CInt) throws -> CInt {
  guard result >= 0 else { throw SupportError.system(call, errno) }
  return result
}

/// A thousand connections have four thousand ends here; the usual soft limit is 1024.
func raiseDescriptorLimit() { _ = descriptorLimit }

private let descriptorLimit: UInt = {
  var limit = rlimit()
  let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
  getrlimit(resource, &limit)
  limit.rlim_cur = min(limit.rlim_max, 65536)
  setrlimit(resource, &limit)
  return UInt(limit.rlim_cur)
}()

/// A port of 127.0.0.1 that refuses connections: it was free a moment ago, and nobody listens.
public func refusingPort() throws -> UInt16 {
  let (socket, port) = try Socket.listen()
  socket.close()
  return port
}
