public import Bytes
import Glibc

extension SocketAddress {
  /// The value of a listening flag: `:8080` (every address of both families), `127.0.0.1:8080`, `[::1]:8080`
  /// or `unix:/path`. Port 0 asks the kernel for a free one. Names are not looked up.
  public static func parse(listen text: String) throws(AddressError) -> SocketAddress {
    if text.hasPrefix("unix:") { return try SocketAddress(unixPath: Array(text.utf8.dropFirst(5))) }
    let (host, port) = try split(text)
    if host.isEmpty { return SocketAddress(anyAddressPort: port) }
    guard let address = SocketAddress(numeric: host, port: port) else { throw .badAddress }
    return address
  }

  /// Divides `HOST:PORT` at its last colon and takes the brackets from an IPv6 address (RFC 3986 §3.2.2). The
  /// host may be a name, or empty.
  ///
  /// - Throws: `.badAddress` for an IPv6 address without brackets and for brackets that do not match.
  public static func split(_ text: String) throws(AddressError) -> (host: String, port: UInt16) {
    guard let colon = text.utf8.lastIndex(of: .colon) else { throw .missingPort }
    var host = text[..<colon]
    if host.hasPrefix("[") {
      guard host.hasSuffix("]") else { throw text.hasSuffix("]") ? .missingPort : .badAddress }
      host = host.dropFirst().dropLast()
      guard host.utf8.contains(.colon) else { throw .badAddress }
    } else if host.utf8.contains(.colon) {
      throw .badAddress
    }
    let digits = text[text.index(after: colon)...].utf8
    guard !digits.isEmpty else { throw .missingPort }
    guard digits.count <= 5, digits.allSatisfy({ $0.isDigit }) else { throw .badPort }
    let number = digits.reduce(0) { $0 * 10 + Int($1 - 48) }
    guard let port = UInt16(exactly: number) else { throw .badPort }
    return (String(host), port)
  }

  /// Writes the address without its port: `192.0.2.1`, `2001:db8::1` (RFC 5952), `unix:/path`, `*` for `any`.
  /// Does not allocate. IPv6 is without brackets and without its zone.
  public func writeHost(to output: inout OutputBuffer) {
    switch family {
    case .ipv4:
      for shift: UInt64 in [24, 16, 8, 0] {
        output.append(decimal: Int(low >> shift & 255))
        if shift > 0 { output.append(.dot) }
      }
    case .ipv6: writeIPv6(to: &output)
    case .unix:
      output.append("unix:")
      output.append(path.span)
    case .any: output.append(UInt8(ascii: "*"))
    }
  }

  /// The form that `parse(listen:)` reads: `:8080`, `127.0.0.1:8080`, `[::1]:8080`, `unix:/path`.
  public func write(to output: inout OutputBuffer) {
    if family == .ipv6 { output.append(UInt8(ascii: "[")) }
    if family != .any { writeHost(to: &output) }
    if family == .ipv6 { output.append(UInt8(ascii: "]")) }
    guard family != .unix else { return }
    output.append(.colon)
    output.append(decimal: Int(port))
  }

  private func writeIPv6(to output: inout OutputBuffer) {
    let (gap, gapEnd) = longestZeroRun()
    var i = 0
    while i < 8 {
      if i == gap {
        output.append("::")
        i = gapEnd
        continue
      }
      if i > 0, i != gapEnd { output.append(.colon) }
      let group = group(i)
      let digits = max(1, (19 - group.leadingZeroBitCount) / 4)
      for digit in (0..<digits).reversed() {
        let value = UInt8(truncatingIfNeeded: group >> UInt16(digit * 4) & 15)
        output.append(value < 10 ? 48 + value : 87 + value)
      }
      i += 1
    }
  }

  private func group(_ index: Int) -> UInt16 {
    UInt16(truncatingIfNeeded: (index < 4 ? high : low) >> UInt64(48 - index % 4 * 16))
  }

  /// The groups that `::` stands for: the longest run of at least two zeros, the first of equals
  /// (RFC 5952 §4.2); (8, 8) if there is none.
  private func longestZeroRun() -> (start: Int, end: Int) {
    var best = (start: 8, end: 8)
    var i = 0
    while i < 8 {
      let start = i
      while i < 8, group(i) == 0 { i += 1 }
      if i - start > max(1, best.end - best.start) { best = (start, i) }
      i += 1
    }
    return best
  }
}

extension SocketAddress: CustomStringConvertible {
  public var description: String {
    var output = OutputBuffer(capacity: 64)
    write(to: &output)
    return unsafe output.bytes.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
  }
}
