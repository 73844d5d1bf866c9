import Bytes
import HTTP
import IO
import Upstream

/// What a server is told of the client at the start of a connection: `--backend ADDR,proxy=v1|v2` (lifecycle
/// L24).
extension Fetch {
  /// Notes for whom the connection will be made. A refresh that nobody waits for is our own.
  func noteClient(of exchange: Exchange) {
    guard worker.introducesClients, kind != .background else { return }
    ends = RelayedEnds(
      source: exchange.client.map { ProxyHeader.Source($0) } ?? .unknown,
      destination: exchange.stream?.localAddress.map { ProxyHeader.Source($0) } ?? .unknown)
  }

  /// The header for a new connection to `server`; empty where none is wanted.
  func introduction(to server: Server) -> [UInt8] {
    guard let version = server.backend.proxyHeader else { return [] }
    var header = OutputBuffer(capacity: ProxyHeader.lineLimit)
    switch version {
    case .v1: ends.writeLine(to: &header)
    case .v2: ends.writeBinary(to: &header)
    }
    return header.bytes.array
  }
}

extension ProxyHeader.Source {
  init(_ address: SocketAddress) {
    switch address.family {
    case .ipv4: self = .ipv4(UInt32(truncatingIfNeeded: address.low), port: address.port)
    case .ipv6: self = .ipv6(high: address.high, low: address.low, port: address.port)
    case .unix, .any: self = .unknown
    }
  }
}
