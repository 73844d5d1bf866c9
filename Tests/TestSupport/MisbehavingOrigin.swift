import Foundation
import Synchronization

/// An origin that does what its script says, on blocking sockets with a thread per connection.
///
/// Records every request, and counts connections. The script is called when a request's head is complete;
/// what it leaves of the body is read after it returns, and then the connection takes its next request.
public final class MisbehavingOrigin: Sendable {
  public typealias Script = @Sendable (OriginExchange) throws -> Void
  /// What is done to a connection before its first request. False: it is over.
  public typealias Opening = @Sendable (Socket) throws -> Bool

  public let port: UInt16
  private let listener: Socket
  private let state = Watched(State())

  private struct State {
    var scripts: [String: Script] = [:]
    var fallback: Script?
    var opening: Opening?
    var requests: [OriginRequest] = []
    var connections = 0
    var received: [Int: [UInt8]] = [:]
    var open: [Int: Socket] = [:]
    var mostOpen = 0
    var visits: [String: Int] = [:]
    var scriptErrors: [String] = []
    var isStopped = false
    var expectsProxyHeader = false
    var proxyHeaders: [[UInt8]] = []
  }

  /// - Parameter script: for every path that has none of its own; without one they get 404.
  /// - Parameter expectsProxyHeader: each connection begins with a PROXY header, see `proxyHeaders`.
  public init(
    port: UInt16 = 0, expectsProxyHeader: Bool = false, _ script: Script? = nil, opening: Opening? = nil
  ) throws {
    (listener, self.port) = try Socket.listen(port: port)
    state.update {
      $0.fallback = script
      $0.opening = opening
      $0.expectsProxyHeader = expectsProxyHeader
    }
    startThread { [state, listener] in
      while let socket = listener.accept() { Self.admit(socket, state) }
      listener.close()
    }
  }

  public var address: String { "127.0.0.1:\(port)" }

  /// Sets what happens to requests for `target` (with its query).
  public func on(_ target: String, _ script: @escaping Script) {
    state.update { $0.scripts[target] = script }
  }

  /// Everything that arrived, in order of their heads' ends.
  public var requests: [OriginRequest] { state.read { $0.requests } }
  public func requests(for target: String) -> [OriginRequest] { requests.filter { $0.target == target } }
  public func count(_ target: String) -> Int { requests(for: target).count }
  /// Every byte that was read, for each connection that sent one.
  public var received: [[UInt8]] { state.read { Array($0.received.values) } }
  /// The headers with which connections began, byte for byte.
  public var proxyHeaders: [[UInt8]] { state.read { $0.proxyHeaders } }
  public var connectionCount: Int { state.read { $0.connections } }
  public var openConnections: Int { state.read { $0.open.count } }
  /// The most connections that were open at one time.
  public var mostOpenConnections: Int { state.read { $0.mostOpen } }

  /// Waits until at least `count` requests (for `target`, if given) have arrived.
  @discardableResult
  public func awaitRequests(_ count: Int, for target: String? = nil) throws -> [OriginRequest] {
    try state.wait(for: "\(count) requests for \(target ?? "anything")") { state in
      let matching = state.requests.filter { target == nil || $0.target == target }
      return matching.count >= count ? matching : nil
    }
  }

  public func awaitConnections(open count: Int) throws {
    _ = try state.wait(for: "\(count) open connections at the origin") { $0.open.count == count ? true : nil }
  }

  /// Ends all connections and refuses new ones, as a server that went away.
  public func stop() {
    let open = state.update { state in
      state.isStopped = true
      return Array(state.open.values)
    }
    listener.stop()
    for socket in open { socket.stop() }
  }

  deinit { listener.stop() }

  private static func admit(_ socket: Socket, _ state: Watched<State>) {
    let number = state.update { state -> Int? in
      guard !state.isStopped else { return nil }
      let number = state.connections
      state.connections += 1
      state.open[number] = socket
      // One that the proxy has closed already is not open, although its thread may not have seen it yet.
      state.mostOpen = max(state.mostOpen, state.open.values.count { !$0.peerHasClosed })
      return number
    }
    guard let number else { return socket.close() }
    startThread {
      serve(socket, number, state)
      _ = state.update { $0.open.removeValue(forKey: number) }
      socket.close()
    }
  }

  private static func serve(_ socket: Socket, _ number: Int, _ state: Watched<State>) {
    let reader = MessageReader(socket) { bytes in state.update { $0.received[number, default: []] += bytes } }
    do {
      if let opening = state.read({ $0.opening }), try !opening(socket) { return }
      if state.read({ $0.expectsProxyHeader }) {
        let header = try reader.proxyHeader()
        state.update { $0.proxyHeaders.append(header) }
      }
      while true {
        reader.taken = []
        let (line, fields) = try reader.head("request head")
        let exchange = try begin(line, fields, reader, number, state)
        let target = exchange.target
        let script = state.read { $0.scripts[target] ?? $0.fallback }
        if let script { try script(exchange) } else { try exchange.respond(404) }
        if exchange.isOver { return }
        try exchange.readBody()
      }
    } catch SupportError.peerClosed, SupportError.peerReset {
    } catch {
      state.update { $0.scriptErrors.append("\(error)") }
    }
  }

