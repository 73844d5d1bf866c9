import Bytes
import HTTP
import IO

/// Who asks, as far as that can be believed (lifecycle L24).
extension Exchange {
  /// The request says that it came through another proxy.
  var isForwarded: Bool { request.head.present.intersects(Self.forwardingFields) }

  private static let forwardingFields = FieldSet(.forwarded, .xForwardedFor, .via)

  /// A proxy on this machine makes every client's address loopback; its forwarding fields give it away.
  var isTrulyLocal: Bool {
    guard let client else { return false }
    return (client.isLoopback || client.isUnix) && (facts.isTrusted || !isForwarded)
  }

  /// Takes address and scheme from a trusted proxy's word: the last address that is not itself a trusted proxy.
  func findClient() {
    client = facts.address
    scheme = facts.scheme
    guard facts.isTrusted else { return }
    var named: [SocketAddress] = []
    for line in request.head.lines where line.known == .xForwardedFor {
      forEachListMember(of: request.head.value(line)) { member in
        let text = String(decoding: member.array, as: UTF8.self)
        if let address = SocketAddress(numeric: text, port: 0) { named.append(address) }
      }
    }
    let trusted = worker.configuration.trustedProxies
    let last = named.last { address in !trusted.contains { $0.contains(address) } }
    if let address = last ?? named.first { client = address }
    if request.head.withValue(of: .xForwardedProto, { $0.equalsIgnoringCase("https") }) ?? false {
      scheme = "https"
    }
  }
}
