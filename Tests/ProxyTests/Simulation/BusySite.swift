/// A site with every kind of page, and clients that ask for them in many ways.
struct BusySite {
  let simulation: Simulation

  static let paths = [
    "/small", "/large", "/chunked", "/ends", "/private", "/vary", "/short", "/empty", "/missing", "/failing",
    "/gone", "/slow",
  ]

  static func respond(_ request: Message, _ connection: ServerConnection) -> [ServerStep] {
    let path = request.target
    switch path {
    case "/large" where request["range"] == "bytes=10-40":
      return Page.part(path, 10...40, length: 70_000)
    case "/large": return Page.response(path, length: 70_000, pieces: 5)
    case "/chunked": return Page.response(path, length: 5000, framing: .chunked, pieces: 9)
    case "/ends": return Page.response(path, length: 3000, framing: .untilEnd, pieces: 3)
    case "/private": return Page.response(path, length: 400, ["Cache-Control: private"])
    case "/vary":
      let coding = request["accept-encoding"] ?? "none"
      return Page.response("\(path)|\(coding)", ["Cache-Control: max-age=100", "Vary: Accept-Encoding"])
    case "/short":
      if request["if-none-match"] == "\"v1\"" {
        return [.text("HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\nCache-Control: max-age=1\r\n\r\n")]
      }
      return Page.response(path, length: 900, ["Cache-Control: max-age=1", "ETag: \"v1\""])
    case "/empty": return Page.response(path, length: 0)
    case "/missing": return Page.response(path, status: "404 Not Found")
    case "/failing":
      return Page.response(path, status: "500 Internal Server Error", ["Cache-Control: no-store"])
    case "/gone": return [.reset]
    case "/slow": return [.wait(700)] + Page.response(path, length: 2000, pieces: 4)
    default: return Page.response(path, length: 100 + request.body.count, ["Cache-Control: no-store"])
    }
  }

  /// One request of a random kind, as the client would write it.
  static func request(_ random: inout Randomness, isLast: Bool) -> String {
    let path = random.pick(paths)
    var fields = "Host: example.com\r\n"
    if path == "/vary" { fields += "Accept-Encoding: \(random.pick(["gzip", "br", "zstd"]))\r\n" }
    if isLast, random.once(in: 3) { fields += "Connection: close\r\n" }
    switch random.below(12) {
    case 0: return "HEAD \(path) HTTP/1.1\r\n\(fields)\r\n"
    case 1:
      let body = String(repeating: "x", count: random.below(3000))
      return "POST /form HTTP/1.1\r\n\(fields)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
    case 2: return "PUT /form HTTP/1.1\r\n\(fields)Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    case 3:
      let range = random.pick(["10-40", "50-,0-9", "2000-2999,-90,20-60"])
      return "GET \(path) HTTP/1.1\r\n\(fields)Range: bytes=\(range)\r\n\r\n"
    case 4 where isLast: return "GET \(path) HTTP/1.0\r\n\(fields)\r\n"
    default: return "GET \(path) HTTP/1.1\r\n\(fields)\r\n"
    }
  }

  /// So many clients with up to so many requests each, in a random manner.
  func populate(clients: Int, requests: Int) {
    for _ in 0..<clients {
      let client = simulation.client()
      var random = Randomness(seed: simulation.network.random.next())
      let count = 1 + random.below(requests)
      client.pipelines = random.once(in: 3)
      if random.once(in: 3) { client.writePiece = 1 + random.below(60) }
      if random.once(in: 4) {
        client.pace = .slow(bytes: 500 + random.below(3000), milliseconds: random.below(40))
      }
      client.halfCloses = random.once(in: 5)
      for i in 0..<count { client.ask(Self.request(&random, isLast: i == count - 1)) }
      if random.once(in: 8) {
        let isAbrupt = random.once(in: 2)
        simulation.network.after(random.below(900)) { client.leave(abruptly: isAbrupt) }
      }
    }
  }
}
