import Testing
import TestSupport

@Suite("Cache basics, RFC 9111")
struct CacheBasicsTests {
  /// An origin that answers every target with these fields; the body tells the visit.
  private func origin(_ fields: Fields, status: Int = 200) throws -> MisbehavingOrigin {
    try MisbehavingOrigin { try $0.respond(status, fields, "visit \($0.visit) of \($0.target)") }
  }

  @Test func `the first request is a MISS, the next a HIT with the same bytes and an Age`() throws {
    let origin = try origin(["Cache-Control": "max-age=60", "Content-Type": "text/plain", "X-Own": "kept"])
    try withLarder(before: [origin]) { larder in
      let miss = try larder.fetch("/page?q=1")
      let hit = try larder.fetch("/page?q=1")
      #expect(miss.status == 200 && miss.cacheStatus == "MISS")
      #expect(hit.status == 200 && hit.cacheStatus == "HIT")
      #expect(hit.text == "visit 0 of /page?q=1" && hit.body == miss.body)
      #expect(hit.fields["Content-Type"] == "text/plain" && hit.fields["X-Own"] == "kept")
      #expect(hit.fields["Cache-Control"] == "max-age=60")
      #expect(try #require(hit.age) <= 2)
      #expect(hit.fields["Date"] == miss.fields["Date"])
      #expect(origin.requests.count == 1)
    }
  }

  @Test func `Cache-Status says what was done, RFC 9211`() throws {
    let origin = try origin(["Cache-Control": "max-age=60"])
    try withLarder(before: [origin]) { larder in
      let miss = try #require(try larder.fetch("/").cacheStatusDetails)
      #expect(!miss.isHit && miss.forwardStatus == 200 && miss.isStored)
      #expect(["uri-miss", "miss"].contains(miss.forward))
      let hit = try #require(try larder.fetch("/").cacheStatusDetails)
      #expect(hit.isHit && hit.forward == nil && hit.forwardStatus == nil && !hit.isStored)
      let left = try #require(hit.timeLeft)
      #expect((55...60).contains(left))
      #expect(hit.cache.lowercased().contains("larder"))
    }
  }

  @Test func `L18 the key is not told to whom nothing vouches for`() throws {
    let origin = try origin(["Cache-Control": "max-age=60"])
    try withLarder(before: [origin]) { larder in
      for _ in 0..<2 {
        let status = try larder.fetch("/secret", fields: ["X-Forwarded-For": "203.0.113.9"])
          .cacheStatusDetails
        #expect(status?.parameters["key"] == nil && status?.parameters["detail"] == nil)
      }
    }
  }

