import IO

/// The client's side of an exchange: a stream of a connection (lifecycle L1). It owns framing and output; the
/// exchange tells it what there is, and it pulls the body as it finds room.
protocol ExchangeClient: AnyObject {
  /// Where the client's connection arrived.
  var localAddress: SocketAddress? { get }

  /// The response's head is decided: `exchange.outgoing` says what to send; `worker.tail` holds the fields
  /// that were made for this response. Body bytes are to be pulled from `exchange.body`.
  func sendHead(of exchange: Exchange)

  /// The body source has something new: bytes, its end, or its failure.
  func bodyProgressed(of exchange: Exchange)

  /// An interim response (1xx): `bytes` is its whole head.
  func sendInterim(_ bytes: [UInt8], of exchange: Exchange)

  /// Bytes of the request's body are wanted, from now on as long as `exchange.bodyRoom` is more than 0.
  func wantsRequestBody(of exchange: Exchange)

  /// The server has switched protocols: `worker.tail` holds our 101. The stream becomes a tunnel to `server`,
  /// of whose bytes behind its own 101 `count` are at `early`.
  func becomeTunnel(
    of exchange: Exchange, to server: UpstreamConnection, _ early: UnsafePointer<UInt8>, count: Int)

  /// The response cannot be completed: its reader must see that.
  func cut(_ exchange: Exchange)
}

/// What is known about who asks, from the listener and the connection (lifecycle L24).
struct ClientFacts {
  var address: SocketAddress?
  var scheme: StaticString = "http"
  /// The peer is in `--trusted-proxy`: its forwarding fields are believed.
  var isTrusted = false
  /// A PROXY header says that the connection is somebody else's. The address may be loopback of the proxy's
  /// machine, or of this one because the proxy is here: it makes nobody local.
  var isRelayed = false
  var role = ListenerRole.proxy
}

/// What a listener is for.
enum ListenerRole: Sendable {
  case proxy, admin, demoOrigin
}
