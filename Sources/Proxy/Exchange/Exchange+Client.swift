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
    var saysHTTPS = request.head.withValue(of: .xForwardedProto) { $0.equalsIgnoringCase("https") }
    if isForwarded {
      let hop = nearestUntrusted
      client = hop?.address
      saysHTTPS = saysHTTPS ?? hop?.isHTTPS
    }
    if saysHTTPS ?? false { scheme = "https" }
  }

  /// Who asked one of the proxies on the way here, and how, if that was said.
  private struct Hop {
    var address: SocketAddress?
    var isHTTPS: Bool?
  }

  /// The last one that is not itself a trusted proxy; if all are, the first. Without an address: what stands
  /// in its place is none, and what comes before that was written by who knows whom.
  private var nearestUntrusted: Hop? {
    let hops = request.head.has(.xForwardedFor) ? hopsByXForwardedFor : hopsByForwarded
    let trusted = worker.configuration.trustedProxies
    for hop in hops.reversed() {
      guard let address = hop.address else { return nil }
      if !trusted.contains(where: { $0.contains(address) }) { return hop }
    }
    return hops.first
  }

  private var hopsByXForwardedFor: [Hop] {
    var hops: [Hop] = []
    for line in request.head.lines where line.known == .xForwardedFor {
      forEachListMember(of: request.head.value(line)) { hops.append(Hop(address: SocketAddress(node: $0))) }
    }
    return hops
  }

  /// Where nobody wrote `X-Forwarded-For`. Proxies that write both agree; one that writes only the other
  /// would let a client's own `Forwarded` through.
  private var hopsByForwarded: [Hop] {
    var hops: [Hop] = []
    for line in request.head.lines where line.known == .forwarded {
      forEachListMember(of: request.head.value(line)) { element in
        var hop = Hop()
        if let node = forwardedParameter("for", of: element) {
          hop.address = SocketAddress(node: element.extracting(node))
        }
        if let scheme = forwardedParameter("proto", of: element) {
          hop.isHTTPS = element.extracting(scheme).equalsIgnoringCase("https")
        }
        hops.append(hop)
      }
    }
    return hops
  }
}

extension SocketAddress {
  /// A node of RFC 7239 §6 that is an address, with or without a port; `X-Forwarded-For` has the same forms,
  /// and IPv6 without brackets. The port is not kept: it is the client's on another host.
  fileprivate init?(node: Span<UInt8>) {
    var host = node
    if node.count > 0, node[0] == UInt8(ascii: "[") {
      guard let end = node.firstIndex(of: UInt8(ascii: "]")),
        end == node.count - 1 || node[end + 1] == .colon
      else { return nil }
      host = node.extracting(1..<end)
    } else if let colon = node.firstIndex(of: .colon), node.firstIndex(of: .colon, from: colon + 1) == nil {
      host = node.extracting(0..<colon)
    }
    self.init(numeric: String(decoding: host.array, as: UTF8.self), port: 0)
  }
}
