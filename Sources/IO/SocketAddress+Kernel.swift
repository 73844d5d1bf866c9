public import Glibc

extension SocketAddress {
  /// Calls `body` with the address in the form that `bind` and `connect` take. The pointer is valid only
  /// during the call.
  public func withSockaddr<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
    switch family {
    case .ipv4:
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = port.bigEndian
      address.sin_addr.s_addr = UInt32(truncatingIfNeeded: low).bigEndian
      return unsafe call(body, &address, MemoryLayout<sockaddr_in>.size)
    case .ipv6, .any:
      var address = sockaddr_in6()
      address.sin6_family = sa_family_t(AF_INET6)
      address.sin6_port = port.bigEndian
      address.sin6_scope_id = scope
      // SAFETY: `sin6_addr` is 16 bytes, which any two 64-bit numbers fill; its alignment is not asked for.
      unsafe withUnsafeMutableBytes(of: &address.sin6_addr) { bytes in
        unsafe bytes.storeBytes(of: high.bigEndian, as: UInt64.self)
        unsafe bytes.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
      }
      return unsafe call(body, &address, MemoryLayout<sockaddr_in6>.size)
    case .unix:
      var address = sockaddr_un()
      address.sun_family = sa_family_t(AF_UNIX)
      // SAFETY: a path has at most `pathLimit` bytes, one less than `sun_path`, so a zero byte stays behind
      // it.
      unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path) }
      let header = MemoryLayout<sockaddr_un>.size - SocketAddress.pathLimit - 1
      return unsafe call(body, &address, path.isEmpty ? header : header + path.count + 1)
    }
  }

  /// Passes any of the `sockaddr_…` types as the kernel's common one.
  private func call<Address, Result>(
    _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result, _ address: inout Address, _ size: Int
  ) -> Result {
    // SAFETY: every address type begins with the family, which is all that the common type states.
    unsafe withUnsafeBytes(of: &address) { bytes in
      unsafe body(bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(size))
    }
  }

  /// An address as `accept`, `getsockname` and `getaddrinfo` give it.
  ///
  /// - Parameter address: `length` readable bytes.
  /// - Returns: `nil` for another family, or for fewer bytes than the family has.
  public init?(_ address: UnsafePointer<sockaddr>, length: socklen_t) {
    let bytes = unsafe UnsafeRawBufferPointer(start: address, count: Int(length))
    guard bytes.count >= MemoryLayout<sa_family_t>.size else { return nil }
    // SAFETY: every load is within `length` bytes, which the guards compare with the size of the type.
    switch CInt(unsafe bytes.loadUnaligned(as: sa_family_t.self)) {
    case AF_INET where bytes.count >= MemoryLayout<sockaddr_in>.size:
      let four = unsafe bytes.loadUnaligned(as: sockaddr_in.self)
      self.init(ipv4: UInt32(bigEndian: four.sin_addr.s_addr), port: UInt16(bigEndian: four.sin_port))
    case AF_INET6 where bytes.count >= MemoryLayout<sockaddr_in6>.size:
      let six = unsafe bytes.loadUnaligned(as: sockaddr_in6.self)
      let start = MemoryLayout<sockaddr_in6>.offset(of: \.sin6_addr)!
      let high = unsafe bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self)
      let low = unsafe bytes.loadUnaligned(fromByteOffset: start + 8, as: UInt64.self)
      self.init(
        .ipv6, high: UInt64(bigEndian: high), low: UInt64(bigEndian: low),
        port: UInt16(bigEndian: six.sin6_port), scope: six.sin6_scope_id)
    case AF_UNIX:
      let path = unsafe bytes.dropFirst(MemoryLayout<sa_family_t>.size).prefix { $0 != 0 }
      self.init(.unix, high: 0, low: 0, port: 0, path: unsafe Array(path.prefix(SocketAddress.pathLimit)))
    default:
      return nil
    }
  }

  /// As above, from storage that a system call filled with `length` bytes.
  public init?(storage: sockaddr_storage, length: socklen_t) {
    var storage = storage
    let size = min(length, socklen_t(MemoryLayout<sockaddr_storage>.size))
    let address = unsafe withUnsafeBytes(of: &storage) { bytes in
      // SAFETY: the storage is at least `size` bytes.
      unsafe SocketAddress(bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), length: size)
    }
    guard let address else { return nil }
    self = address
  }
}

extension SocketAddress {
  /// The family as `socket` takes it.
  var socketFamily: CInt {
    switch family {
    case .ipv4: AF_INET
    case .ipv6, .any: AF_INET6
    case .unix: AF_UNIX
    }
  }
}
