import Bytes
import HTTP
import Storage

/// A server that switches protocols ends the fetch: its connection becomes half of a tunnel.
extension Fetch {
  /// The server has answered 101, with `count` bytes of the other protocol behind it at `early`. False: to
  /// nothing that it was offered.
  func switched(_ head: inout ResponseHead, _ early: UnsafePointer<UInt8>, count: Int) -> Bool {
    let protocols = upgrade.isEmpty ? [] : head.protocols(among: upgrade)
    guard !protocols.isEmpty, requestIsSent, let connection, let exchange = worker.localIfAny(fill)?.starter
    else { return false }
    worker.localIfAny(fill)?.tellInterims()
    let microseconds = Int(worker.loop.kernel.microseconds() - sentAt)
    worker.counters.observe(.upstreamFirstByte, microseconds: microseconds)
    upstream.firstByte = microseconds
    upstream.status = 101
    report(.answered)
    var traits = ArrivedTraits(status: 101)
    traits.upstream = upstream
    _ = connection.machine.handle(.switched)
    perform(machine.handle(.switched))
    unsafe exchange.switchProtocols(&head, to: protocols, over: connection, traits, early, count: count)
    return true
  }

  /// Tunnels do not count against the server's limit of connections: they last for hours, and requests must
  /// not queue behind them.
  func handOver() {
    connection?.fetch = nil
    connection = nil
    releaseServer()
    worker.counters.add(.fillsSwitched)
    fill.fail(FetchFailure.cancelled.rawValue)
    end()
  }
}
