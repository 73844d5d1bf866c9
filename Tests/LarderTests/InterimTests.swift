import Testing
import TestSupport

@Suite("1xx and Expect, L28")
struct InterimTests {
  private let hint = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"

  @Test func `L28 1xx go to every waiting HTTP 1.1 client, not to HTTP 1.0, and not from the cache`() throws {
    let hints = Gate("the hints")
    let final = Gate("the final head")
    let origin = try MisbehavingOrigin { [hint] exchange in
      try hints.wait()
      try exchange.send(hint + "HTTP/1.1 102 Processing\r\n\r\n")
      try final.wait()
      try exchange.respond(200, ["Cache-Control": "max-age=600"], "page")
    }
    try withLarder(before: [origin]) { larder in
      let modern = try (0..<8).map { _ in
        let client = try larder.client()
        try client.sendRequest("/")
        return client
      }
      let old = try larder.client()
      try old.send("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n")
      try larder.settle()
      hints.open()
      for client in modern {
        let early = try client.readHead()  // before the final head is there
        #expect(early.status == 103 && early.fields["Link"] == "</style.css>; rel=preload")
      }
      final.open()
      for client in modern {
        let response = try client.readResponse()
        #expect(response.interim.map(\.status) == [102] && response.text == "page")
      }
      let plain = try old.readResponse()
      #expect(plain.interim.isEmpty && plain.text == "page")
      #expect(origin.requests.count == 1)  // whichever worker they are on
      #expect(try larder.fetch("/").interim.isEmpty)
    }
  }

  @Test func `L28 of a flood of 1xx at most 16 are passed on`() throws {
    let origin = try MisbehavingOrigin { [hint] exchange in
      for _ in 0..<200 { try exchange.send(hint) }
      try exchange.respond(200, [:], "page")
    }
    try withLarder(before: [origin]) { larder in
      let response = try larder.fetch("/")
      #expect(response.interim.count <= 16)
      #expect((response.status == 200 && response.text == "page") || response.status == 502)
      #expect(response.status == 502 || response.interim.count == 16)
    }
  }

  @Test func `an endless flood of 1xx ends with 502 or 504, not with memory`() throws {
    let origin = try MisbehavingOrigin { [hint] exchange in
      while true { try exchange.send(hint) }
    }
    try withLarder(["--first-byte-timeout", "500ms"], before: [origin]) { larder in
      let response = try larder.fetch("/")
      #expect([502, 504].contains(response.status) && response.interim.count <= 16)
    }
  }

  @Test func `a 101 that nobody asked for is a 502`() throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
      try exchange.awaitPeerClose()
    }
    try withLarder(before: [origin]) { larder in
      let response = try larder.fetch("/")
      #expect(response.status == 502)
    }
  }

  @Test func `L28 Expect is answered by us when the body is wanted`() throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.respond(200, [:], try exchange.readBody())
    }
    try withLarder(before: [origin]) { larder in
      let client = try larder.client()
      try client.send("POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
      let interim = try client.readHead()
      #expect(interim.status == 100)
      try client.send("hello")
      #expect(try client.readResponse().text == "hello")
      #expect(try client.fetch("/after", method: "POST", body: [65]).text == "A")  // the connection goes on
    }
  }

  @Test func `L28 an early final status to Expect ends or drains, and the next request is not mistaken`()
    throws
  {
    let origin = try MisbehavingOrigin()
    try withLarder(["--max-body", "10"], before: [origin]) { larder in
      let client = try larder.client()
      let head = "POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 50\r\n\r\n"
      try client.send(head)
      let response = try client.readResponse(to: "POST")
      #expect(response.status == 413)
      #expect(response.interim.isEmpty)  // the length was known, the body is not asked for
      #expect(try client.isEnded())
      #expect(origin.requests.isEmpty)
    }
  }

  @Test func `an expectation that is not understood is refused with 417`() throws {
    let origin = try MisbehavingOrigin { try $0.respond(200, [:], "page") }
    try withLarder(before: [origin]) { larder throws in
      #expect(try larder.fetch("/", method: "POST", fields: ["Expect": "magic"], body: [1]).status == 417)
    }
  }
}
