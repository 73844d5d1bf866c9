import Testing
import TestSupport

@Suite("Joining a fill, L9 to L11 and L13")
struct CollapseTests {
  @Test func `L9 a hundred waiters over four codings make exactly four fetches, three of them at once`()
    throws
  {
    let first = Gate("the first head")
    let rest = Gate("the other heads")
    let origin = try MisbehavingOrigin { exchange in
      try (exchange.visit == 0 ? first : rest).wait()
      let coding = exchange.request.fields["Accept-Encoding"] ?? "none"
      try exchange.respond(200, ["Cache-Control": "max-age=600", "Vary": "Accept-Encoding"], "for \(coding)")
    }
    let codings = ["gzip", "br", "zstd", "identity"]
    try withLarder(before: [origin]) { larder in
      let clients = try (0..<100).map { index in
        let client = try larder.client()
        try client.sendRequest("/", fields: ["Accept-Encoding": codings[index % 4]])
        return client
      }
      try larder.settle()
      #expect(origin.requests.count == 1)
      first.open()
      try origin.awaitRequests(4)  // the groups run in parallel: none of the three has been answered
      try larder.settle()  // and the waiters of both workers have found their groups: none comes to a HIT
      rest.open()
      for (index, client) in clients.enumerated() {
        let response = try client.readResponse()
        #expect(response.status == 200 && response.text == "for \(codings[index % 4])")
        #expect(response.cacheStatus == "MISS")
      }
      #expect(origin.requests.count == 4)
      for coding in codings {
        #expect(try larder.fetch("/", fields: ["Accept-Encoding": coding]).cacheStatus == "HIT")
      }
    }
  }

  @Test func `L9 waiters for one page get one fetch, marked as collapsed`() throws {
    let gate = Gate("the head")
    let origin = try MisbehavingOrigin { exchange in
      try gate.wait()
      try exchange.respond(200, ["Cache-Control": "max-age=600"], "page")
    }
    try withLarder(before: [origin]) { larder in
      let clients = try (0..<50).map { _ in
        let client = try larder.client()
        try client.sendRequest("/")
        return client
      }
      try larder.settle()
      gate.open()
      let responses = try clients.map { try $0.readResponse() }
      #expect(responses.allSatisfy { $0.text == "page" && $0.cacheStatus == "MISS" })
      #expect(responses.count { $0.cacheStatusDetails?.isCollapsed == true } == 49)
      #expect(origin.requests.count == 1)
    }
  }

  @Test func `L3 readers get the bytes while they arrive, on any worker`() throws {
    let half = Gate("the first half was read")
    let body = pattern(200_000)
    let origin = try MisbehavingOrigin { exchange in
      try exchange.sendHead(200, ["Cache-Control": "max-age=600", "Content-Length": "\(body.count)"])
      try exchange.send(Array(body[..<100_000]))
      try half.wait()
      try exchange.send(Array(body[100_000...]))
    }
    try withLarder(before: [origin]) { larder in
      var readers: [(RawClient, Response)] = []
      for _ in 0..<12 {
        let client = try larder.client()
        try client.sendRequest("/")
        var response = try client.readFinalHead()
        try client.readSome(100_000, of: &response)  // although the origin still holds the rest
        readers.append((client, response))
      }
      #expect(origin.requests.count == 1)
      half.open()
      for (client, var response) in readers {
        try client.readBody(of: &response)
        #expect(response.isWhole && response.body == body)
      }
      #expect(origin.requests.count == 1)
    }
  }

  @Test(arguments: ["private", "no-store", "max-age=600"])
  func `L9 two users with different tokens never see each other's page`(_ control: String) throws {
    let gate = Gate("the heads")
    let origin = try MisbehavingOrigin { exchange in
      try gate.wait()
      let who = exchange.request.fields["Authorization"] ?? "nobody"
      try exchange.respond(200, ["Cache-Control": control], "page of \(who)")
    }
    try withLarder(before: [origin]) { larder in
      let clients = try (0..<20).map { index in
        let client = try larder.client()
        try client.sendRequest("/", fields: ["Authorization": "token-\(index)"])
        return client
      }
      try larder.settle()
      gate.open()
      for (index, client) in clients.enumerated() {
        #expect(try client.readResponse().text == "page of token-\(index)")
      }
      #expect(origin.requests.count == 20)
    }
  }

