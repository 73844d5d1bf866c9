import Foundation
import TestSupport

/// One way for an origin to misbehave, and all that may come of it: what each client's socket receives, and
/// with what, how often, the origin is asked. Only the values of `Date`, `Age` and `ttl` and our pseudonym
/// are read over.
struct OriginScript: Sendable, CustomStringConvertible {
  /// What the origin does, in order.
  enum Move: Sendable {
    case send(String)
    /// In pieces of so many bytes, one every so many milliseconds.
    case drip(String, Int, UInt32)
    /// The same again and again, until the proxy ends the connection.
    case flood(String)
    case readBody
    /// Until the last client has received this.
    case untilClientHas(String)
    /// Until the proxy ends the connection.
    case stall
    case close
    case reset
  }

  enum Backend: Sendable {
    case listens
    case refuses
    case isSilent
    /// It is like this before it is asked.
    case opens([Move])
  }

  /// How the client's connection ends.
  enum Ending: Sendable, Equatable { case close, reset }

  struct Outcome: Sendable, Equatable, CustomStringConvertible {
    var bytes: String
    var ending: Ending

    var description: String { "\(bytes.debugDescription), then \(ending)" }
  }

  var name: String
  var backend = Backend.listens
  var flags: [String] = []
  /// Whole requests, each on a connection of its own, one after the other.
  var clients = [get]
  /// For each request that arrives; the last for all that follow.
  var moves: [[Move]] = []
  /// For each client.
  var outcomes: [Outcome]
  /// Whole requests as they arrive.
  var asked: [String] = [askedGet]

  var description: String { name }
}

extension OriginScript {
  static let get = "GET /page HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"

  static func request(_ method: String, body: String) -> String {
    "\(method) /page HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n"
      + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
  }

  /// What the origin receives: the client's own fields, ours, those of this request.
  static func asked(_ method: String, client: String = "", _ fields: String = "", body: String? = nil)
    -> String
  {
    let length = body.map { "Content-Length: \($0.utf8.count)\r\n" } ?? ""
    return "\(method) /page HTTP/1.1\r\nHost: a.test\r\n\(client)Via: 1.1 larder-*\r\n"
      + "X-Request-Id: *\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n"
      + "X-Forwarded-Host: a.test\r\n"
      + "Forwarded: for=127.0.0.1;host=\"a.test\";proto=http\r\n\(fields)\(length)\r\n\(body ?? "")"
  }

  static let askedGet = asked("GET")

  /// A response of ours.
  static func own(
    _ status: String, _ text: String, cache: String = "MISS", forward: String = "miss"
  ) -> Outcome {
    let head =
      "HTTP/1.1 \(status)\r\nDate: *\r\nContent-Type: text/plain; charset=utf-8\r\n"
      + "X-Cache-Status: \(cache)\r\nCache-Status: larder; fwd=\(forward)\r\nVia: 1.1 larder\r\n"
      + "Content-Length: \(text.utf8.count + 1)\r\nConnection: close\r\n\r\n"
    return Outcome(bytes: "\(head)\(text)\n", ending: .close)
  }

  static let broken = own("502 Bad Gateway", "The server broke the connection.")
  static let malformed = own("502 Bad Gateway", "The server's answer is malformed.")
  static let late = own("504 Gateway Timeout", "The server did not answer in time.")

  /// Past the cache: for a method that is never stored, or for a page that is known not to be.
  static func bypassed(_ status: String, _ text: String) -> Outcome {
    own(status, text, cache: "BYPASS", forward: "bypass")
  }

  static let brokenAlone = bypassed("502 Bad Gateway", "The server broke the connection.")
  static let lateAlone = bypassed("504 Gateway Timeout", "The server did not answer in time.")

  /// A response of the origin as it is passed on.
  ///
  /// - Parameters:
  ///   - framing: Its own line or lines.
  ///   - body: With chunk framing, where that is the framing.
  static func relayed(
    _ status: String = "200 OK", _ fields: String = "", cache: String = "MISS",
    told: String = "fwd=uri-miss; fwd-status=200", framing: String, body: String
  ) -> Outcome {
    Outcome(
      bytes: "HTTP/1.1 \(status)\r\n\(fields)Date: *\r\nX-Cache-Status: \(cache)\r\nCache-Status: larder; "
        + "\(told)\r\nVia: 1.1 larder\r\n\(framing)\r\nConnection: close\r\n\r\n\(body)", ending: .close)
  }

