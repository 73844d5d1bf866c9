import Foundation

/// A client that sends any bytes and reads responses strictly. Used by one thread at a time.
public final class RawClient: @unchecked Sendable {
  public let socket: Socket
  private let reader: MessageReader

  /// - Parameter receiveBuffer: bytes the kernel holds for this client, for slow readers.
  public init(
    port: UInt16, timeout: Double = 10, receiveBuffer: Int? = nil, from source: String? = nil
  ) throws {
    socket = try Socket.connect(port: port, timeout: timeout, receiveBuffer: receiveBuffer, from: source)
    reader = MessageReader(socket)
  }

  public init(path: String) throws {
    socket = try Socket.connect(path: path)
    reader = MessageReader(socket)
  }

  public func send(_ text: String) throws { try socket.send(Array(text.utf8)) }
  public func send(_ bytes: [UInt8]) throws { try socket.send(bytes) }

  /// Sends what the peer may refuse to take: a reset in mid-way is no error.
  public func sendAsFarAsTaken(_ bytes: [UInt8]) throws {
    do { try socket.send(bytes) } catch SupportError.peerReset {}
  }

  public func sendRequest(
    _ target: String, method: String = "GET", host: String = "a.test", fields: Fields = [:],
    body: [UInt8]? = nil
  ) throws {
    let length = body.map { "Content-Length: \($0.count)\r\n" } ?? ""
    let head = "\(method) \(target) HTTP/1.1\r\nHost: \(host)\r\n\(fields.text)\(length)\r\n"
    try send(Array(head.utf8) + (body ?? []))
  }

  /// Sends one request and reads its response.
  public func fetch(
    _ target: String, method: String = "GET", host: String = "a.test", fields: Fields = [:],
    body: [UInt8]? = nil
  ) throws -> Response {
    try sendRequest(target, method: method, host: host, fields: fields, body: body)
    return try readResponse(to: method)
  }

  /// The next response of any class, without its body.
  public func readHead() throws -> Response {
    let (line, fields) = try reader.head("response head")
    let parts = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0] == "HTTP/1.1" || parts[0] == "HTTP/1.0", parts[1].count == 3,
      let status = Int(parts[1]), (100...599).contains(status)
    else { throw SupportError.malformed("status line \(line)") }
    return Response(
      status: status, version: String(parts[0].dropFirst(5)), reason: String(parts[2]), fields: fields)
  }

  /// The next final response with its body; 1xx before it are in `interim`.
  public func readResponse(to method: String = "GET") throws -> Response {
    var response = try readFinalHead(to: method)
    try readBody(of: &response)
    return response
  }

  /// The head of the next final response; its framing is set, its body not yet read.
  public func readFinalHead(to method: String = "GET") throws -> Response {
    var interim: [Response] = []
    while true {
      var response = try readHead()
      if response.status < 200, response.status != 101 {
        interim.append(response)
        continue
      }
      response.interim = interim
      response.framing = try Self.framing(of: response, to: method)
      return response
    }
  }

  /// Reads the rest of the body; a peer that ends it early is noted in `cut`.
  public func readBody(of response: inout Response) throws {
    do {
      switch response.framing {
      case .none: break
      case .length(let length):
        try reader.exactly(length - response.body.count, into: &response.body, "body")
      case .chunked:
        _ = try reader.chunked(into: &response.body, "chunked body")
      case .untilClose:
        while try reader.some(into: &response.body) {}
      }
    } catch SupportError.peerClosed(let what) {
      response.cut = "closed: \(what)"
    } catch SupportError.peerReset(let what) {
      response.cut = "reset: \(what)"
    }
  }

  /// Reads at least `count` bytes of a body framed by length, of the response whose head was read.
  public func readSome(_ count: Int, of response: inout Response) throws {
    try reader.exactly(count, into: &response.body, "part of a body")
  }

  /// Everything up to the peer's close, as it comes; a reset ends it too.
  public func readToEnd() throws -> String {
    var bytes: [UInt8] = []
    do {
      while try reader.some(into: &bytes) {}
    } catch SupportError.peerReset {}
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Exactly `count` bytes of no message; `nil`: the peer has ended before the first.
  public func read(_ count: Int) throws -> [UInt8]? { try reader.bytes(count) }

  /// True when the peer ends the connection without another byte. Waits for it.
  public func isEnded() throws -> Bool {
    var bytes: [UInt8] = []
    do { return try !reader.some(into: &bytes) } catch SupportError.peerReset { return true }
  }

  public func halfClose() { socket.halfClose() }
  public func close() { socket.close() }
  public func reset() { socket.reset() }

  /// RFC 9112 §6.3. Both framings at once, or lengths that differ, are malformed here.
  private static func framing(of response: Response, to method: String) throws -> Response.Framing {
    let lengths = response.fields.all("Content-Length")
    let codings = response.fields.all("Transfer-Encoding")
    guard lengths.count <= 1, codings.count <= 1, lengths.isEmpty || codings.isEmpty else {
      throw SupportError.malformed("ambiguous framing\n\(response)")
    }
    if method == "HEAD" || response.status == 204 || response.status == 304 || response.status < 200 {
      return .none
    }
    if let coding = codings.first {
      guard coding == "chunked", response.version == "1.1" else {
        throw SupportError.malformed("Transfer-Encoding \(coding)")
      }
      return .chunked
    }
    guard let text = lengths.first else { return .untilClose }
    guard text.allSatisfy({ "0123456789".contains($0) }), let length = Int(text) else {
      throw SupportError.malformed("Content-Length \(text)")
    }
    return .length(length)
  }
}
