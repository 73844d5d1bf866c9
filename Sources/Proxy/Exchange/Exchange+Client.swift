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
    return (client.isLoopback || client.isUnix) && (facts.isTrusted || !isForwarded && !facts.isRelayed)
  }

  /// Takes address and scheme from a trusted proxy's word.
  func findClient() {
    client = facts.address
    scheme = facts.scheme
    guard facts.isTrusted else { return }
    if isForwarded { client = nearestUntrusted }
    if request.head.withValue(of: .xForwardedProto, { $0.equalsIgnoringCase("https") }) ?? false {
      scheme = "https"
    }
  }

  /// The last address in `X-Forwarded-For` that is not itself a trusted proxy; if all are, the first. `nil`:
  /// what stands in its place is no address, and what comes before that was written by who knows whom.
  private var nearestUntrusted: SocketAddress? {
    var named: [SocketAddress?] = []
    for line in request.head.lines where line.known == .xForwardedFor {
      forEachListMember(of: request.head.value(line)) { member in
        named.append(SocketAddress(numeric: String(decoding: member.array, as: UTF8.self), port: 0))
      }
    }
    let trusted = worker.configuration.trustedProxies
    for address in named.reversed() {
      guard let address else { return nil }
      if !trusted.contains(where: { $0.contains(address) }) { return address }
    }
    return named.first ?? nil
  }
}
