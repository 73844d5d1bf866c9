import Testing
import TestSupport

@Suite("Vary, cookies and authorization, RFC 9111 §3.5 and §4.1")
struct VaryTests {
  private func origin(vary: Fields) throws -> MisbehavingOrigin {
    try MisbehavingOrigin { exchange in
      let fields = exchange.request.fields
      let seen = "\(fields["Accept-Language"] ?? "-")|\(fields["X-Kind"] ?? "-")"
      try exchange.respond(200, ["Cache-Control": "max-age=600"] + vary, seen)
    }
  }

  @Test func `each value of a varying field has its own stored response`() throws {
    let origin = try origin(vary: ["Vary": "Accept-Language"])
    try withLarder(before: [origin]) { larder in
      for language in ["en", "de"] {
        #expect(try larder.fetch("/", fields: ["Accept-Language": language]).cacheStatus == "MISS")
      }
      for language in ["en", "de", "en"] {
        let hit = try larder.fetch("/", fields: ["Accept-Language": language])
        #expect(hit.cacheStatus == "HIT" && hit.text == "\(language)|-")
        #expect(hit.fields["Vary"] == "Accept-Language")
      }
      #expect(origin.requests.count == 2)
    }
  }

  @Test func `absent and empty differ, spaces around members do not, and lines join`() throws {
    let origin = try origin(vary: ["Vary": "X-Kind", "Vary": "accept-language"])
    try withLarder(before: [origin]) { larder throws in
      #expect(try larder.fetch("/").cacheStatus == "MISS")
      #expect(try larder.fetch("/", fields: ["X-Kind": ""]).cacheStatus == "MISS")
      #expect(try larder.fetch("/", fields: ["X-Kind": "a, b"]).cacheStatus == "MISS")
      #expect(try larder.fetch("/", fields: ["X-Kind": "a", "X-Kind": "b"]).cacheStatus == "HIT")
      #expect(try larder.fetch("/", fields: ["x-kind": "a, b"]).cacheStatus == "HIT")
      // The second Vary line counts too.
      #expect(
        try larder.fetch("/", fields: ["X-Kind": "a, b", "Accept-Language": "fr"]).cacheStatus == "MISS")
    }
  }

  @Test func `Vary * is never reused`() throws {
    for vary in [["Vary": "*"], ["Vary": "Accept, *"], ["Vary": "Accept", "Vary": "*"]] as [Fields] {
      let origin = try origin(vary: vary)
      try withLarder(before: [origin]) { larder throws in
        for count in 1...3 {
          #expect(try larder.fetch("/").cacheStatus != "HIT")
          #expect(origin.requests.count == count)
        }
      }
    }
  }

  @Test func `L8 when responses disagree on Vary, the newest list decides`() throws {
    let origin = try MisbehavingOrigin { exchange in
      let vary = exchange.visit == 0 ? "X-Kind" : "Accept-Language"
      try exchange.respond(200, ["Cache-Control": "max-age=600", "Vary": vary], "visit \(exchange.visit)")
    }
    try withLarder(before: [origin]) { larder in
      let both: Fields = ["X-Kind": "a", "Accept-Language": "en"]
      #expect(try larder.fetch("/", fields: both).text == "visit 0")
      #expect(try larder.fetch("/", fields: ["X-Kind": "b", "Accept-Language": "en"]).text == "visit 1")
      // Now both lists fit this request: the newer response must win over the older one.
      let third = try larder.fetch("/", fields: both)
      #expect(third.text == "visit 1" && third.cacheStatus == "HIT")
    }
  }

  @Test func `L8 variants of one URL are bounded, oldest out, and other keys stay`() throws {
    let origin = try origin(vary: ["Vary": "X-Kind"])
    try withLarder(before: [origin]) { larder in
      let client = try larder.client()
      _ = try client.fetch("/other")
      for number in 0..<300 { _ = try client.fetch("/many", fields: ["X-Kind": "kind-\(number)"]) }
      #expect(try client.fetch("/many", fields: ["X-Kind": "kind-299"]).cacheStatus == "HIT")
      #expect(try client.fetch("/many", fields: ["X-Kind": "kind-50"]).cacheStatus == "HIT")
      #expect(try client.fetch("/many", fields: ["X-Kind": "kind-0"]).cacheStatus == "MISS")
      #expect(try client.fetch("/other").cacheStatus == "HIT")
    }
  }

  @Test func `L17 a response with Set-Cookie is not kept, and reaches its own client`() throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.respond(200, ["Cache-Control": "max-age=600", "Set-Cookie": "id=\(exchange.visit)"], "a")
    }
    try withLarder(before: [origin]) { larder throws in
      for visit in 0..<3 { #expect(try larder.fetch("/").fields["Set-Cookie"] == "id=\(visit)") }
    }
  }

  @Test(arguments: [
    ("max-age=600", false), ("public, max-age=600", true), ("s-maxage=600", true),
    ("must-revalidate, max-age=600", true), ("private, max-age=600", false),
  ])
  func `a response to a request with Authorization is shared only when it says so`(
    _ control: String, _ isShared: Bool
  ) throws {
    let origin = try MisbehavingOrigin { exchange in
      let who = exchange.request.fields["Authorization"] ?? "nobody"
      try exchange.respond(200, ["Cache-Control": control], who)
    }
    try withLarder(before: [origin]) { larder in
      let first = try larder.fetch("/", fields: ["Authorization": "Bearer one"])
      let second = try larder.fetch("/", fields: ["Authorization": "Bearer two"])
      let third = try larder.fetch("/")
      #expect(first.text == "Bearer one")
      #expect(second.text == (isShared ? "Bearer one" : "Bearer two"))
      #expect(third.text == (isShared ? "Bearer one" : "nobody"))
      #expect((second.cacheStatus == "HIT") == isShared)
      if !isShared { #expect(first.cacheStatus == "BYPASS" && second.cacheStatus == "BYPASS") }
    }
  }

  @Test(arguments: [["Cookie": "session=1"], ["Authorization": "Bearer one"]] as [Fields])
  func `L17 who shows a cookie or a token neither gets nor leaves what was guessed`(_ identity: Fields) throws
  {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.respond(200, ["Last-Modified": httpDate(-100_000)], "visit \(exchange.visit)")
    }
    try withLarder(before: [origin]) { larder in
      #expect(try larder.fetch("/", fields: identity).text == "visit 0")
      let anonymous = try larder.fetch("/")
      #expect(anonymous.text == "visit 1" && anonymous.cacheStatus != "HIT")  // nothing was left
      let identified = try larder.fetch("/", fields: identity)
      #expect(identified.text == "visit 2" && identified.cacheStatus != "HIT")  // nothing was received
      #expect(try larder.fetch("/").cacheStatus == "HIT")
    }
  }

  @Test func `L17 the same holds for --default-ttl`() throws {
    let origin = try MisbehavingOrigin { try $0.respond(200, [:], "visit \($0.visit)") }
    try withLarder(["--default-ttl", "60s"], before: [origin]) { larder throws in
      #expect(try larder.fetch("/", fields: ["Cookie": "a=b"]).text == "visit 0")
      #expect(try larder.fetch("/").text == "visit 1")
      #expect(try larder.fetch("/", fields: ["Cookie": "a=b"]).text == "visit 2")
      #expect(try larder.fetch("/").cacheStatus == "HIT")
    }
  }

  @Test func `L17 a cookie does not keep a page with stated freshness from being shared`() throws {
    let origin = try MisbehavingOrigin { try $0.respond(200, ["Cache-Control": "max-age=600"], "page") }
    try withLarder(before: [origin]) { larder throws in
      #expect(try larder.fetch("/", fields: ["Cookie": "a=b"]).cacheStatus == "MISS")
      #expect(try larder.fetch("/", fields: ["Cookie": "c=d"]).cacheStatus == "HIT")
    }
  }
}
