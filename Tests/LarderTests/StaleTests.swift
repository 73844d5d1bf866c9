import Testing
import TestSupport

@Suite("Hit-for-miss and stale responses, L14 to L16")
struct StaleTests {
  /// The first visit's page with these fields; later visits run `later`.
  private func origin(_ control: String, later: @escaping MisbehavingOrigin.Script) throws
    -> MisbehavingOrigin
  {
    try MisbehavingOrigin { exchange in
      if exchange.visit > 0 { return try later(exchange) }
      try exchange.respond(200, ["Cache-Control": control], "old")
    }
  }

  @Test(
    arguments: [
      ["Cache-Control": "private"], ["Cache-Control": "no-store"], ["Set-Cookie": "a=b"], ["Vary": "*"],
    ] as [Fields])
  func `L14 after an unshareable answer each request goes on its own, until one may be stored`(
    _ fields: Fields
  ) throws {
    let together = Gate("three requests at once")
    let origin = try MisbehavingOrigin { exchange in
      if exchange.visit == 0 || exchange.visit > 3 {
        let storable: Fields = ["Cache-Control": "max-age=600"]
        return try exchange.respond(200, exchange.visit == 0 ? fields : storable, "visit \(exchange.visit)")
      }
      try together.wait()
      try exchange.respond(200, fields, "own")
    }
    try withLarder(before: [origin]) { larder in
      #expect(try larder.fetch("/").cacheStatus == "MISS")
      let clients = try (0..<3).map { _ in
        let client = try larder.client()
        try client.sendRequest("/")
        return client
      }
      try origin.awaitRequests(4)  // under the mark nobody waits for another
      together.open()
      #expect(try clients.allSatisfy { try $0.readResponse().cacheStatus == "BYPASS" })
      #expect(try larder.fetch("/").text == "visit 4")
      let hit = try larder.fetch("/")  // the first storable response replaced the mark
      #expect(hit.cacheStatus == "HIT" && hit.text == "visit 4")
    }
  }

