public import IO
public struct BackendAddress: Sendable, Equatable, CustomStringConvertible {
  public var host: String
  public var port: UInt16
  public init(host: String, port: UInt16) { self.host = host; self.port = port }
  public static func parse(_ text: String) throws(AddressError) -> BackendAddress {
    if text.hasPrefix("unix:") { _ = try SocketAddress(unixPath: Array(text.utf8.dropFirst(5))); return BackendAddress(host: text, port: 0) }
    let (host, port) = try SocketAddress.split(text)
    return BackendAddress(host: host, port: port)
  }
  public var description: String { host.hasPrefix("unix:") ? host : "\(host):\(port)" }
}
extension BackendAddress {
  public func resolve() throws(ResolveError) -> [SocketAddress] {
    if host.hasPrefix("unix:") { return [try! SocketAddress(unixPath: Array(host.utf8.dropFirst(5)))] }
    return try SocketAddress.resolve(host: host, port: port)
  }
}