  @Test func `L9 tokens share a response that is public`() throws {
    let gate = Gate("the head")
    let origin = try MisbehavingOrigin { exchange in
      try gate.wait()
      try exchange.respond(200, ["Cache-Control": "public, max-age=600"], "page")
    }
    try withLarder(before: [origin]) { larder in
      let anonymous = try larder.client()
      try anonymous.sendRequest("/")
      try origin.awaitRequests(1)
      let identified = try larder.client()
      try identified.sendRequest("/", fields: ["Authorization": "token"])
      try larder.settle()
      gate.open()
      #expect(try anonymous.readResponse().text == "page")
      #expect(try identified.readResponse().text == "page")
    }
  }

  @Test func `L9 waiters of a page that turns out private each get their own`() throws {
    let gate = Gate("the first head")
    let origin = try MisbehavingOrigin { exchange in
      if exchange.visit == 0 { try gate.wait() }
      try exchange.respond(200, ["Cache-Control": "private"], exchange.request.fields["Cookie"] ?? "none")
    }
    try withLarder(before: [origin]) { larder in
      let clients = try (0..<30).map { index in
        let client = try larder.client()
        try client.sendRequest("/", fields: ["Cookie": "user=\(index)"])
        return client
      }
      try larder.settle()
      #expect(origin.requests.count == 1)
      gate.open()
      for (index, client) in clients.enumerated() {
        #expect(try client.readResponse().text == "user=\(index)")
      }
      #expect(origin.requests.count == 30)
    }
  }

  @Test(
    arguments: [
      ["If-None-Match": "\"v1\""], ["If-Modified-Since": "Mon, 05 Jan 2026 10:00:00 GMT"],
      ["Range": "bytes=5-2"], ["If-Range": "\"v1\""], ["TE": "trailers"],
      ["Cache-Control": "max-age=0"], ["Cache-Control": "no-cache"], ["Pragma": "no-cache"],
      ["Expect": "100-continue"], ["Cache-Control": "min-fresh=5, max-stale=5"],
    ] as [Fields])
  func `L10 a cold key's first request leaves the whole 200 for the next`(_ fields: Fields) throws {
    let origin = try MisbehavingOrigin { exchange in
      // An origin that would answer the client's condition or range if it saw it.
      let asked = exchange.request.fields
      if asked["If-None-Match"] != nil || asked["If-Modified-Since"] != nil {
        return try exchange.respond(304, ["Cache-Control": "max-age=600", "ETag": "\"v1\""])
      }
      if asked["Range"] != nil {
        return try exchange.respond(
          206, ["Cache-Control": "max-age=600", "Content-Range": "bytes 0-1/4"], "pa")
      }
      try exchange.respond(200, ["Cache-Control": "max-age=600", "ETag": "\"v1\""], "page")
    }
    try withLarder(before: [origin]) { larder in
      let first = try larder.fetch("/", fields: fields)
      #expect([200, 206, 304].contains(first.status))
      let next = try larder.fetch("/")
      #expect(next.status == 200 && next.text == "page" && next.cacheStatus == "HIT")
      let fetched = try #require(origin.requests.first)
      #expect(origin.requests.count == 1 && fetched.method == "GET")
      for name in ["If-None-Match", "If-Modified-Since", "Range", "If-Range", "Expect", "TE", "Pragma"] {
        #expect(fetched.fields[name] == nil, "\(name) went to the origin")
      }
      #expect(fetched.fields["Cache-Control"] == nil)
    }
  }

  @Test func `L10 a HEAD miss becomes a GET fill`() throws {
    let origin = try MisbehavingOrigin { try $0.respond(200, ["Cache-Control": "max-age=600"], "page") }
    try withLarder(before: [origin]) { larder in
      let head = try larder.fetch("/", method: "HEAD")
      #expect(head.status == 200 && head.body.isEmpty)
      #expect(try larder.fetch("/").cacheStatus == "HIT")
      #expect(origin.requests.map(\.method) == ["GET"])
    }
  }

