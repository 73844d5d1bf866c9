/// Origins that are not there, do not answer, or answer in pieces.
extension OriginScript {
  private static let head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
  private static let chunkedHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
  private static let endlessHead = "HTTP/1.1 200 OK\r\n\r\n"

  static let unreachable: [OriginScript] = [
    .init(
      name: "refuses connections", backend: .refuses,
      outcomes: [own("502 Bad Gateway", "No server could be reached.")], asked: []),
    .init(
      name: "takes no connection", backend: .isSilent,
      outcomes: [own("504 Gateway Timeout", "No server could be reached.")], asked: []),
    .init(
      name: "resets at a request's first byte", backend: .opens([.reset]), outcomes: [broken], asked: []),
    .init(name: "closes what it has accepted", backend: .opens([.close]), outcomes: [broken], asked: []),
    .init(
      name: "greets like another protocol", backend: .opens([.send("220 mail.test ESMTP\r\n"), .close]),
      outcomes: [malformed], asked: []),
    .init(
      name: "refuses a POST's connection: nothing was sent, nothing is repeated", backend: .refuses,
      clients: [request("POST", body: "order=1")],
      outcomes: [
        bypassed("502 Bad Gateway", "No server could be reached.")
      ], asked: []),
  ]

  static let beforeTheHead: [OriginScript] = [
    .init(name: "resets when asked", moves: [[.reset]], outcomes: [broken]),
    .init(name: "closes when asked", moves: [[.close]], outcomes: [broken]),
    .init(name: "says nothing", moves: [[.stall]], outcomes: [late]),
    .init(name: "stalls in the status line", moves: [[.send("HTTP/1.1 20"), .stall]], outcomes: [late]),
    .init(
      name: "stalls in the head", moves: [[.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"), .stall]],
      outcomes: [late]),
    .init(
      name: "closes in the head", moves: [[.send("HTTP/1.1 200 OK\r\nContent-Le"), .close]],
      outcomes: [broken]),
    .init(
      name: "resets in the head", moves: [[.send("HTTP/1.1 200 OK\r\nContent-Le"), .reset]],
      outcomes: [broken]),
    .init(
      name: "drips a head: the time-out is for all of it", moves: [[.drip(head + "0123456789", 1, 30)]],
      outcomes: [late]),
    .init(
      name: "drips in time, byte by byte", moves: [[.drip(head + "0123456789", 1, 1)]],
      outcomes: [page("0123456789")]),
    .init(
      name: "answers a POST with a reset: not sent again",
      clients: [request("POST", body: "order=1")], moves: [[.readBody, .reset]],
      outcomes: [
        brokenAlone
      ],
      asked: [asked("POST", body: "order=1")]),
    .init(
      name: "does not answer a POST: not sent again",
      clients: [request("POST", body: "order=1")], moves: [[.readBody, .stall]],
      outcomes: [
        lateAlone
      ], asked: [asked("POST", body: "order=1")]),
    .init(
      name: "refuses a POST before its body, and closes",
      clients: [request("POST", body: "order=1")],
      moves: [[.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno\n"), .close]],
      outcomes: [
        relayed(
          "413 Content Too Large", cache: "BYPASS", told: "fwd=method; fwd-status=413",
          framing: "Content-Length: 3", body: "no\n")
      ], asked: [asked("POST", "Content-Length: 7\r\n")]),
  ]

  /// The head is with the client: what goes wrong now is shown by an end before the framing's,
  /// and by a reset where the framing has none.
  static let inTheBody: [OriginScript] = [
    .init(
      name: "closes in a body of known length",
      moves: [[.send(head + "0123"), .untilClientHas("0123"), .close]],
      outcomes: [page("0123", of: 10)]),
    .init(
      name: "resets in a body of known length",
      moves: [[.send(head + "0123"), .untilClientHas("0123"), .reset]],
      outcomes: [page("0123", of: 10)]),
    .init(
      name: "stalls in a body of known length", moves: [[.send(head + "0123"), .stall]],
      outcomes: [page("0123", of: 10)]),
    .init(
      name: "promises a body and keeps the connection", moves: [[.send(head), .stall]],
      outcomes: [page("", of: 10)]),
    .init(
      name: "drips a body: slow is not still", moves: [[.send(head), .drip("0123456789", 1, 60)]],
      outcomes: [page("0123456789")]),
    .init(
      name: "closes between two chunks",
      moves: [[.send(chunkedHead + "4\r\n0123\r\n"), .untilClientHas("0123"), .close]],
      outcomes: [chunks("4\r\n0123")]),
    .init(
      name: "resets in a chunk",
      moves: [[.send(chunkedHead + "a\r\n0123"), .untilClientHas("0123"), .reset]],
      outcomes: [chunks("4\r\n0123")]),
    .init(
      name: "stalls in a chunk", moves: [[.send(chunkedHead + "a\r\n0123"), .stall]],
      outcomes: [chunks("4\r\n0123")]),
    .init(
      name: "sends a chunk size that is none",
      moves: [
        [.send(chunkedHead + "4\r\n0123\r\n"), .untilClientHas("0123"), .send("4x\r\n4567\r\n0\r\n\r\n")]
      ],
      outcomes: [chunks("4\r\n0123")]),
    .init(
      name: "sends a chunk size past 64 bits",
      moves: [
        [
          .send(chunkedHead + "4\r\n0123\r\n"), .untilClientHas("0123"),
          .send("10000000000000004\r\n4567\r\n"),
        ]
      ], outcomes: [chunks("4\r\n0123")]),
    .init(
      name: "sends more than the chunk's size",
      moves: [
        [.send(chunkedHead + "4\r\n0123\r\n"), .untilClientHas("0123"), .send("2\r\n4567\r\n0\r\n\r\n")]
      ],
      outcomes: [chunks("4\r\n0123\r\n2\r\n45")]),
    .init(
      name: "closes in the last chunk's line",
      moves: [[.send(chunkedHead + "4\r\n0123\r\n"), .untilClientHas("0123"), .send("0\r\n"), .close]],
      outcomes: [chunks("4\r\n0123")]),
    .init(
      name: "closes in a trailer",
      moves: [[.send(chunkedHead + "4\r\n0123\r\n"), .untilClientHas("0123"), .send("0\r\nX: y"), .close]],
      outcomes: [chunks("4\r\n0123")]),
    .init(
      name: "resets a body without length",
      moves: [[.send(endlessHead + "0123"), .untilClientHas("0123"), .reset]],
      outcomes: [chunks("4\r\n0123")]),
    .init(
      name: "resets a body without length, before a client that knows no chunks",
      clients: ["GET /page HTTP/1.0\r\nHost: a.test\r\n\r\n"],
      moves: [[.send(endlessHead + "0123"), .untilClientHas("0123"), .reset]],
      outcomes: [
        Outcome(
          bytes: "HTTP/1.1 200 OK\r\nDate: *\r\nX-Cache-Status: MISS\r\nCache-Status: larder; fwd=uri-miss; "
            + "fwd-status=200\r\nVia: 1.1 larder\r\nConnection: close\r\n\r\n0123", ending: .reset)
      ]),
    .init(
      name: "stalls in a body without length", moves: [[.send(endlessHead + "0123"), .stall]],
      outcomes: [chunks("4\r\n0123")]),
    .init(
      name: "ends a body without length in order",
      moves: [[.send(endlessHead + "0123"), .untilClientHas("0123"), .close]],
      outcomes: [chunks("4\r\n0123\r\n0\r\n\r\n")]),
  ]
}
