import Bytes
import Glibc
import Testing

@testable import Proxy

@Suite("Simulated: tunnels")
struct TunnelSimulationTests {
  private static let request = Array(
    "GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: raw\r\nConnection: upgrade\r\n\r\n".utf8)
  private static let answer = Array(
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: raw\r\nConnection: upgrade\r\n\r\n".utf8)

  private func bytes(_ count: Int, _ seed: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8 &+ seed) }
  }

  /// A tunnel through which each side sends so many bytes.
  private final class Scene {
    let up: [UInt8]
    let down: [UInt8]
    let client: RawPeer
    private(set) var server: RawPeer?

    init(_ simulation: Simulation, up: [UInt8], down: [UInt8], prepare: @escaping (RawPeer, RawPeer) -> Void)
    {
      self.up = up
      self.down = down
      simulation.network.bufferSizes = [64, 600, 4096, 65_536]
      client = simulation.rawClient(TunnelSimulationTests.request + up)
      let server = simulation.server { _, _ in [] }
      server.takesOver = { [unowned self] end in
        let peer = RawPeer(simulation.network, end: end, sends: TunnelSimulationTests.answer + down)
        peer.waitsForHead = true
        peer.pausesAt = TunnelSimulationTests.answer.count
        self.server = peer
        prepare(self.client, peer)
        return peer
      }
    }

    /// Nothing has come that was not sent, nothing twice, nothing out of order; with `isWhole`, all.
    func check(_ simulation: Simulation, isWhole: Bool) {
      let atServer = server?.receivedBehindHead ?? []
      // The server's 101 may have been lost with what followed it.
      let isOpen = client.received.starts(with: "HTTP/1.1 101".utf8)
      let atClient = isOpen ? client.receivedBehindHead : []
      simulation.expect(up.starts(with: atServer), "the server got what the client did not send")
      simulation.expect(down.starts(with: atClient), "the client got what the server did not send")
      guard isWhole else { return }
      simulation.expect(atServer.count, up.count, "bytes at the server")
      simulation.expect(atClient.count, down.count, "bytes at the client")
    }
  }

  @Test func `in any order of events every byte arrives once, then each side's end`() throws {
    try simulate(Seeds.some(30)) { simulation in
      let up = bytes(simulation.network.random.below(60_000), 1)
      let down = bytes(simulation.network.random.below(60_000), 2)
      let isSlow = simulation.network.random.once(in: 3)
      let scene = Scene(simulation, up: up, down: down) { client, server in
        if isSlow { server.appetite = 3000 }
        // One of the two may wait for the other's last byte before it speaks.
        if simulation.network.random.once(in: 3) { server.waitsFor = up.count }
        client.appetite = isSlow ? 5000 : 0
      }
      simulation.run { scene.client.isDone && scene.server?.isDone ?? false }
      scene.check(simulation, isWhole: true)
      simulation.expect(scene.client.sawEnd && !scene.client.sawReset, "the client saw no orderly end")
      simulation.expect(scene.server?.sawEnd ?? false, "the server saw no orderly end")
      simulation.expect(simulation.count(.tunnelBytesToServer), up.count, "bytes counted to the server")
      simulation.expect(simulation.count(.tunnelBytesToClient), down.count, "bytes counted to the client")
    }
  }

  @Test func `a side that resets resets the other, and nothing is left open`() throws {
    try simulate(Seeds.some(15)) { simulation in
      let isClient = simulation.network.random.once(in: 2)
      let at = simulation.network.random.below(30_000)
      let scene = Scene(simulation, up: bytes(30_000, 1), down: bytes(30_000, 2)) { client, server in
        if isClient {
          client.resetsAfter = Self.request.count + at
        } else {
          server.resetsAfter = Self.answer.count + at
        }
        client.halfCloses = false
        server.halfCloses = false
      }
      let other = { isClient ? scene.server : scene.client }
      simulation.run { other()?.isDone ?? scene.client.isDone }
      scene.check(simulation, isWhole: false)
      simulation.expect(
        other()?.sawReset ?? true || simulation.count(.tunnelsOpened) == 0, "a reset did not come through")
    }
  }

  @Test func `the n-th read or write that fails, for every n: no wrong byte, nothing left open`() throws {
    for call in [Faults.Call.read, .write] {
      for code in call.errors.joined() {
        var n = 1
        var wasReached = true
        while wasReached, n < 400 {
          try simulate([UInt64(n)]) { simulation in
            simulation.kernel.faults.plan(call, n, code)
            let scene = Scene(simulation, up: bytes(30_000, 1), down: bytes(20_000, 2)) { _, _ in }
            simulation.run { scene.client.isDone && scene.server?.isDone ?? true }
            let isHarmless = code == EAGAIN || code == EINTR
            scene.check(simulation, isWhole: isHarmless)
            wasReached = simulation.kernel.faults.count(of: call) >= n
          }
          n += 1 + n / 4
        }
      }
    }
  }

  @Test func `L30: a tunnel outlives the drain, and the worker waits for it`() throws {
    try simulate(Seeds.some(10)) { simulation in
      let scene = Scene(simulation, up: bytes(50_000, 1), down: bytes(50_000, 2)) { _, server in
        server.appetite = 2000
      }
      simulation.run { simulation.count(.tunnelsOpen) == 1 }
      simulation.drain()
      simulation.run { scene.client.isDone && scene.server?.isDone ?? false }
      scene.check(simulation, isWhole: true)
      simulation.run(for: 3000)
      for worker in simulation.workers { simulation.expect(worker.isFinished, "a worker is not finished") }
    }
  }

  @Test func `an idle tunnel is cut after the time-out and not before, also when half closed`() throws {
    for halfCloses in [false, true] {
      try simulate(Seeds.some(3), { $0.tunnelTimeoutMilliseconds = 20_000 }) { simulation in
        let scene = Scene(simulation, up: [1, 2, 3], down: []) { client, server in
          client.halfCloses = halfCloses
          server.halfCloses = false
        }
        simulation.run { scene.server?.receivedBehindHead.count == 3 }
        let start = simulation.network.now
        simulation.run(for: 19_000)
        simulation.expect(simulation.count(.tunnelsOpen), 1, "open tunnels")
        simulation.run { scene.client.sawReset }
        let time = simulation.network.now - start
        simulation.expect(time >= 19_900 && time < 22_000, "cut after \(time) ms")
        simulation.expect(simulation.count(.tunnelTimeouts), 1, "time-outs")
      }
    }
  }
}
