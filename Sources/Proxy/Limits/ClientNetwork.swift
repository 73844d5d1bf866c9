import IO

/// Whom a limit for one client counts: an IPv4 address, or the 64 bits of an IPv6 one that its network has.
/// The other 64 are the client's to choose, and a new one for each connection costs it nothing.
struct ClientNetwork: Hashable {
  private let bits: UInt64
  private let isIPv6: Bool

  /// `nil` for peers without an address, whom no such limit can hold.
  init?(_ address: SocketAddress?) {
    guard let address else { return nil }
    switch address.family {
    case .ipv4:
      bits = address.low
      isIPv6 = false
    case .ipv6:
      bits = address.high
      isIPv6 = true
    case .unix, .any: return nil
    }
  }
}
