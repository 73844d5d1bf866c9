import Bytes
import CLinux
import Glibc
import HTTP
import IO
import Storage
import Upstream

/// A connection to an upstream server: framing of requests out and responses in, one after the other.
///
/// Belongs to its worker; `fetch` is whom it serves now, `nil` while it is idle.
final class UpstreamConnection: Channel {
  let worker: Worker
  let server: Server
  var fetch: Fetch?
  /// What the connection has become after a 101.
  var tunnel: Tunnel?
  var machine = UpstreamMachine()
  var response = ResponseHead()
  /// Part of a head, kept until the rest arrives.
  var input: ReceiveBuffer?
  var framing = BodyFraming.none
  var decoder = ChunkedDecoder()
  var isReadable = false
  var isWritable = true
  var peerEndAnnounced = false
  /// A write has failed: when all that came has been read, the connection is over.
  var mayNotWrite = false
  var requestsServed = 0
  /// A PROXY header, or what of it is still to be sent.
  private var introduction: [UInt8]
  /// Bytes came behind the response: what follows cannot be trusted.
  var hasLeftovers = false

  /// Reads for one response before the others have their turn (lifecycle L3).
  static let readsPerTurn = 8
  /// Requests on one connection, as nginx bounds them.
  static let requestLimit = 10_000

  init(worker: Worker, server: Server, fd: CInt, introduction: [UInt8]) {
    self.worker = worker
    self.server = server
    self.introduction = introduction
    super.init(adopting: fd)
  }

  /// Some of the response's head is here.
  var hasPartialHead: Bool { input != nil }

  var wasReused: Bool { requestsServed > 1 }

  /// One that began with a PROXY header is its client's: another's request would go under the wrong name.
  var isReusable: Bool {
    machine.phase == .idle && !hasLeftovers && !peerEndAnnounced && requestsServed < Self.requestLimit
      && server.backend.proxyHeader == nil
  }

  /// A fetch takes the connection over.
  func assign(_ fetch: Fetch) {
    self.fetch = fetch
    worker.loop.setDeadline(self, 0)
  }

  /// Sends the fetch's request.
  func begin() {
    requestsServed += 1
    response.begin()
    input = nil
    framing = .none
    perform(machine.handle(.assigned))
    flush()
  }

  override func ready(_ readiness: Readiness) {
    if let tunnel { return tunnel.ready(self, readiness) }
    if readiness.contains(.peerEnded) { peerEndAnnounced = true }
    if machine.phase == .connecting {
      let code = worker.loop.kernel.connectOutcome(fd)
      if code != 0 || readiness.contains(.failed) && !readiness.contains(.readable) {
        perform(machine.handle(.connectFailed))
        return
      }
      guard readiness.contains(.writable) else { return }
      perform(machine.handle(.connected))
    } else if readiness.contains(.writable), !isWritable {
      isWritable = true
      flush()
    }
    guard fd >= 0, !readiness.isDisjoint(with: [.readable, .peerEnded, .failed, .hungUp]) else { return }
    isReadable = true
    receive()
  }

  override func timedOut() {
    worker.counters.add(.upstreamIdleTimeouts)
    perform(machine.handle(.idleTimedOut))
  }

  override func resumed() { if fd >= 0, isReadable { receive() } }

  func resumeReading() { if isReadable { worker.loop.resumeLater(self) } }

  /// Writes what the fetch has pending.
  func flush() {
    guard let fetch, fd >= 0, machine.phase != .connecting else { return }
    while isWritable, !introduction.isEmpty {
      let count = unsafe introduction.withUnsafeBufferPointer {
        unsafe write($0.baseAddress!, count: $0.count)
      }
      introduction.removeFirst(count)
    }
    while isWritable, fetch.pendingSent < fetch.memory.pending.count {
      let left = fetch.memory.pending.count - fetch.pendingSent
      let count = unsafe write(fetch.memory.pending.base + fetch.pendingSent, count: left)
      if count > 0 { fetch.sent(count) }
    }
  }