  static func page(_ body: String, of length: Int? = nil) -> Outcome {
    relayed(framing: "Content-Length: \(length ?? body.utf8.count)", body: body)
  }

  /// As `page`, for the second client: the first answer has shown that this page is not to be shared (L14).
  static func pageAlone(_ body: String, of length: Int? = nil) -> Outcome {
    relayed(
      cache: "BYPASS", told: "fwd=bypass; fwd-status=200",
      framing: "Content-Length: \(length ?? body.utf8.count)", body: body)
  }

  static func chunks(_ body: String) -> Outcome {
    relayed(framing: "Transfer-Encoding: chunked", body: body)
  }
}

extension OriginScript {
  /// Plays it and returns what each client received and what the origin was asked.
  func play() throws -> (outcomes: [Outcome], asked: [String]) {
    let received = Watched("")
    let turn = Watched(0)
    let moves = moves
    var opening: MisbehavingOrigin.Opening?
    if case .opens(let first) = backend {
      opening = { socket in
        for move in first {
          switch move {
          case .send(let text): try socket.send(Array(text.utf8))
          case .reset:
            // Before that it could be the connecting that fails.
            _ = try socket.receive(atMost: 1)
            socket.reset()
          default: socket.close()
          }
        }
        return false
      }
    }
    let script: MisbehavingOrigin.Script = { exchange in
      let number = turn.update { turn in
        defer { turn += 1 }
        return min(turn, moves.count - 1)
      }
      for move in moves[number] { try exchange.play(move, received) }
    }
    let origin = try MisbehavingOrigin(script, opening: opening)
    let silent = try SilentListener()
    let address =
      switch backend {
      case .listens, .opens: origin.address
      case .refuses: "127.0.0.1:\(try refusingPort())"
      case .isSilent: silent.address
      }
    let limits = ["--workers", "1", "--first-byte-timeout", "600ms", "--gap-timeout", "600ms"]
    let all = limits + ["--connect-timeout", "300ms"] + flags
    let outcomes = try withLarder(all, backends: [address]) { larder in
      try clients.map { try Self.ask($0, larder, received) }
    }
    return (
      outcomes, origin.requests.map { Self.reread($0.headText + String(decoding: $0.rawBody, as: UTF8.self)) }
    )
  }

  private static func ask(_ request: String, _ larder: Larder, _ received: Watched<String>) throws -> Outcome
  {
    var mine = ""
    let client = try larder.client()
    defer { client.close() }
    try client.send(request)
    do {
      while true {
        let bytes = try client.socket.receive()
        if bytes.isEmpty { return Outcome(bytes: reread(mine), ending: .close) }
        let text = String(decoding: bytes, as: UTF8.self)
        mine += text
        received.update { $0 += text }
      }
    } catch SupportError.peerReset {
      return Outcome(bytes: reread(mine), ending: .reset)
    }
  }

  /// Without what differs from one run to the next.
  private static func reread(_ text: String) -> String {
    let rules = [
      ("Date: [^\r]*", "Date: *"), ("Age: [0-9]+", "Age: *"), ("ttl=-?[0-9]+", "ttl=*"),
      ("larder-[0-9a-f]+", "larder-*"), ("X-Request-Id: [0-9a-f]{32}", "X-Request-Id: *"),
    ]
    return rules.reduce(text) {
      $0.replacingOccurrences(of: $1.0, with: $1.1, options: .regularExpression)
    }
  }
}

extension OriginExchange {
  fileprivate func play(_ move: OriginScript.Move, _ received: Watched<String>) throws {
    switch move {
    case .send(let text): try send(text)
    case .drip(let text, let count, let pause):
      try drip(Array(text.utf8), pieces: count, pauseMicroseconds: pause * 1000)
    case .flood(let text): while true { try send(text) }
    case .readBody: try readBody()
    case .untilClientHas(let text):
      _ = try received.wait(for: "the client to have \(text)") { $0.contains(text) ? true : nil }
    case .stall: try awaitPeerClose()
    case .close: close()
    case .reset: reset()
    }
  }
}
