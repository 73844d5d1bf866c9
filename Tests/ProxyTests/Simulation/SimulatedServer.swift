import Bytes
import IO

/// What a simulated server does about a request, in order.
enum ServerStep {
  case send([UInt8])
  case wait(Int)
  /// Until the test calls `ServerConnection.goOn`.
  case hold
  /// Ends its side in order.
  case close
  case reset

  static func text(_ text: String) -> ServerStep { .send(Array(text.utf8)) }
}

/// An origin server: byte by byte it does what its script says.
final class SimulatedServer {
  enum ConnectAnswer { case accepts, refuses, isSilent }

  let network: Network
  let address: SocketAddress
  /// How connection attempts are answered; by default all are taken.
  var connectAnswer: () -> ConnectAnswer = { .accepts }
  /// Takes new connections in the place of the script.
  var takesOver: ((StreamEnd) -> Step)?
  /// The script for one request.
  var respond: (Message, ServerConnection) -> [ServerStep]
  private(set) var requests: [Message] = []
  fileprivate(set) var connections: [ObjectIdentifier: ServerConnection] = [:]
  private(set) var mostConnections = 0
  private(set) var connectAttempts = 0

  init(_ network: Network, port: UInt16, respond: @escaping (Message, ServerConnection) -> [ServerStep]) {
    self.network = network
    address = SocketAddress(ipv4: 0x0a00_0001, port: port)
    self.respond = respond
    network.servers[address] = self
  }

  func answersConnecting() -> ConnectAnswer {
    connectAttempts += 1
    return connectAnswer()
  }

  func accepted(_ end: StreamEnd) {
    if let step = takesOver?(end) {
      end.actor = step
      return network.activate(step)
    }
    let connection = ServerConnection(server: self, end: end)
    connections[ObjectIdentifier(connection)] = connection
    mostConnections = max(mostConnections, connections.count)
    end.actor = connection
    network.activate(connection)
  }

  fileprivate func arrived(_ request: Message, on connection: ServerConnection) -> [ServerStep] {
    requests.append(request)
    return respond(request, connection)
  }

  /// Bytes that have left the open connections' buffers for the proxy.
  var bytesTakenByProxy: Int { connections.values.reduce(0) { $0 + ($1.end.peer?.bytesTaken ?? 0) } }

  func requests(for target: String) -> [Message] { requests.filter { $0.target == target } }
}

final class ServerConnection: Step {
  let server: SimulatedServer
  let end: StreamEnd
  private var reader = MessageReader(readsRequests: true)
  private var steps: [ServerStep] = []
  private var output: [UInt8] = []
  private var sent = 0
  private var isWaiting = false
  private(set) var isHeld = false
  private(set) var requestCount = 0
  private var isOver = false

  init(server: SimulatedServer, end: StreamEnd) {
    self.server = server
    self.end = end
  }

  override func step() {
    guard !isOver else { return }
    read()
    while !isOver, !isWaiting, !isHeld {
      if sent < output.count {
        let count = end.write(output, from: sent)
        if count < 0 { return over { end.close() } }
        if count == 0 { return }
        sent += count
        continue
      }
      guard !steps.isEmpty else { break }
      play(steps.removeFirst())
    }
    if steps.isEmpty, sent == output.count, !isWaiting, !isHeld, end.mayRead, end.available == 0 {
      over { end.close() }
    }
  }

  private func play(_ step: ServerStep) {
    switch step {
    case .send(let bytes):
      output = bytes
      sent = 0
    case .wait(let milliseconds):
      isWaiting = true
      server.network.after(milliseconds) {
        self.isWaiting = false
        self.server.network.activate(self)
      }
    case .hold: isHeld = true
    case .close: over { end.close() }
    case .reset: over { end.reset() }
    }
  }

  /// After `hold`.
  func goOn(_ more: [ServerStep] = []) {
    isHeld = false
    steps.append(contentsOf: more)
    server.network.activate(self)
  }

  private func read() {
    guard end.available > 0 else {
      // The proxy has given up: nobody will read what we say.
      if end.isDead { over { end.close() } }
      return
    }
    reader.feed(end.take())
    do throws(MessageError) {
      while var request = try reader.next() {
        request.at = server.network.now
        requestCount += 1
        steps.append(contentsOf: server.arrived(request, on: self))
      }
    } catch {
      server.network.violate("a request that is malformed: \(error)")
    }
  }

  private func over(_ end: () -> Void) {
    isOver = true
    end()
    server.connections[ObjectIdentifier(self)] = nil
  }
}