  @Test(arguments: [
    ("max-age=60", true), ("s-maxage=60", true), ("public, max-age=60", true),
    ("max-age=0, s-maxage=60", true),  // s-maxage first, RFC 9111 §5.2.2.10
    ("max-age=60, s-maxage=0", false), ("no-store", false), ("no-store, max-age=60", false),
    ("private", false), ("private, max-age=60", false), ("max-age=0", false),
    ("MAX-AGE=60", true),  // directives are case-insensitive, §5.2
    ("max-age=\"60\"", true),  // both forms must be understood, §5.2
    ("foo=\"a, no-store\", max-age=60", true),  // a comma in a quoted string parts nothing
  ])
  func `freshness and storing by Cache-Control`(_ value: String, _ hits: Bool) throws {
    let origin = try origin(["Cache-Control": value])
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      let second = try larder.fetch("/")
      #expect((second.cacheStatus == "HIT") == hits)
      #expect(origin.requests.count == (hits ? 1 : 2))
    }
  }

  @Test func `freshness by Expires against Date, and an Expires that cannot be read is past`() throws {
    let origin = try MisbehavingOrigin()
    origin.on("/future") { try $0.respond(200, ["Expires": httpDate(60)], "a") }
    origin.on("/past") { try $0.respond(200, ["Expires": httpDate(-60)], "a") }
    origin.on("/zero") { try $0.respond(200, ["Expires": "0"], "a") }
    origin.on("/max-age-wins") { try $0.respond(200, ["Expires": "0", "Cache-Control": "max-age=60"], "a") }
    // The origin's clock is an hour slow: only the difference counts, RFC 9111 §4.2.1.
    origin.on("/slow-clock") {
      try $0.respond(200, ["Date": httpDate(-3600), "Expires": httpDate(3600)], "a")
    }
    try withLarder(before: [origin]) { larder in
      for (target, hits) in [
        ("/future", true), ("/past", false), ("/zero", false), ("/max-age-wins", true), ("/slow-clock", true),
      ] {
        _ = try larder.fetch(target)
        let second = try larder.fetch(target)
        #expect((second.cacheStatus == "HIT") == hits, "\(target)")
      }
    }
  }

  @Test func `the origin's Age and an old Date count, RFC 9111 §4.2.3`() throws {
    let origin = try MisbehavingOrigin()
    origin.on("/age") { try $0.respond(200, ["Cache-Control": "max-age=60", "Age": "30"], "a") }
    origin.on("/old") { try $0.respond(200, ["Cache-Control": "max-age=600", "Date": httpDate(-100)], "a") }
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/age")
      let age = try larder.fetch("/age")
      #expect(age.cacheStatus == "HIT" && (30...34).contains(age.age ?? -1))
      _ = try larder.fetch("/old")
      let old = try larder.fetch("/old")
      #expect(old.cacheStatus == "HIT" && (100...104).contains(old.age ?? -1))
    }
  }

  @Test func `without freshness nothing is stored, with Last-Modified a tenth of the age is guessed`() throws
  {
    let origin = try MisbehavingOrigin()
    origin.on("/nothing") { try $0.respond(200, [:], "a") }
    origin.on("/guessed") { try $0.respond(200, ["Last-Modified": httpDate(-100_000)], "a") }
    origin.on("/created") { try $0.respond(201, ["Last-Modified": httpDate(-100_000)], "a") }
    try withLarder(before: [origin]) { larder in
      for (target, hits) in [("/nothing", false), ("/guessed", true), ("/created", false)] {
        _ = try larder.fetch(target)
        let second = try larder.fetch(target)
        #expect((second.cacheStatus == "HIT") == hits, "\(target)")
      }
    }
  }

  @Test(arguments: [
    (404, true), (410, true), (301, true), (308, true), (203, true), (300, true),
    (302, false), (307, false), (500, false), (403, false), (201, false),
  ])
  func `L17 --default-ttl keeps the statuses that may be guessed about, no others`(
    _ status: Int, _ hits: Bool
  ) throws {
    let origin = try origin(["Location": "/there"], status: status)
    try withLarder(["--default-ttl", "60s"], before: [origin]) { larder in
      let first = try larder.fetch("/")
      let second = try larder.fetch("/")
      #expect(first.status == status && second.status == status)
      #expect((second.cacheStatus == "HIT") == hits)
    }
  }

  @Test(arguments: [404, 410, 301, 302, 307, 403])
  func `a negative or other answer with its own max-age is kept`(_ status: Int) throws {
    let origin = try origin(["Cache-Control": "max-age=60", "Location": "/there"], status: status)
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      let second = try larder.fetch("/")
      #expect(second.cacheStatus == "HIT" && second.status == status)
      #expect(second.fields["Location"] == "/there")
    }
  }

  @Test func `no-cache is stored but asked about each time, and a 304 gives REVALIDATED`() throws {
    let origin = try MisbehavingOrigin { exchange in
      let isSame = exchange.request.fields["If-None-Match"] == "\"v1\""
      let fields: Fields = ["Cache-Control": "no-cache", "ETag": "\"v1\""]
      if isSame { try exchange.respond(304, fields) } else { try exchange.respond(200, fields, "page") }
    }
    try withLarder(before: [origin]) { larder in
      #expect(try larder.fetch("/").cacheStatus == "MISS")
      for visit in 1...2 {
        let again = try larder.fetch("/")
        #expect(again.status == 200 && again.text == "page" && again.cacheStatus == "REVALIDATED")
        #expect(origin.requests.count == visit + 1)
      }
    }
  }

  @Test func `fields named by no-cache and private are not kept, the rest is`() throws {
    let origin = try origin([
      "Cache-Control": "max-age=60, no-cache=\"X-Once\", private=\"X-Mine\"", "X-Once": "1", "X-Mine": "2",
      "X-All": "3",
    ])
    try withLarder(before: [origin]) { larder in
      #expect(try larder.fetch("/").fields["X-Once"] == "1")
      let second = try larder.fetch("/")
      #expect(second.fields["X-Once"] == nil && second.fields["X-Mine"] == nil)
      // Not keeping the response at all is allowed too (RFC 9111 §5.2.2.4).
      if second.cacheStatus == "HIT" { #expect(second.fields["X-All"] == "3") }
    }
  }

  @Test
  func `a request's no-cache reaches the origin in the strict profile, and what comes replaces the old`()
    throws
  {
    let origin = try origin(["Cache-Control": "max-age=60"])
    try withLarder(["--strict"], before: [origin]) { larder in
      _ = try larder.fetch("/")
      let forced = try larder.fetch("/", fields: ["Cache-Control": "no-cache"])
      #expect(forced.text == "visit 1 of /" && forced.cacheStatus != "HIT")
      let hit = try larder.fetch("/")
      #expect(hit.text == "visit 1 of /" && hit.cacheStatus == "HIT")
      let pragma = try larder.fetch("/", fields: ["Pragma": "no-cache"])
      #expect(pragma.text == "visit 2 of /")
    }
  }

  @Test func `in the default profile a reader's reload does not reach the origin`() throws {
    let origin = try origin(["Cache-Control": "max-age=60"])
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      for fields in [["Cache-Control": "no-cache"], ["Cache-Control": "max-age=0"], ["Pragma": "no-cache"]]
        as [Fields]
      {
        #expect(try larder.fetch("/", fields: fields).cacheStatus == "HIT")
      }
      #expect(origin.requests.count == 1)
    }
  }

  @Test func `only-if-cached gets 504 from an empty cache and the page from a full one`() throws {
    let origin = try origin(["Cache-Control": "max-age=60"])
    try withLarder(before: [origin]) { larder in
      let empty = try larder.fetch("/", fields: ["Cache-Control": "only-if-cached"])
      #expect(empty.status == 504 && origin.requests.isEmpty)
      _ = try larder.fetch("/")
      #expect(try larder.fetch("/", fields: ["Cache-Control": "only-if-cached"]).cacheStatus == "HIT")
    }
  }

  @Test func `a request that says no-store leaves nothing behind`() throws {
    let origin = try origin(["Cache-Control": "max-age=60"])
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/", fields: ["Cache-Control": "no-store"])
      let second = try larder.fetch("/")
      #expect(second.cacheStatus == "MISS" && second.text == "visit 1 of /")
    }
  }

  @Test func `what is larger than an object may be is streamed and not kept`() throws {
    let body = pattern(300_000)
    let origin = try MisbehavingOrigin { try $0.respond(200, ["Cache-Control": "max-age=60"], body) }
    try withLarder(["--max-object", "100KiB"], before: [origin]) { larder in
      #expect(try larder.fetch("/").body == body)
      let second = try larder.fetch("/")
      #expect(second.body == body && second.cacheStatus != "HIT")
    }
  }

  @Test func `chunked and close-delimited responses are kept and then have a length`() throws {
    let body = pattern(70_000)
    let origin = try MisbehavingOrigin()
    origin.on("/chunked") { exchange in
      try exchange.sendHead(200, ["Cache-Control": "max-age=60", "Transfer-Encoding": "chunked"])
      for start in stride(from: 0, to: body.count, by: 7000) {
        try exchange.sendChunk(Array(body[start..<(start + 7000)]))
      }
      try exchange.endChunks()
    }
    origin.on("/close") { exchange in
      try exchange.sendHead(200, ["Cache-Control": "max-age=60", "Connection": "close"])
      try exchange.send(body)
      exchange.close()
    }
    try withLarder(before: [origin]) { larder in
      for target in ["/chunked", "/close"] {
        let miss = try larder.fetch(target)
        #expect(miss.body == body && miss.isWhole, "\(target)")
        let hit = try larder.fetch(target)
        #expect(hit.body == body && hit.cacheStatus == "HIT", "\(target)")
        #expect(hit.framing == .length(body.count), "\(target)")
      }
    }
  }

  @Test func `an empty body is a body`() throws {
    let origin = try origin(["Cache-Control": "max-age=60"], status: 200)
    origin.on("/empty") { try $0.respond(200, ["Cache-Control": "max-age=60"], "") }
    origin.on("/204") { try $0.respond(204, ["Cache-Control": "max-age=60"]) }
    try withLarder(before: [origin]) { larder in
      for (target, status) in [("/empty", 200), ("/204", 204)] {
        _ = try larder.fetch(target)
        let hit = try larder.fetch(target)
        #expect(hit.status == status && hit.body.isEmpty && hit.cacheStatus == "HIT", "\(target)")
      }
    }
  }
}
