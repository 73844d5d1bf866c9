/// Origins that end a connection as it is used again, and origins that fail where something stale is at hand.
extension OriginScript {
  private static func answer(_ text: String) -> Move {
    .send("HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)")
  }

  static let reuse: [OriginScript] = [
    .init(
      name: "closes a connection as it is used again: asked once more", clients: [get, get],
      moves: [[answer("one")], [.close], [answer("two")]], outcomes: [page("one"), pageAlone("two")],
      asked: [askedGet, askedGet, askedGet]),
    .init(
      name: "resets a connection as it is used again: asked once more", clients: [get, get],
      moves: [[answer("one")], [.reset], [answer("two")]], outcomes: [page("one"), pageAlone("two")],
      asked: [askedGet, askedGet, askedGet]),
    .init(
      name: "fails at the second asking too: not a third time", clients: [get, get],
      moves: [[answer("one")], [.reset]], outcomes: [page("one"), brokenAlone],
      asked: [askedGet, askedGet, askedGet]),
    .init(
      name: "resets a used connection in the head: no second time", clients: [get, get],
      moves: [[answer("one")], [.send("HTTP/1.1 200"), .reset]], outcomes: [page("one"), brokenAlone],
      asked: [askedGet, askedGet]),
    .init(
      name: "stalls on a used connection: no second time", clients: [get, get],
      moves: [[answer("one")], [.stall]], outcomes: [page("one"), lateAlone], asked: [askedGet, askedGet]),
    .init(
      name: "closes a used connection on a POST: never sent again",
      clients: [get, request("POST", body: "order=1")], moves: [[answer("one")], [.readBody, .close]],
      outcomes: [
        page("one"),
        brokenAlone,
      ], asked: [askedGet, asked("POST", body: "order=1")]),
    .init(
      name: "closes a used connection on a PUT: sent once more, body and all",
      clients: [get, request("PUT", body: "order=1")],
      moves: [[answer("one")], [.readBody, .close], [.readBody, answer("two")]],
      outcomes: [
        page("one"),
        relayed(
          cache: "BYPASS", told: "fwd=method; fwd-status=200", framing: "Content-Length: 3", body: "two"),
      ], asked: [askedGet, asked("PUT", body: "order=1"), asked("PUT", body: "order=1")]),
    .init(
      name: "closes an idle connection: it is not used", clients: [get, get],
      moves: [[answer("one"), .close], [answer("two")]], outcomes: [page("one"), pageAlone("two")],
      asked: [askedGet, askedGet]),
    .init(
      name: "speaks on an idle connection: that is no answer", clients: [get, get],
      moves: [
        [
          answer("one"), .untilClientHas("one"),
          .send("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"), .close,
        ],
        [answer("two")],
      ], outcomes: [page("one"), pageAlone("two")], asked: [askedGet, askedGet]),
  ]

  /// Old on arrival, and may stand in for errors.
  private static let old =
    "HTTP/1.1 200 OK\r\nAge: 9\r\nCache-Control: max-age=1, stale-if-error=600\r\nETag: \"a\"\r\n"
    + "Content-Length: 3\r\n\r\nold"
  private static let oldFields = "Cache-Control: max-age=1, stale-if-error=600\r\nETag: \"a\"\r\n"
  private static let askedAgain = asked("GET", "If-None-Match: \"a\"\r\n")

  private static func aged(_ cache: String, _ told: String, _ body: String) -> Outcome {
    Outcome(
      bytes: "HTTP/1.1 200 OK\r\n\(oldFields)Date: *\r\nAge: *\r\nX-Cache-Status: \(cache)\r\nCache-Status: "
        + "larder; \(told)\r\nVia: 1.1 larder\r\nContent-Length: 3\r\nConnection: close\r\n\r\n\(body)",
      ending: .close)
  }

  private static let stored = aged("MISS", "fwd=uri-miss; fwd-status=200; ttl=*; stored", "old")
  private static let stale = aged("STALE", "fwd=stale; ttl=*", "old")

  static let staleAtHand: [OriginScript] = [
    [.reset], [.close], [.stall], [.send("HTTP/1.1 200 OK\r\nContent-Le"), .close],
    [.send("HTTP/1.1 503 Busy\r\nContent-Length: 3\r\n\r\nno\n")],
    [.send("SSH-2.0-OpenSSH_9.2\r\n\r\n"), .close],
  ].enumerated().map { index, failure in
    .init(
      name: "fails in way \(index) with something stale at hand", clients: [get, get],
      moves: [[.send(old), .close], failure], outcomes: [stored, stale], asked: [askedGet, askedAgain])
  }

  static let staleInTheBody: [OriginScript] = [
    .init(
      name: "breaks in the body of a newer page: the old one stays", clients: [get, get, get],
      moves: [
        [.send(old), .close],
        [
          .send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 9\r\n\r\nnew"),
          .untilClientHas("new"), .reset,
        ],
        [.send("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n")],
      ],
      outcomes: [
        stored,
        relayed(
          "200 OK", "Cache-Control: max-age=60\r\n", cache: "EXPIRED",
          told: "fwd=stale; fwd-status=200; ttl=*; stored", framing: "Content-Length: 9", body: "new"),
        aged("STALE", "hit; ttl=*", "old"),
      ], asked: [askedGet, askedAgain])
  ]

  static let all: [OriginScript] =
    unreachable + beforeTheHead + inTheBody + wrongLengths + interims + reuse + staleAtHand + staleInTheBody
    + garbage
}
