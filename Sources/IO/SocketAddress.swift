import Bytes
import Glibc

/// What a socket listens on, connects to, or is called from: an IPv4 or IPv6 address with a port, or the path
/// of a Unix socket. A plain value of 32 bytes; only Unix paths live outside it.
///
/// IPv4-mapped IPv6 addresses (`::ffff:127.0.0.1`, RFC 4291 §2.5.5.2), which a socket for both families
/// reports for its IPv4 peers, become IPv4 addresses, so that one peer has one address.
@safe public struct SocketAddress: Sendable, Hashable {
  public enum Family: UInt8, Sendable {
    case ipv4, ipv6, unix
    /// Every address of both families, for listening. Its `sockaddr` is that of `[::]`: the socket needs
    /// `IPV6_V6ONLY` off. Where the kernel has no IPv6, listen on `ipv4Wildcard` instead.
    case any
  }

  public let family: Family
  /// Host byte order; 0 for a Unix socket.
  public private(set) var port: UInt16
  /// The interface of a link-local IPv6 address (RFC 4007); otherwise 0.
  let scope: UInt32
  /// The first and last 8 bytes of an IPv6 address as big-endian numbers; of IPv4, the last 4 bytes of `low`.
  public let high: UInt64
  public let low: UInt64
  /// Path of a Unix socket, without a zero byte; empty for a socket without a name.
  public let path: [UInt8]

  /// Longest path of a Unix socket, in bytes: Linux has 108 with the final zero byte.
  public static let pathLimit = 107

  init(_ family: Family, high: UInt64, low: UInt64, port: UInt16, scope: UInt32 = 0, path: [UInt8] = []) {
    let isMapped = family == .ipv6 && high == 0 && low >> 32 == 0xffff
    self.family = isMapped ? .ipv4 : family
    self.high = high
    self.low = isMapped ? low & 0xffff_ffff : low
    self.port = port
    self.scope = scope
    self.path = path
  }

  /// - Parameter bits: The four bytes as a big-endian number: 0x7f000001 is 127.0.0.1.
  public init(ipv4 bits: UInt32, port: UInt16) { self.init(.ipv4, high: 0, low: UInt64(bits), port: port) }

  public init(ipv6 high: UInt64, _ low: UInt64, port: UInt16) {
    self.init(.ipv6, high: high, low: low, port: port)
  }

  /// Every address of both families.
  public init(anyAddressPort port: UInt16) { self.init(.any, high: 0, low: 0, port: port) }

  /// - Throws: `.badPath` for an empty path, one that is not absolute, or one with a zero byte;
  ///   `.pathTooLong`.
  public init(unixPath path: [UInt8]) throws(AddressError) {
    guard path.first == .slash, !path.contains(0) else { throw .badPath }
    guard path.count <= SocketAddress.pathLimit else { throw .pathTooLong }
    self.init(.unix, high: 0, low: 0, port: 0, path: path)
  }

  /// An address written in numbers (`127.0.0.1`, `::1`, without brackets); `nil` for anything else, names
  /// and zone identifiers (`fe80::1%eth0`) included.
  public init?(numeric text: String, port: UInt16) {
    // A zero byte would end the text for the C library before its end.
    guard !text.utf8.contains(0) else { return nil }
    var four = in_addr()
    if unsafe inet_pton(AF_INET, text, &four) == 1 {
      self.init(ipv4: UInt32(bigEndian: four.s_addr), port: port)
      return
    }
    var sixteen = (UInt64(0), UInt64(0))
    guard unsafe inet_pton(AF_INET6, text, &sixteen) == 1 else { return nil }
    self.init(ipv6: UInt64(bigEndian: sixteen.0), UInt64(bigEndian: sixteen.1), port: port)
  }

  public var isUnix: Bool { family == .unix }

  /// In 127.0.0.0/8 or ::1. A Unix socket is not: whether its peers count as local is for the caller to say.
  public var isLoopback: Bool {
    switch family {
    case .ipv4: low >> 24 == 127
    case .ipv6: high == 0 && low == 1
    case .unix, .any: false
    }
  }

  /// The same address with another port, such as the one the kernel chose for port 0.
  public func with(port: UInt16) -> SocketAddress {
    var copy = self
    copy.port = port
    return copy
  }

  /// For `any` on a kernel without IPv6.
  public var ipv4Wildcard: SocketAddress { SocketAddress(ipv4: 0, port: port) }
}

/// Why a text is not an address.
public enum AddressError: Error, Equatable, Sendable {
  case missingPort
  case badPort
  case badAddress
  case badPath
  case pathTooLong

  /// What was expected, to follow "expected" in a message.
  public var expectation: StaticString {
    switch self {
    case .missingPort: "a port after the last colon, as in 127.0.0.1:8080"
    case .badPort: "a port from 0 to 65535"
    case .badAddress: "an address in numbers, as in 127.0.0.1:8080 or [::1]:8080"
    case .badPath: "an absolute path, as in unix:/run/larder.sock"
    case .pathTooLong: "a path of at most 107 bytes"
    }
  }
}