  @Test(
    arguments: [
      ["If-Match": "\"v9\""], ["If-Unmodified-Since": "Mon, 05 Jan 2026 10:00:00 GMT"],
    ] as [Fields])
  func `L10 If-Match and If-Unmodified-Since go to the origin, also past an entry`(_ fields: Fields) throws {
    let origin = try MisbehavingOrigin { exchange in
      let asked = exchange.request.fields
      let isConditional = asked["If-Match"] != nil || asked["If-Unmodified-Since"] != nil
      try exchange.respond(isConditional ? 412 : 200, ["Cache-Control": "max-age=600"], "page")
    }
    try withLarder(before: [origin]) { larder throws in
      #expect(try larder.fetch("/", fields: fields).status == 412)
      #expect(try larder.fetch("/").status == 200)
      #expect(try larder.fetch("/").cacheStatus == "HIT")
      #expect(try larder.fetch("/", fields: fields).status == 412)
    }
  }

  @Test func `L13 waiting ends - one waiter starts another fill, at most three per key`() throws {
    let never = Gate("the end of the test")
    let third = Gate("the third fetch may answer")
    let origin = try MisbehavingOrigin { exchange in
      if exchange.target == "/other" { return try exchange.respond(200, [:], "other") }
      if exchange.visit == 2 { try third.wait() } else { try never.wait() }
      try exchange.respond(200, ["Cache-Control": "max-age=600"], "page \(exchange.visit)")
    }
    try withLarder(["--collapse-timeout", "300ms"], before: [origin]) { larder in
      let clients = try (0..<20).map { _ in
        let client = try larder.client()
        try client.sendRequest("/slow")
        return client
      }
      try origin.awaitRequests(3, for: "/slow")
      // Four more time-outs' worth of other work: no fourth fetch may come of it.
      let worker = try larder.client()
      for _ in 0..<120 {
        _ = try worker.fetch("/other")
        pause(milliseconds: 10)
      }
      #expect(origin.count("/slow") == 3)
      third.open()
      // The third answer is there for all who come now, while the first two fetches still hang.
      try eventually("the third answer") { try larder.fetch("/slow").text == "page 2" }
      never.open()
      #expect(try clients.allSatisfy { try $0.readResponse().status == 200 })
      #expect(origin.count("/slow") == 3)
    }
  }

  @Test func `L13 before the head, a fill that nobody waits for is cancelled`() throws {
    let cancelled = Gate("the proxy closed its connection")
    let origin = try MisbehavingOrigin { exchange in
      try exchange.awaitPeerClose()
      cancelled.open()
    }
    try withLarder(before: [origin]) { larder in
      let client = try larder.client()
      try client.sendRequest("/")
      try origin.awaitRequests(1)
      client.reset()  // an end of stream alone may be a half-close, by one that still waits
      try cancelled.wait()
    }
  }

  @Test func `L13 after the head, a small rest is fetched unread and stored`() throws {
    let left = Gate("the client left")
    let body = pattern(500_000)
    let origin = try MisbehavingOrigin { exchange in
      try exchange.sendHead(200, ["Cache-Control": "max-age=600", "Content-Length": "\(body.count)"])
      try exchange.send(Array(body[..<1000]))
      try left.wait()
      try exchange.send(Array(body[1000...]))
    }
    try withLarder(before: [origin]) { larder in
      let client = try larder.client()
      try client.sendRequest("/")
      _ = try client.readFinalHead()
      client.reset()
      try larder.settle()
      left.open()
      // Whether it joins the end of the fill or finds it stored: no second fetch.
      #expect(try larder.fetch("/").body == body)
      #expect(try larder.fetch("/").cacheStatus == "HIT")
      #expect(origin.requests.count == 1)
    }
  }

  @Test func `L13 after the head, a large rest that nobody reads is not fetched`() throws {
    let cancelled = Gate("the proxy closed its connection")
    let origin = try MisbehavingOrigin { exchange in
      let length = 64 << 20
      try exchange.sendHead(200, ["Cache-Control": "max-age=600", "Content-Length": "\(length)"])
      do {
        for _ in 0..<64 { try exchange.send(pattern(1 << 20)) }
      } catch { cancelled.open() }
      exchange.close()
    }
    try withLarder(["--memory", "256MiB", "--max-object", "128MiB"], before: [origin]) { larder in
      let client = try larder.client(receiveBuffer: 4096)
      try client.sendRequest("/")
      _ = try client.readFinalHead()
      client.reset()
      try cancelled.wait()
    }
  }
}
