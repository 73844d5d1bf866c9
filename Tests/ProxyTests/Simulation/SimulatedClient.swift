import Bytes
import Glibc
import IO

/// How a client takes what it is sent.
enum ReadingPace {
  /// At once.
  case eager
  /// So many bytes, then a pause.
  case slow(bytes: Int, milliseconds: Int)
  case never
}

/// A client that asks a list of requests on one connection and takes the answers.
final class SimulatedClient: Step {
  enum Ending: Equatable { case open, whole, cut, closedByServer, resetByServer, leftByItself }

  let network: Network
  let name: String
  private var end: StreamEnd
  private var output: [UInt8] = []
  private var sent = 0
  private var asked: [Message] = []
  private var reader = MessageReader(readsRequests: false)
  var pace = ReadingPace.eager
  /// Bytes per write; 0: as many as fit.
  var writePiece = 0
  /// Sends the next request only after the answer to the last.
  var pipelines = false
  private var waitingRequests: [Message] = []
  private var bodies: [[UInt8]] = []
  /// Ends its sending side with its last request.
  var halfCloses = false
  private(set) var replies: [Message] = []
  /// The request of each answer.
  private(set) var requestsAnswered: [Message] = []
  private(set) var interims: [Message] = []
  private(set) var ending = Ending.open
  private(set) var endedAt: Milliseconds = 0
  private var isPausing = false
  private var hasHalfClosed = false
  var closesWhenDone = true
  /// Called with each answer and the request it answers.
  var answered: (Message, Message) -> Void = { _, _ in }

  init(_ network: Network, to listener: SimulatedListener, name: String, from address: SocketAddress) {
    self.network = network
    self.name = name
    let (near, far) = StreamEnd.pair(on: network)
    far.address = address
    end = near
    super.init()
    near.actor = self
    guard listener.isOpen else {
      near.arrive(reset: ECONNREFUSED)
      return
    }
    listener.pending.append(far)
    listener.watch?.edge(.readable)
  }

  // MARK: Asking

  func ask(_ text: String) { ask(Array(text.utf8)) }

  /// One request, its head complete.
  func ask(_ bytes: [UInt8]) {
    var reader = MessageReader(readsRequests: true)
    reader.feed(bytes)
    guard let request = try? reader.next() else {
      network.violate("the test asks a request that is none")
      return
    }
    waitingRequests.append(request)
    bodies.append(bytes)
    network.activate(self)
  }

  func get(_ target: String, _ fields: String...) {
    ask("GET \(target) HTTP/1.1\r\nHost: example.com\r\n" + fields.map { "\($0)\r\n" }.joined() + "\r\n")
  }

  /// Requests that `sendRaw` is about to send in pieces.
  func expect(_ requests: [String]) {
    for text in requests {
      var reader = MessageReader(readsRequests: true)
      reader.feed(Array(text.utf8))
      if let request = try? reader.next() { asked.append(request) }
    }
  }

  /// Bytes that need not be a request.
  func sendRaw(_ bytes: [UInt8]) {
    output.append(contentsOf: bytes)
    network.activate(self)
  }

  /// Everything it has to ask is at the proxy's end.
  var hasAskedAll: Bool { waitingRequests.isEmpty && sent == output.count && end.allHasArrived }
  var isDone: Bool { ending != .open }
  var isAnswered: Bool { asked.isEmpty && waitingRequests.isEmpty }
  /// What is here of an answer that is not complete.
  var partialBody: [UInt8] { reader.partialBody }
  var partialHead: Message? { reader.partialHead }
  /// Bytes taken from the connection.
  var bytesTaken: Int { end.bytesTaken }

  func leave(abruptly: Bool = false) {
    guard ending == .open else { return }
    if abruptly { end.reset() } else { end.close() }
    finish(.leftByItself)
  }

  private func finish(_ ending: Ending) {
    network.trace("\(name) ends: \(ending)")
    self.ending = ending
    endedAt = network.now
  }

  // MARK: Steps

  override func step() {
    guard ending == .open else { return }
    write()
    if ending == .open, !isPausing { read() }
  }

  private func write() {
    while !waitingRequests.isEmpty, asked.isEmpty || pipelines {
      asked.append(waitingRequests.removeFirst())
      output.append(contentsOf: bodies.removeFirst())
    }
    while sent < output.count {
      let piece = writePiece > 0 ? Array(output[sent..<min(sent + writePiece, output.count)]) : output
      let count = end.write(piece, from: writePiece > 0 ? 0 : sent)
      // The answer may be there all the same.
      if count < 0 { sent = output.count }
      if count <= 0 { return }
      sent += count
      if writePiece > 0, sent < output.count {
        network.activate(self)
        return
      }
    }
    output.removeAll(keepingCapacity: true)
    sent = 0
    if halfCloses, !hasHalfClosed, waitingRequests.isEmpty {
      hasHalfClosed = true
      end.shutdownWrite()
    }
  }

  private func read() {
    switch pace {
    case .eager: reader.feed(end.take())
    case .slow(let bytes, let milliseconds):
      reader.feed(end.take(most: bytes))
      isPausing = true
      network.after(milliseconds) {
        self.isPausing = false
        self.network.activate(self)
      }
    case .never: return
    }
    let isOver = end.available == 0 && end.mayRead
    let wasReset = isOver && end.isDead
    do throws(MessageError) {
      while ending == .open,
        let reply = try reader.next(
          isHead: asked.first?.method == "HEAD", streamHasEnded: isOver && !wasReset)
      {
        take(reply)
      }
    } catch .cutShort {
      end.close()
      return finish(.cut)
    } catch {
      network.violate("client \(name) got a malformed answer: \(error)")
      end.reset()
      return finish(.cut)
    }
    guard ending == .open, isOver else { return }
    end.close()
    finish(wasReset ? reader.isInside ? .cut : .resetByServer : .closedByServer)
  }

  private func take(_ reply: Message) {
    var reply = reply
    reply.at = network.now
    if reply.status < 200 {
      interims.append(reply)
      return
    }
    guard !asked.isEmpty else {
      network.violate("client \(name) got an answer that it did not ask for: \(reply.line)")
      return
    }
    let request = asked.removeFirst()
    replies.append(reply)
    requestsAnswered.append(request)
    answered(request, reply)
    if !waitingRequests.isEmpty { network.activate(self) }
    if isAnswered, closesWhenDone, ending == .open {
      end.close()
      finish(.whole)
    }
  }
}
