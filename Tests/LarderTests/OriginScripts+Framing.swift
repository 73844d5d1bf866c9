/// Origins whose responses are longer, shorter or other than they say, or not HTTP.
extension OriginScript {
  static let wrongLengths: [OriginScript] = [
    .init(
      name: "sends more than it says: the rest is nobody's, and the connection is not used again",
      clients: [get, get],
      moves: [
        [.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nrealHTTP/1.1 200 OK\r\nX: forged\r\n\r\n")]
      ],
      outcomes: [page("real"), pageAlone("real")], asked: [askedGet, askedGet]),
    .init(
      name: "answers twice", clients: [get, get],
      moves: [
        [
          .send(
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\noneHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother"
          )
        ],
        [.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo")],
      ], outcomes: [page("one"), pageAlone("two")], asked: [askedGet, askedGet]),
    .init(
      name: "sends bytes behind the last chunk", clients: [get, get],
      moves: [[.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nreal\r\n0\r\n\r\nforged")]],
      outcomes: [
        chunks("4\r\nreal\r\n0\r\n\r\n"),
        relayed(
          cache: "BYPASS", told: "fwd=bypass; fwd-status=200", framing: "Transfer-Encoding: chunked",
          body: "4\r\nreal\r\n0\r\n\r\n"),
      ],
      asked: [askedGet, askedGet]),
    .init(
      name: "sends a body where the length is 0", clients: [get, get],
      moves: [[.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nforged")]],
      outcomes: [page(""), pageAlone("")], asked: [askedGet, askedGet]),
    .init(
      name: "sends a body with a 204", clients: [get, get],
      moves: [
        [.send("HTTP/1.1 204 No Content\r\n\r\nforged")],
        [.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nreal")],
      ],
      outcomes: [
        Outcome(
          bytes: "HTTP/1.1 204 No Content\r\nDate: *\r\nX-Cache-Status: MISS\r\nCache-Status: larder; "
            + "fwd=uri-miss; fwd-status=204\r\nVia: 1.1 larder\r\nConnection: close\r\n\r\n", ending: .close),
        pageAlone("real"),
      ], asked: [askedGet, askedGet]),
    .init(
      name: "sends a body to a HEAD",
      clients: [
        "HEAD /page HTTP/1.1\r\nHost: a.test\r\nIf-Match: x\r\nConnection: close\r\n\r\n", get,
      ],
      moves: [
        [.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")],
        [.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nreal")],
      ], outcomes: [pageAlone("", of: 6), page("real")],
      asked: [asked("HEAD", client: "If-Match: x\r\n"), askedGet]),
    .init(
      name: "confirms what it was not asked about",
      moves: [[.send("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n")]], outcomes: [malformed]),
  ]

  static let interims: [OriginScript] = [
    .init(
      name: "floods with 1xx: 16 are passed on", moves: [[.flood(hint)]],
      outcomes: [after(16, malformed)]),
    .init(
      name: "sends 1xx before its answer",
      moves: [[.send(hint + hint + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage")]],
      outcomes: [after(2, page("page"))]),
    .init(
      name: "shows signs of life past the time-out",
      moves: [[.drip(String(repeating: hint, count: 6), hint.utf8.count, 120), .send(head + "page")]],
      outcomes: [after(6, page("page"))]),
    .init(
      name: "sends 1xx, then a reset", moves: [[.send(hint), .untilClientHas(hint), .reset]],
      outcomes: [after(1, broken)]),
    .init(name: "sends 1xx, then nothing", moves: [[.send(hint), .stall]], outcomes: [after(1, late)]),
    .init(
      name: "changes protocols unasked",
      moves: [
        [.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), .stall]
      ],
      outcomes: [malformed]),
  ]

  private static let head = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
  private static let hint = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"

  private static func after(_ hints: Int, _ outcome: Outcome) -> Outcome {
    Outcome(bytes: String(repeating: hint, count: hints) + outcome.bytes, ending: outcome.ending)
  }

  /// What is no response, or one that two parsers could read differently: nothing of it gets through.
  static let garbage: [OriginScript] = garbageTexts.map { name, text in
    .init(name: "sends \(name)", moves: [[.send(text), .close]], outcomes: [malformed])
  }

  private static let body = "Content-Length: 2\r\n\r\nok"
  private static let garbageTexts: [(String, String)] = [
    ("nothing HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n"), ("an empty line", "\r\n\r\n"),
    ("a TLS alert", "\u{15}\u{3}\u{1}\0\u{2}\u{2}F"), ("HTTP/0.9", "<html>page</html>"),
    ("HTTP/2 frames", "\0\0\u{12}\u{4}\0\0\0\0\0\0\u{3}\0\0\0d"),
    ("another version", "HTTP/2.0 200 OK\r\n" + body), ("no version digits", "HTTP/x.1 200 OK\r\n" + body),
    ("a status of two digits", "HTTP/1.1 20 OK\r\n" + body),
    ("a status of four digits", "HTTP/1.1 2000 OK\r\n" + body),
    ("a status below 100", "HTTP/1.1 099 OK\r\n" + body), ("a status of 600", "HTTP/1.1 600 OK\r\n" + body),
    ("letters for a status", "HTTP/1.1 abc OK\r\n" + body),
    ("a control byte in the reason", "HTTP/1.1 200 O\u{1}K\r\n" + body),
    ("a bare LF", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
    ("a bare CR in a value", "HTTP/1.1 200 OK\r\nX: a\rb\r\n" + body),
    ("NUL in a value", "HTTP/1.1 200 OK\r\nX: a\0b\r\n" + body),
    ("a folded line", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n" + body),
    ("a space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok"),
    ("a field without a name", "HTTP/1.1 200 OK\r\n: x\r\n" + body),
    ("a field without a colon", "HTTP/1.1 200 OK\r\nnonsense\r\n" + body),
    ("lengths that differ", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n" + body),
    ("a list of lengths that differ", "HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok!"),
    ("a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok"),
    ("a length with a sign", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok"),
    ("an empty length", "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nok"),
    ("a length past 64 bits", "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551618\r\n\r\nok"),
    ("a length with a 204", "HTTP/1.1 204 No Content\r\n" + body),
    ("both framings", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + body),
    ("an unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok"),
    ("chunked not last", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\nok"),
    ("chunked twice", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    ("chunked in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
    ("a head without an end", "HTTP/1.1 200 OK\r\nX: \(String(repeating: "y", count: 200_000))"),
    ("a thousand fields", "HTTP/1.1 200 OK\r\n\(String(repeating: "X: y\r\n", count: 1000))\r\n"),
  ]
}