  private static func begin(
    _ line: String, _ fields: Fields, _ reader: MessageReader, _ number: Int, _ state: Watched<State>
  ) throws -> OriginExchange {
    let parts = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 3 else { throw SupportError.malformed("request line \(line)") }
    var request = OriginRequest(
      method: parts[0], target: parts[1], version: parts[2], fields: fields, rawHead: reader.taken,
      connection: number, visit: 0)
    let index = state.update { state in
      request.visit = state.visits[request.target, default: 0]
      state.visits[request.target] = request.visit + 1
      state.requests.append(request)
      return state.requests.count - 1
    }
    return OriginExchange(request, reader) { rawBody, body in
      state.update {
        $0.requests[index].rawBody = rawBody
        $0.requests[index].body = body
      }
    }
  }
}

/// A listener that takes no connection: its queue is full, and the kernel drops who comes.
public final class SilentListener: Sendable {
  private let listener: Socket
  private let first: Socket
  public let address: String

  public init() throws {
    let (listener, port) = try Socket.listen(backlog: 0)
    self.listener = listener
    first = try Socket.connect(port: port)
    address = "127.0.0.1:\(port)"
  }
}

/// One request at the origin, and the ways to answer it well or badly. Belongs to its connection's thread.
public final class OriginExchange {
  public private(set) var request: OriginRequest
  private let reader: MessageReader
  private let recordBody: (_ raw: [UInt8], _ body: [UInt8]) -> Void
  private var hasReadBody = false
  /// The script has closed the connection.
  public private(set) var isOver = false

  fileprivate init(
    _ request: OriginRequest, _ reader: MessageReader, _ recordBody: @escaping ([UInt8], [UInt8]) -> Void
  ) {
    self.request = request
    self.reader = reader
    self.recordBody = recordBody
  }

  public var target: String { request.target }
  /// 0 for the first request for this target.
  public var visit: Int { request.visit }

  /// Reads the whole request body, strictly; records it as it came and without its framing.
  @discardableResult
  public func readBody() throws -> [UInt8] {
    guard !hasReadBody else { return request.body }
    hasReadBody = true
    reader.taken = []
    let lengths = request.fields.all("Content-Length")
    switch (request.fields["Transfer-Encoding"], lengths.count) {
    case (nil, 0): return []
    case (nil, 1):
      guard let length = Int(lengths[0]) else { throw SupportError.malformed("length \(lengths[0])") }
      try reader.exactly(length, into: &request.body, "request body")
    case ("chunked", 0): _ = try reader.chunked(into: &request.body, "request body")
    default: throw SupportError.malformed("framing of a request: \(request.headText)")
    }
    request.rawBody = reader.taken
    recordBody(request.rawBody, request.body)
    return request.body
  }

  /// Reads at least one byte of what comes, framing or body. False: the peer closed.
  public func readSome() throws -> Bool {
    hasReadBody = true
    return try reader.some(into: &request.rawBody)
  }

  public func send(_ text: String) throws { try reader.socket.send(Array(text.utf8)) }
  public func send(_ bytes: [UInt8]) throws { try reader.socket.send(bytes) }

  /// Sends a whole response, with Content-Length and Date unless given (a Content-Length given may lie).
  public func respond(_ status: Int = 200, _ fields: Fields = [:], _ body: [UInt8]) throws {
    var head = fields
    if fields["Date"] == nil { head.lines.append((name: "Date", value: httpDate())) }
    if fields["Content-Length"] == nil, status != 304, status != 204 {
      head.lines.append((name: "Content-Length", value: "\(body.count)"))
    }
    let text = "HTTP/1.1 \(status) Status \(status)\r\n\(head.text)\r\n"
    try send(Array(text.utf8) + (request.method == "HEAD" ? [] : body))
  }

  public func respond(_ status: Int = 200, _ fields: Fields = [:], _ body: String = "") throws {
    try respond(status, fields, Array(body.utf8))
  }

  /// The head of a response whose body the script sends itself, with Date.
  public func sendHead(_ status: Int = 200, _ fields: Fields = [:]) throws {
    try send("HTTP/1.1 \(status) Status \(status)\r\nDate: \(httpDate())\r\n\(fields.text)\r\n")
  }

  public func sendChunk(_ bytes: [UInt8]) throws {
    try send(Array("\(String(bytes.count, radix: 16))\r\n".utf8) + bytes + [13, 10])
  }

  public func endChunks() throws { try send("0\r\n\r\n") }

  /// Sends `bytes` in pieces of `size`, each in its own segment.
  public func drip(_ bytes: [UInt8], pieces size: Int, pauseMicroseconds: UInt32 = 500) throws {
    var sent = 0
    while sent < bytes.count {
      let next = min(bytes.count, sent + size)
      try send(Array(bytes[sent..<next]))
      sent = next
      usleep(pauseMicroseconds)
    }
  }

  /// For what goes beyond messages.
  public var socket: Socket { reader.socket }

  /// Exactly `count` bytes of no message; `nil`: the peer has ended before the first.
  public func read(_ count: Int) throws -> [UInt8]? {
    hasReadBody = true
    return try reader.bytes(count)
  }

  public func halfClose() { reader.socket.halfClose() }

  /// Bytes that have come behind what was read. Does not wait.
  public var pending: Int { reader.buffered + reader.socket.pending }

  public func close() {
    isOver = true
    reader.socket.close()
  }

  public func reset() {
    isOver = true
    reader.socket.reset()
  }

  /// Waits until the proxy closes this connection, reading what it still sends.
  public func awaitPeerClose() throws {
    isOver = true
    do { while try readSome() {} } catch SupportError.peerReset {}
  }
}