  /// How many bytes the socket took; none also where it is no longer writable.
  private func write(_ bytes: UnsafePointer<UInt8>, count: Int) -> Int {
    var part = unsafe iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes), iov_len: count)
    let written = unsafe worker.loop.kernel.write(fd, &part, count: 1)
    if written > 0 { return written }
    if written == -Int(EINTR) { return 0 }
    isWritable = false
    if written != -Int(EAGAIN) {
      // The answer may be there all the same: an early refusal, then a close.
      mayNotWrite = true
      isReadable = true
      worker.loop.resumeLater(self)
    }
    return 0
  }

  func perform(_ action: UpstreamMachine.Action) {
    switch action {
    case .none: break
    case .reportConnected: fetch?.connected()
    case .reportConnectFailed: fetch?.connectionFailed()
    case .reportBroken: fetch?.connectionBroke(inBody: false)
    case .reportCut: fetch?.connectionBroke(inBody: true)
    case .close:
      worker.unpark(self)
      worker.close(self)
    }
  }
}

/// What an upstream connection does next. Pure: events in, actions out.
struct UpstreamMachine: Equatable {
  enum Phase: Equatable {
    /// → idle, closed
    case connecting
    /// Parked, or about to be given a request. → awaitingHead, closed
    case idle
    /// → readingBody, idle (no body), tunnelling, closed
    case awaitingHead
    /// → idle, closed
    case readingBody
    /// The server has switched protocols: a tunnel has the connection, and closes it.
    case tunnelling
    case closed
  }

  enum Event: Equatable {
    case connected, connectFailed
    case assigned
    case headArrived
    case switched
    case responseEnded(keepsAlive: Bool)
    case bytesWhileIdle
    case peerEnded
    case idleTimedOut
  }

  enum Action: Equatable {
    case none
    case reportConnected, reportConnectFailed
    /// Before a byte of the response's head was complete.
    case reportBroken
    case reportCut
    case close
  }

  private(set) var phase = Phase.connecting

  mutating func handle(_ event: Event) -> Action {
    switch phase {
    case .connecting: connecting(event)
    case .idle: idle(event)
    case .awaitingHead: awaitingHead(event)
    case .readingBody: readingBody(event)
    case .tunnelling, .closed: .none
    }
  }

  private mutating func connecting(_ event: Event) -> Action {
    switch event {
    case .connected: return move(to: .idle, .reportConnected)
    case .connectFailed, .peerEnded: return move(to: .closed, .reportConnectFailed)
    case .assigned, .headArrived, .switched, .responseEnded, .bytesWhileIdle, .idleTimedOut: return .none
    }
  }

  /// A server that speaks before it is asked cannot be trusted with the next answer.
  private mutating func idle(_ event: Event) -> Action {
    switch event {
    case .assigned: return move(to: .awaitingHead, .none)
    case .bytesWhileIdle, .peerEnded, .idleTimedOut: return move(to: .closed, .close)
    case .connected, .connectFailed, .headArrived, .switched, .responseEnded: return .none
    }
  }

  private mutating func awaitingHead(_ event: Event) -> Action {
    switch event {
    case .headArrived: return move(to: .readingBody, .none)
    case .switched: return move(to: .tunnelling, .none)
    case .peerEnded: return move(to: .closed, .reportBroken)
    case .connected, .connectFailed, .assigned, .responseEnded, .bytesWhileIdle, .idleTimedOut: return .none
    }
  }

  private mutating func readingBody(_ event: Event) -> Action {
    switch event {
    case .responseEnded(let keepsAlive): return move(to: keepsAlive ? .idle : .closed, .none)
    case .peerEnded: return move(to: .closed, .reportCut)
    case .connected, .connectFailed, .assigned, .headArrived, .switched, .bytesWhileIdle, .idleTimedOut:
      return .none
    }
  }

  private mutating func move(to phase: Phase, _ action: Action) -> Action {
    self.phase = phase
    return action
  }
}
