import Bytes
import IO
import Telemetry

/// A client's connection and a server's after a 101: what the one sends goes to the other, as it comes.
///
/// Belongs to the worker of both. The two connections keep their places in its loop and hand their events on;
/// the client's deadline is the tunnel's.
final class Tunnel {
  private let worker: Worker
  private let client: ClientConnection
  private let server: UpstreamConnection
  private let exchange: Exchange
  private let toServer: TunnelFlow
  private let toClient: TunnelFlow
  private var machine = TunnelMachine()

  /// - Parameter answer: Our 101, and behind it what the server has sent after its own.
  init(of exchange: Exchange, client: ClientConnection, server: UpstreamConnection, answer: ReceiveBuffer) {
    worker = client.worker
    self.client = client
    self.server = server
    self.exchange = exchange
    toServer = TunnelFlow(
      .toServer, worker: worker, from: client, isReadable: client.isReadable,
      endIsAnnounced: client.peerEndAnnounced, to: server, isWritable: server.isWritable, kept: client.input)
    toClient = TunnelFlow(
      .toClient, worker: worker, from: server, isReadable: server.isReadable,
      endIsAnnounced: server.peerEndAnnounced, to: client, isWritable: client.isWritable, kept: answer)
    toServer.count(early: client.input?.count ?? 0)
    client.input = nil
    worker.counters.add(.tunnelsOpened)
    worker.counters.add(.tunnelsOpen)
  }

  /// - Parameter early: How many bytes of `answer` are the server's.
  func start(early: Int) {
    toClient.count(early: early)
    restartTime()
    carry()
  }

  private func restartTime() {
    worker.loop.setDeadline(client, worker.loop.now + worker.limits.tunnelTimeoutMilliseconds)
  }

  func ready(_ end: Channel, _ readiness: Readiness) {
    let (incoming, outgoing) = end === client ? (toServer, toClient) : (toClient, toServer)
    if !readiness.isDisjoint(with: [.peerEnded, .hungUp]) { incoming.endIsAnnounced = true }
    if !readiness.isDisjoint(with: [.readable, .peerEnded, .failed, .hungUp]) { incoming.isReadable = true }
    if !readiness.isDisjoint(with: [.writable, .failed, .hungUp]) { outgoing.isWritable = true }
    // One whose end has been read already is not read again: nothing else would notice.
    if readiness.contains(.failed), machine.phase == (end === client ? .clientEnded : .serverEnded) {
      return fail()
    }
    carry()
  }

  func timedOut() { perform(machine.handle(.timedOut)) }

  func fail() { perform(machine.handle(.failed)) }

  /// Both ways, each as far as it goes now.
  func carry() {
    let before = toServer.written + toClient.written
    advance(toServer, atEnd: .clientEnded)
    advance(toClient, atEnd: .serverEnded)
    if machine.phase != .closed, toServer.written + toClient.written > before { restartTime() }
  }

  private func advance(_ flow: TunnelFlow, atEnd event: TunnelMachine.Event) {
    guard machine.phase != .closed else { return }
    switch flow.carry() {
    case .waits: break
    case .hasMore: worker.loop.resumeLater(client)
    case .ended: perform(machine.handle(event))
    case .failed: fail()
    }
  }

  private func perform(_ action: TunnelMachine.Action) {
    switch action {
    case .none: break
    case .endServerSide: worker.loop.kernel.shutdownWrite(server.fd)
    case .endClientSide: worker.loop.kernel.shutdownWrite(client.fd)
    case .close: end(abruptly: false)
    case .reset: end(abruptly: true)
    }
  }

  private func end(abruptly: Bool) {
    worker.counters.add(.tunnelsOpen, -1)
    exchange.bodyReceived = toServer.taken
    exchange.bytesSent = max(0, toClient.taken - toClient.keptCount)
    server.tunnel = nil
    worker.close(server, abruptly: abruptly)
    client.tunnelEnded(abruptly: abruptly)
  }
}

extension ClientConnection {
  func becomeTunnel(
    of exchange: Exchange, to server: UpstreamConnection, _ early: UnsafePointer<UInt8>, count: Int
  ) {
    guard exchange === self.exchange, fd >= 0 else { return worker.close(server) }
    perform(machine.handle(.switched))
    output = ResponseOutput()
    // From here on only the end of the connection marks the end of what is sent.
    output.framing = .untilClose
    let answer = worker.receiveBuffer(for: worker.tail.count + count)
    unsafe answer.append(UnsafePointer(worker.tail.base), count: worker.tail.count)
    if count > 0 { unsafe answer.append(early, count: count) }
    let tunnel = Tunnel(of: exchange, client: self, server: server, answer: answer)
    self.tunnel = tunnel
    server.tunnel = tunnel
    tunnel.start(early: count)
  }

  func tunnelEnded(abruptly: Bool) {
    tunnel = nil
    if abruptly { return perform(machine.handle(.failed)) }
    exchange?.responseEnded()
    perform(machine.handle(.responseEnded(keepsAlive: false)))
  }
}
