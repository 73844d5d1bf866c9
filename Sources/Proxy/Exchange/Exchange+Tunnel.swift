import Bytes
import Caching
import HTTP

/// The answer 101: the exchange stays for as long as the tunnel is open, and is logged with its end.
extension Exchange {
  /// Our own 101 goes out, and then the bytes of both sides.
  ///
  /// - Parameters:
  ///   - protocols: What the server has switched to.
  ///   - early: What it has sent behind its 101.
  func switchProtocols(
    _ response: inout ResponseHead, to protocols: [UInt8], over server: UpstreamConnection,
    _ head: ArrivedTraits,
    _ early: UnsafePointer<UInt8>, count: Int
  ) {
    leaveFill()
    ownFetch = nil
    status = 101
    upstream = head.upstream
    phase = .delivering
    worker.tail.removeAll()
    worker.tail.append("HTTP/1.1 101 Switching Protocols\r\n")
    response.head.removeHopByHop()
    response.head.remove(FieldSet(.contentLength, .xCacheStatus))
    response.head.append(.connection, "upgrade")
    response.head.append(.upgrade, protocols.span)
    response.head.write(to: &worker.tail)
    arrived = ArrivedHead(worker.tail, head, confirmed: nil)
    writeStatusFields(CacheStatusFacts(forwardStatus: 101, isTrusted: facts.isTrusted), key: Span())
    worker.tail.append("\r\n")
    let microseconds = Int(worker.loop.kernel.microseconds() - startedAt)
    worker.counters.requestEnded(decision: decision.index, status: status, microseconds: microseconds)
    unsafe stream?.becomeTunnel(of: self, to: server, early, count: count)
  }
}
