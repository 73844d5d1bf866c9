public import IO

/// Where clients connect, and how their connections begin: `ADDR` or `ADDR,proxy` on the command line.
public struct ListenSetting: Sendable, Equatable {
  public var address: SocketAddress
  /// Each connection begins with a PROXY header, which says whose it is and is believed (L24).
  public var expectsProxyHeader: Bool

  public init(_ address: SocketAddress, expectsProxyHeader: Bool = false) {
    self.address = address
    self.expectsProxyHeader = expectsProxyHeader
  }

  private static let mark = ",proxy"

  static func parse(_ text: String) throws(AddressError) -> ListenSetting {
    let isMarked = text.hasSuffix(mark)
    let address = try SocketAddress.parse(listen: isMarked ? String(text.dropLast(mark.count)) : text)
    return ListenSetting(address, expectsProxyHeader: isMarked)
  }
}

extension ListenSetting: CustomStringConvertible {
  /// The form that `parse` reads.
  public var description: String { "\(address)\(expectsProxyHeader ? Self.mark : "")" }
}