  @Test(arguments: [500, 503])
  func `L14 an error leaves no mark, even a private one`(_ status: Int) throws {
    let gate = Gate("the second head")
    let origin = try MisbehavingOrigin { exchange in
      if exchange.visit == 0 { return try exchange.respond(status, ["Cache-Control": "private"], "error") }
      try gate.wait()
      try exchange.respond(200, ["Cache-Control": "max-age=600"], "page")
    }
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      let clients = try (0..<5).map { _ in
        let client = try larder.client()
        try client.sendRequest("/")
        return client
      }
      try larder.settle()
      gate.open()
      #expect(try clients.allSatisfy { try $0.readResponse().text == "page" })
      #expect(origin.requests.count == 2)  // they waited for one another
    }
  }

  @Test func `L14 an error does not displace an entry that may still be used`() throws {
    let origin = try origin("max-age=1, stale-if-error=600") { exchange in
      try exchange.respond(503, ["Cache-Control": "no-store, max-age=600"], "error")
    }
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      for _ in 0..<3 {
        let stale = try larder.fetchWhenStale("/")
        #expect(stale.text == "old" && stale.cacheStatus == "STALE")
      }
    }
  }

  @Test func `L15 a failed refresh backs off, and stale is served without an attempt meanwhile`() throws {
    let origin = try origin("max-age=1, stale-while-revalidate=600") { try $0.respond(500, [:], "error") }
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      _ = try larder.fetchWhenStale("/")
      try origin.awaitRequests(2)
      let client = try larder.client()
      let start = ContinuousClock.now
      for _ in 0..<200 { #expect(try client.fetch("/").text == "old") }
      let seconds = Int(start.duration(to: .now).components.seconds)
      #expect(origin.requests.count <= 3 + seconds)
    }
  }

  @Test(arguments: [
    ([String](), "max-age=1, stale-while-revalidate=600"), (["--grace", "600s"], "max-age=1"),
  ])
  func `L16 stale-while-revalidate and --grace serve at once and refresh behind`(
    _ flags: [String], _ control: String
  ) throws {
    let gate = Gate("the refresh")
    let origin = try origin(control) { exchange in
      try gate.wait()
      try exchange.respond(200, ["Cache-Control": "max-age=600"], "new")
    }
    try withLarder(flags, before: [origin]) { larder in
      _ = try larder.fetch("/")
      let stale = try larder.fetchWhenStale("/")
      #expect(stale.text == "old" && stale.cacheStatus == "UPDATING")  // while the origin holds the refresh
      try origin.awaitRequests(2)
      #expect(try larder.fetch("/").cacheStatus == "UPDATING")
      gate.open()
      try eventually("the refreshed page") { try larder.fetch("/").text == "new" }
      #expect(try larder.fetch("/").cacheStatus == "HIT")
      #expect(origin.requests.count == 2)
    }
  }

  @Test func `L16 without grace a stale page is replaced before it is served`() throws {
    let origin = try origin("max-age=1") { try $0.respond(200, ["Cache-Control": "max-age=600"], "new") }
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      let replaced = try larder.fetchWhenStale("/")
      #expect(replaced.text == "new" && replaced.cacheStatus == "EXPIRED")
      #expect(try larder.fetch("/").cacheStatus == "HIT")
    }
  }

  /// What a failed refresh gives, by what the stored response and the flags say.
  @Test(
    arguments: [
      ("max-age=1", [], true),  // --stale-on-error, 10 minutes by default
      ("max-age=1", ["--stale-on-error", "0s"], false),
      ("max-age=1, stale-if-error=600", ["--stale-on-error", "0s"], true),
      ("max-age=1, must-revalidate", [], false), ("max-age=1, proxy-revalidate", [], false),
      ("max-age=1, must-revalidate, stale-if-error=600", [], false),
      ("s-maxage=1", [], false),  // means proxy-revalidate, RFC 9111 §5.2.2.10
      ("s-maxage=1, stale-if-error=600", [], true),
      ("s-maxage=1, stale-if-error=600", ["--strict"], false),
      ("no-cache", [], false), ("max-age=1, must-revalidate", ["--grace", "600s"], false),
    ] as [(String, [String], Bool)])
  func `L16 stale after a failed attempt, only where nothing forbids it`(
    _ control: String, _ flags: [String], _ isAllowed: Bool
  ) throws {
    let origin = try origin(control) { try $0.respond(503, [:], "error") }
    try withLarder(flags, before: [origin]) { larder in
      _ = try larder.fetch("/")
      let response = try larder.fetchWhenStale("/")
      #expect(origin.requests.count >= 2)  // it was tried
      if isAllowed {
        #expect(response.status == 200 && response.text == "old" && response.cacheStatus == "STALE")
      } else {
        #expect(response.status == 503)
      }
    }
  }

  @Test(arguments: ["refused", "reset", "garbage", "silent"])
  func `L16 every kind of failure counts as one`(_ failure: String) throws {
    let origin = try origin("max-age=1, stale-if-error=600") { exchange in
      switch failure {
      case "reset": exchange.reset()
      case "garbage": try exchange.send("nonsense\r\n\r\n")
      default: try exchange.awaitPeerClose()
      }
    }
    try withLarder(["--first-byte-timeout", "200ms"], before: [origin]) { larder in
      _ = try larder.fetch("/")
      if failure == "refused" { origin.stop() }
      let response = try larder.fetchWhenStale("/")
      #expect(response.status == 200 && response.text == "old" && response.cacheStatus == "STALE")
      #expect(try #require(response.age) >= 1)
    }
  }

  @Test func `L16 nothing stale from a server that is away when it is forbidden`() throws {
    let origin = try origin("max-age=1, must-revalidate") { _ in }
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      origin.stop()
      let response = try larder.fetchWhenStale("/")
      #expect([502, 503, 504].contains(response.status) && response.text != "old")
    }
  }

  @Test func `L16 a 4xx is no error, it replaces the page`() throws {
    let origin = try origin("max-age=1, stale-if-error=600") { exchange in
      try exchange.respond(404, ["Cache-Control": "max-age=600"], "gone")
    }
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      #expect(try larder.fetchWhenStale("/").status == 404)
      #expect(try larder.fetch("/").status == 404)
    }
  }

  @Test func `L14 a page that becomes private is not served to others afterwards`() throws {
    let origin = try origin("max-age=1") { exchange in
      try exchange.respond(200, ["Cache-Control": "private"], "own \(exchange.visit)")
    }
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      #expect(try larder.fetchWhenStale("/").text == "own 1")
      for visit in 2...3 { #expect(try larder.fetch("/").text == "own \(visit)") }
    }
  }
}
