import CLinux
import Glibc

/// What the resolver said instead of addresses.
public struct ResolveError: Error, Equatable, Sendable {
  /// `EAI_…` of getaddrinfo(3).
  public let code: CInt

  public init(code: CInt) { self.code = code }

  public var text: String {
    // SAFETY: gai_strerror returns a static text for every number.
    unsafe String(cString: gai_strerror(code))
  }
}

extension SocketAddress {
  /// The addresses of a host, in the resolver's order of preference (RFC 6724), without repetitions. Blocks
  /// until the resolver answers or gives up, which may take many seconds: never on a worker.
  ///
  /// - Throws: the code of getaddrinfo(3), among them `EAI_NONAME` and `EAI_AGAIN`.
  public static func resolve(host: String, port: UInt16) throws(ResolveError) -> [SocketAddress] {
    if let address = SocketAddress(numeric: host, port: port) { return [address] }
    guard !host.isEmpty, !host.utf8.contains(0) else { throw ResolveError(code: EAI_NONAME) }
    // Families that this machine has no address of are left out, unless nothing remains: without a network
    // `localhost` must still be found.
    let preferred = lookUp(host, port, flags: AI_ADDRCONFIG)
    if case .success(let addresses) = preferred { return addresses }
    return try lookUp(host, port, flags: 0).get()
  }

  private static func lookUp(
    _ host: String, _ port: UInt16, flags: CInt
  ) -> Result<[SocketAddress], ResolveError> {
    var hints = unsafe addrinfo()
    unsafe hints.ai_flags = flags
    unsafe hints.ai_family = AF_UNSPEC
    unsafe hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
    var first: UnsafeMutablePointer<addrinfo>?
    let code = unsafe getaddrinfo(host, nil, &hints, &first)
    guard code == 0 else { return .failure(ResolveError(code: code)) }
    defer { unsafe freeaddrinfo(first) }
    var addresses: [SocketAddress] = []
    var next = unsafe first
    // SAFETY: getaddrinfo gives a list that ends with nil; it is freed after the loop.
    while let entry = unsafe next {
      if let raw = unsafe entry.pointee.ai_addr,
        let address = unsafe SocketAddress(raw, length: entry.pointee.ai_addrlen)?.with(port: port),
        !addresses.contains(address)
      {
        addresses.append(address)
      }
      unsafe next = entry.pointee.ai_next
    }
    return addresses.isEmpty ? .failure(ResolveError(code: EAI_NONAME)) : .success(addresses)
  }
}
