public import Bytes

/// Both ends of a relayed connection, for a header of our own.
public struct RelayedEnds: Equatable, Sendable {
  public var source: ProxyHeader.Source
  /// Where the client's connection arrived.
  public var destination: ProxyHeader.Source

  /// Ends of two families, as a client behind another proxy may have, become IPv6 (RFC 4291 §2.5.5.2).
  /// Without both addresses nothing is said of either.
  public init(source: ProxyHeader.Source, destination: ProxyHeader.Source) {
    switch (source, destination) {
    case (.ipv4, .ipv4), (.ipv6, .ipv6): (self.source, self.destination) = (source, destination)
    case (.ipv4, .ipv6): (self.source, self.destination) = (source.mapped, destination)
    case (.ipv6, .ipv4): (self.source, self.destination) = (source, destination.mapped)
    case (.proxy, _): (self.source, self.destination) = (.proxy, .proxy)
    default: (self.source, self.destination) = (.unknown, .unknown)
    }
  }

  /// The connection is our own.
  public static let none = RelayedEnds(source: .proxy, destination: .proxy)

  /// Version 1: a line, which knows nothing between a known client and none.
  public func writeLine(to output: inout OutputBuffer) {
    guard let sourcePort = source.port, let destinationPort = destination.port else {
      return output.append("PROXY UNKNOWN\r\n")
    }
    if case .ipv4 = source { output.append("PROXY TCP4 ") } else { output.append("PROXY TCP6 ") }
    source.writeHost(to: &output)
    output.append(.space)
    destination.writeHost(to: &output)
    output.append(.space)
    output.append(decimal: Int(sourcePort))
    output.append(.space)
    output.append(decimal: Int(destinationPort))
    output.append("\r\n")
  }

  /// Version 2.
  public func writeBinary(to output: inout OutputBuffer) {
    output.append("\r\n\r\n\0\r\nQUIT\n")
    output.append(source == .proxy ? 0x20 : 0x21)
    guard let sourcePort = source.port, let destinationPort = destination.port else {
      for _ in 0..<3 { output.append(UInt8(0)) }
      return
    }
    let isIPv4 = if case .ipv4 = source { true } else { false }
    output.append(isIPv4 ? 0x11 : 0x21)
    output.append(UInt8(0))
    output.append(isIPv4 ? 12 : 36)
    source.writeBits(to: &output)
    destination.writeBits(to: &output)
    for port in [sourcePort, destinationPort] {
      output.append(UInt8(port >> 8))
      output.append(UInt8(port & 255))
    }
  }
}

extension ProxyHeader.Source {
  fileprivate var mapped: ProxyHeader.Source {
    guard case .ipv4(let bits, let port) = self else { return self }
    return .ipv6(high: 0, low: 0xffff_0000_0000 | UInt64(bits), port: port)
  }

  fileprivate var port: UInt16? {
    switch self {
    case .proxy, .unknown: nil
    case .ipv4(_, let port), .ipv6(_, _, let port): port
    }
  }

  fileprivate func writeHost(to output: inout OutputBuffer) {
    switch self {
    case .proxy, .unknown: break
    case .ipv4(let bits, _):
      for shift in [24, 16, 8, 0] {
        output.append(decimal: Int(bits >> shift & 255))
        if shift > 0 { output.append(.dot) }
      }
    case .ipv6(let high, let low, _):
      for group in 0..<8 {
        if group > 0 { output.append(.colon) }
        output.append(hex: (group < 4 ? high : low) >> (48 - 16 * (group & 3)) & 0xffff, digits: 1)
      }
    }
  }

  fileprivate func writeBits(to output: inout OutputBuffer) {
    switch self {
    case .proxy, .unknown: break
    case .ipv4(let bits, _): for shift in [24, 16, 8, 0] { output.append(UInt8(bits >> shift & 255)) }
    case .ipv6(let high, let low, _):
      for word in [high, low] {
        for shift in stride(from: 56, through: 0, by: -8) { output.append(UInt8(word >> shift & 255)) }
      }
    }
  }
}
