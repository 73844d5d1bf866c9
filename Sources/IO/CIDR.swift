/// A set of addresses that begin with the same bits: `10.0.0.0/8`, `fd00::/8` (RFC 4632 §3.1, RFC 4291 §2.3).
///
/// IPv4 and IPv6 are kept apart: `::/0` contains no IPv4 address, not even one that a socket for both
/// families reported as `::ffff:10.0.0.1`, since such an address is the IPv4 one. Networks are read in the
/// same way: `::ffff:10.0.0.0/104` is `10.0.0.0/8`.
public struct CIDR: Sendable, Equatable {
  /// The lowest address of the network; its port means nothing.
  private let network: SocketAddress
  /// Leading bits that count: 0 through 32 (IPv4) or 128 (IPv6).
  public let prefix: Int

  /// Reads `ADDRESS/PREFIX`, or `ADDRESS` for it alone.
  ///
  /// - Throws: `.strayBits` for `10.1.2.3/8`: the one who wrote it meant either more bits or fewer, and
  ///   access is at stake.
  public init(parsing text: String) throws(CIDRError) {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let address = SocketAddress(numeric: String(parts[0]), port: 0) else { throw .badAddress }
    let writtenAsIPv6 = parts[0].utf8.contains(0x3a)
    let bits = writtenAsIPv6 ? 128 : 32
    var prefix = parts.count == 2 ? try Self.prefix(parts[1], atMost: bits) : bits
    if writtenAsIPv6, address.family == .ipv4 {
      guard prefix >= 96 else { throw .strayBits }
      prefix -= 96
    }
    guard Self.masked(address, prefix) == address else { throw .strayBits }
    network = address
    self.prefix = prefix
  }

  /// 127.0.0.0/8 and ::1.
  public static let loopback = [
    CIDR(network: SocketAddress(ipv4: 0x7f00_0000, port: 0), prefix: 8),
    CIDR(network: SocketAddress(ipv6: 0, 1, port: 0), prefix: 128),
  ]

  private init(network: SocketAddress, prefix: Int) {
    self.network = network
    self.prefix = prefix
  }

  /// Whether `address` is one of the network's. Never true of a Unix socket.
  public func contains(_ address: SocketAddress) -> Bool {
    guard address.family == network.family else { return false }
    let (high, low) = Self.mask(address.family, prefix)
    return address.high & high == network.high && address.low & low == network.low
  }

  private static func prefix(_ text: Substring, atMost limit: Int) throws(CIDRError) -> Int {
    guard !text.isEmpty, text.utf8.count <= 3, text.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }),
      let number = Int(text), number <= limit
    else { throw .badPrefix(limit: limit) }
    return number
  }

  private static func masked(_ address: SocketAddress, _ prefix: Int) -> SocketAddress {
    let (high, low) = mask(address.family, prefix)
    return address.family == .ipv4
      ? SocketAddress(ipv4: UInt32(truncatingIfNeeded: address.low & low), port: 0)
      : SocketAddress(ipv6: address.high & high, address.low & low, port: 0)
  }

  /// Shifts of 64 and more give 0 for `<<`, which is what an empty prefix needs.
  private static func mask(_ family: SocketAddress.Family, _ prefix: Int) -> (high: UInt64, low: UInt64) {
    guard family == .ipv6 else { return (0, UInt64(0xffff_ffff) << UInt64(32 - prefix) & 0xffff_ffff) }
    return (~0 << UInt64(max(0, 64 - prefix)), ~0 << UInt64(min(64, 128 - prefix)))
  }
}

extension CIDR: CustomStringConvertible {
  /// The form that `init(parsing:)` reads.
  public var description: String {
    let host = network.description.dropLast(2)
    return network.family == .ipv4 ? "\(host)/\(prefix)" : "\(host.dropFirst().dropLast())/\(prefix)"
  }
}

/// Why a text is not a network.
public enum CIDRError: Error, Equatable, Sendable {
  case badAddress
  case badPrefix(limit: Int)
  case strayBits

  /// What was expected, to follow "expected" in a message.
  public var expectation: String {
    switch self {
    case .badAddress: "an address or a network, as in 10.0.0.0/8, 192.0.2.7 or fd00::/8"
    case .badPrefix(let limit): "a prefix from 0 to \(limit) after the slash"
    case .strayBits: "only zero bits after the prefix, as in 10.0.0.0/8"
    }
  }
}
