public import IO

/// A backend as the operator names it: a host with a port, or a Unix socket, and how connections to it begin.
/// A name stands for as many servers as it has addresses; a number or a path for one.
public struct BackendAddress: Sendable, Hashable {
  /// A name, or an address in numbers without brackets; empty for a Unix socket.
  public let host: String
  /// 1 to 65535; 0 for a Unix socket.
  public let port: UInt16
  /// The one address of a backend given in numbers or as a path; `nil` for a name, which has to be looked up.
  public let fixed: SocketAddress?
  /// Each connection begins with a PROXY header, which says for whom it is made (L24).
  public var proxyHeader: ProxyVersion?

  /// Longest host name, in bytes (RFC 1035 §2.3.4, without the final dot of the root).
  public static let nameLimit = 253

  /// - Parameter address: Not `any`.
  public init(fixed address: SocketAddress) {
    host = ""
    port = address.port
    fixed = address
  }

  /// - Parameter host: A name, or an address in numbers without brackets.
  public init(host: String, port: UInt16) {
    self.host = host
    self.port = port
    fixed = SocketAddress(numeric: host, port: port)
  }

  /// Reads `HOST:PORT`, `[::1]:80` or `unix:/path`, and behind it `,proxy=v1` or `,proxy=v2`. Does not look
  /// the name up.
  ///
  /// - Throws: which part of the text is not what it should be. Port 0 is no server's.
  public static func parse(_ text: String) throws(BackendError) -> BackendAddress {
    guard let comma = text.lastIndex(of: ","), text[comma...].hasPrefix(ProxyVersion.flag) else {
      return try parse(address: text)
    }
    guard let version = ProxyVersion.allCases.first(where: { $0.suffix == text[comma...] }) else {
      throw BackendError(cause: nil)
    }
    var backend = try parse(address: String(text[..<comma]))
    backend.proxyHeader = version
    return backend
  }

  private static func parse(address text: String) throws(BackendError) -> BackendAddress {
    do throws(AddressError) {
      if text.hasPrefix("unix:") { return BackendAddress(fixed: try SocketAddress.parse(listen: text)) }
      let (host, port) = try SocketAddress.split(text)
      guard port > 0 else { throw .badPort }
      let backend = BackendAddress(host: host, port: port)
      guard backend.fixed != nil || isName(host) else { throw .badAddress }
      return backend
    } catch {
      throw BackendError(cause: error)
    }
  }

  /// Labels of letters, digits, hyphens and underscores, none empty but after a final dot (RFC 1123 §2.1; the
  /// underscore is not in it but in use in private networks). A name of digits and dots alone is a mistyped
  /// IPv4 address.
  private static func isName(_ host: String) -> Bool {
    let name = host.utf8.last == .dot ? host.utf8.dropLast() : host.utf8[...]
    guard !name.isEmpty, name.count <= nameLimit else { return false }
    guard name.contains(where: { !$0.isDigit && $0 != .dot }) else { return false }
    return name.split(separator: .dot, omittingEmptySubsequences: false).allSatisfy { label in
      !label.isEmpty && label.count <= 63 && label.first != .dash && label.last != .dash
        && label.allSatisfy {
          $0.isDigit || $0.lowered.isLower || $0 == .dash || $0 == UInt8(ascii: "_")
        }
    }
  }

  /// The Host field that names this backend (RFC 9110 §7.2): without the port if that is http's 80;
  /// `localhost` for a Unix socket.
  public var authority: String {
    if fixed?.isUnix == true { return "localhost" }
    return port == 80 ? bracketedHost : "\(bracketedHost):\(port)"
  }

  private var bracketedHost: String { host.utf8.contains(.colon) ? "[\(host)]" : host }
}

extension BackendAddress: CustomStringConvertible {
  public var description: String {
    let address = fixed.map { $0.description } ?? "\(host):\(port)"
    return address + (proxyHeader?.suffix ?? "")
  }
}

/// The PROXY protocol's text or its binary form.
public enum ProxyVersion: String, Sendable, CaseIterable {
  case v1, v2

  static let flag = ",proxy"
  /// As it stands behind an address.
  var suffix: String { "\(Self.flag)=\(rawValue)" }
}

/// Why a text does not name a backend.
public struct BackendError: Error, Equatable, Sendable {
  /// What is wrong with the address; `nil`: what stands behind it is.
  public let cause: AddressError?

  public init(cause: AddressError?) { self.cause = cause }

  /// What was expected, to follow "expected" in a message.
  public var expectation: StaticString {
    switch cause {
    case .missingPort: "a port after the last colon, as in 127.0.0.1:3000"
    case .badPort: "a port from 1 to 65535"
    case .badAddress: "HOST:PORT, [IPv6]:PORT or unix:/path"
    case .badPath: AddressError.badPath.expectation
    case .pathTooLong: AddressError.pathTooLong.expectation
    case nil: "proxy=v1 or proxy=v2 behind the comma"
    }
  }
}
