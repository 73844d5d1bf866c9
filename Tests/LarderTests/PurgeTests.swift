import Foundation
import Testing
import TestSupport

@Suite("Purge, L19 to L23")
struct PurgeTests {
  private let control: Fields = ["Cache-Control": "max-age=600"]

  private func versioned() throws -> MisbehavingOrigin {
    try MisbehavingOrigin { [control] in try $0.respond(200, control, "\($0.visit)") }
  }

  private struct Answer: Decodable {
    var purged: Int
    var host: String
    var sequence: UInt64
  }

  @Test func `L23 PURGE answers 200 with what was removed, also when that is nothing`() throws {
    let origin = try versioned()
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/api/users")
      var sequences: [UInt64] = []
      for expected in [1, 0, 0] {
        let response = try larder.fetch("/api/users", method: "PURGE")
        #expect(response.status == 200)
        #expect(response.fields["Content-Type"]?.hasPrefix("application/json") == true)
        let answer = try JSONDecoder().decode(Answer.self, from: Data(response.body))
        #expect(answer.purged == expected && answer.host == "a.test")
        sequences.append(answer.sequence)
      }
      #expect(sequences == sequences.sorted() && Set(sequences).count == 3)
      #expect(origin.requests.count == 1)  // PURGE is ours, the origin never hears of it
      #expect(try larder.fetch("/api/users").cacheStatus == "MISS")
    }
  }

  @Test func `L23 a refused address gets 403 that names it and the flag`() throws {
    let origin = try versioned()
    try withLarder(["--purge-from", "10.1.0.0/16"], before: [origin]) { larder in
      _ = try larder.fetch("/")
      let refused = try larder.fetch("/", method: "PURGE")
      #expect(refused.status == 403)
      #expect(refused.text.contains("127.0.0.1") && refused.text.contains("--purge-from"))
      #expect(try larder.fetch("/").cacheStatus == "HIT")
    }
  }

  @Test func `--purge-from takes a network, and an address outside it is refused`() throws {
    let origin = try versioned()
    try withLarder(["--purge-from", "127.0.0.8/30"], before: [origin]) { larder in
      for (source, status) in [
        ("127.0.0.8", 200), ("127.0.0.11", 200), ("127.0.0.12", 403), ("127.0.0.7", 403),
      ] {
        let client = try RawClient(port: larder.port, from: source)
        #expect(try client.fetch("/", method: "PURGE").status == status, "\(source)")
      }
    }
  }

  @Test func `L20 a purge during the fetch - those who wait get it, nobody after gets it`() throws {
    let head = Gate("the head")
    let origin = try MisbehavingOrigin { [control] exchange in
      if exchange.visit == 0 { try head.wait() }
      try exchange.respond(200, control, "\(exchange.visit)")
    }
    try withLarder(before: [origin]) { larder in
      let waiting = try larder.client()
      try waiting.sendRequest("/")
      try origin.awaitRequests(1)
      #expect(try larder.fetch("/", method: "PURGE").status == 200)
      // The fill is detached: a request after the answer starts its own, although the first still waits.
      #expect(try larder.fetch("/").text == "1")
      head.open()
      #expect(try waiting.readResponse().text == "0")
      for _ in 0..<10 { #expect(try larder.fetch("/").text == "1") }
      #expect(origin.requests.count == 2)
    }
  }

  @Test func `L20 a purge in the middle of the body - readers finish, nobody joins, nothing is stored`()
    throws
  {
    let rest = Gate("the rest")
    let body = pattern(100_000)
    let origin = try MisbehavingOrigin { [control] exchange in
      if exchange.visit > 0 { return try exchange.respond(200, control, "new") }
      try exchange.sendHead(200, control + ["Content-Length": "\(body.count)"])
      try exchange.send(Array(body[..<50_000]))
      try rest.wait()
      try exchange.send(Array(body[50_000...]))
    }
    try withLarder(before: [origin]) { larder in
      let reader = try larder.client()
      try reader.sendRequest("/")
      var old = try reader.readFinalHead()
      try reader.readSome(50_000, of: &old)
      _ = try larder.fetch("/", method: "PURGE")
      #expect(try larder.fetch("/").text == "new")
      rest.open()
      try reader.readBody(of: &old)
      #expect(old.isWhole && old.body == body)
      for _ in 0..<10 { #expect(try larder.fetch("/").text == "new") }
      #expect(origin.requests.count == 2)
    }
  }

  @Test func `L19 a purge during a revalidation - the 304 does not bring the page back`() throws {
    let answer = Gate("the 304")
    let origin = try MisbehavingOrigin { exchange in
      switch exchange.visit {
      case 0: try exchange.respond(200, ["Cache-Control": "max-age=1", "ETag": "\"v1\""], "old")
      case 1:
        try answer.wait()
        try exchange.respond(304, ["Cache-Control": "max-age=600", "ETag": "\"v1\""])
      default:
        #expect(exchange.request.fields["If-None-Match"] == nil)  // what was purged is not asked about
        try exchange.respond(200, ["Cache-Control": "max-age=600"], "new")
      }
    }
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      let waiting = Task { try larder.fetchWhenStale("/") }
      try origin.awaitRequests(2)
      _ = try larder.fetch("/", method: "PURGE")
      answer.open()
      #expect(try ["old", "new"].contains(waiting.value().text))
      for _ in 0..<10 { #expect(try larder.fetch("/").text == "new") }
    }
  }

  @Test func `L19 a purge during a background refresh - the refreshed page is not stored`() throws {
    let answer = Gate("the refresh")
    let origin = try MisbehavingOrigin { exchange in
      if exchange.visit == 1 { try answer.wait() }
      let life = exchange.visit == 0 ? "max-age=1, stale-while-revalidate=600" : "max-age=600"
      try exchange.respond(200, ["Cache-Control": life], "\(exchange.visit)")
    }
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      #expect(try larder.fetchWhenStale("/").cacheStatus == "UPDATING")
      try origin.awaitRequests(2)
      _ = try larder.fetch("/", method: "PURGE")
      #expect(try larder.fetch("/").text == "2")
      answer.open()
      try larder.settle()
      for _ in 0..<10 { #expect(try larder.fetch("/").text == "2") }
    }
  }

  @Test func `L20 purging another key a thousand times does not keep this one from being stored`() throws {
    let head = Gate("the head")
    let origin = try MisbehavingOrigin { [control] exchange in
      try head.wait()
      try exchange.respond(200, control, "page")
    }
    try withLarder(before: [origin]) { larder in
      let waiting = try larder.client()
      try waiting.sendRequest("/this")
      try origin.awaitRequests(1)
      let purger = try larder.client()
      for number in 0..<1000 {
        #expect(try purger.fetch("/other?\(number % 3)", method: "PURGE").status == 200)
      }
      head.open()
      #expect(try waiting.readResponse().text == "page")
      #expect(try larder.fetch("/this").cacheStatus == "HIT")
    }
  }

  @Test func `L21 no request after the answer gets older content, under load from all sides`() throws {
    let version = Watched(0)
    let origin = try MisbehavingOrigin { [control] exchange in
      try exchange.respond(200, control, "\(version.read { $0 })")
    }
    try withLarder(before: [origin]) { larder in
      let isOver = Gate("the rounds are done")
      let hammers = (0..<4).map { _ in
        Task {
          let client = try larder.client()
          var last = 0
          while !isOver.isOpen {
            let purged = version.read { $0 } - 1  // the version before is purged or about to be
            let seen = Int(try client.fetch("/").text) ?? -1
            #expect(seen >= purged)
            last = max(last, seen)
          }
          return last
        }
      }
      let client = try larder.client()
      let purger = try larder.client()
      for round in 1...200 {
        version.update { $0 = round }
        _ = try purger.fetch("/", method: "PURGE")
        #expect(try client.fetch("/").text == "\(round)")
      }
      isOver.open()
      for hammer in hammers { _ = try hammer.value() }
    }
  }

  @Test func `L20 an unsafe method during a fetch fences it like a purge`() throws {
    let head = Gate("the first head")
    let origin = try MisbehavingOrigin { [control] exchange in
      if exchange.visit == 0 { try head.wait() }
      try exchange.readBody()
      try exchange.respond(200, control, "\(exchange.visit)")
    }
    try withLarder(before: [origin]) { larder in
      let waiting = try larder.client()
      try waiting.sendRequest("/")
      try origin.awaitRequests(1)
      #expect(try larder.fetch("/", method: "POST", body: [1]).text == "1")
      head.open()
      #expect(try waiting.readResponse().text == "0")
      #expect(try larder.fetch("/").text == "2")
    }
  }

  @Test func `L21 a soft purge leaves nothing fresh, but stale may still serve`() throws {
    let origin = try MisbehavingOrigin { exchange in
      if exchange.visit > 0 { return exchange.reset() }
      try exchange.respond(200, ["Cache-Control": "max-age=600, stale-if-error=600"], "old")
    }
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      let answer = try larder.admin(
        "/purge", method: "POST", fields: ["Content-Type": "application/json"],
        body: #"{"url": "http://a.test/", "soft": true}"#)
      #expect(answer.status == 200)
      let stale = try larder.fetch("/")
      #expect(stale.text == "old" && ["UPDATING", "STALE"].contains(stale.cacheStatus))
      try origin.awaitRequests(2)
      // Failed refreshes do not make it fresh again.
      for _ in 0..<5 { #expect(try larder.fetch("/").cacheStatus != "HIT") }
    }
  }

  @Test func `POST purge on the admin listener takes one URL or many`() throws {
    let origin = try versioned()
    try withLarder(before: [origin]) { larder in
      for target in ["/a", "/b", "/c?x=1"] { _ = try larder.fetch(target) }
      let json: Fields = ["Content-Type": "application/json"]
      let one = try larder.admin(
        "/purge", method: "POST", fields: json, body: #"{"url": "http://A.test:80/a"}"#)
      #expect(one.status == 200 && one.purged == 1)
      let many = try larder.admin(
        "/purge", method: "POST", fields: json,
        body: #"{"urls": ["http://a.test/b", "https://a.test/c?x=1"]}"#)
      #expect(many.status == 200 && many.purged == 2)
      for target in ["/a", "/b", "/c?x=1"] { #expect(try larder.fetch(target).cacheStatus == "MISS") }
    }
  }

  @Test(arguments: [
    "", "{", "[]", "{}", #"{"url": 7}"#, #"{"url": "/only/a/path"}"#, #"{"url": "http://"}"#,
    #"{"urls": []}"#,
    #"{"url": "ftp://a.test/"}"#, #"{"url": "http://a.test/ b"}"#, "{\"url\": \"http://a.test/\u{1}\"}",
  ])
  func `POST purge refuses what it cannot read`(_ body: String) throws {
    let origin = try versioned()
    try withLarder(before: [origin]) { larder in
      let answer = try larder.admin(
        "/purge", method: "POST", fields: ["Content-Type": "application/json"], body: body)
      #expect(answer.status == 400 && !answer.body.isEmpty)
    }
  }

  @Test func `larder purge URL purges through the admin listener and says what it did`() throws {
    let origin = try versioned()
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/page")
      let command = try LarderProcess(arguments: [
        "purge", "http://a.test/page", "--to", "127.0.0.1:\(larder.adminPort)",
      ])
      #expect(try command.awaitExit().status == 0)
      #expect(command.standardOutput.contains("1"))
      #expect(try larder.fetch("/page").cacheStatus == "MISS")
    }
  }

  @Test func `larder purge fails with one line when nobody answers`() throws {
    let port = try refusingPort()
    let command = try LarderProcess(arguments: ["purge", "http://a.test/page", "--to", "127.0.0.1:\(port)"])
    #expect(try command.awaitExit().status == 1)
    #expect(command.standardError.contains("127.0.0.1:\(port)"))
    #expect(command.standardError.split(separator: "\n").count == 1)
  }
}
