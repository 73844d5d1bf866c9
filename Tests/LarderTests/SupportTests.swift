import Testing
import TestSupport

/// The test's own two ends against each other: what they report about the proxy can then be believed.
@Suite("Client and origin of the tests")
struct SupportTests {
  @Test func `a whole response is read by length, by chunks and by close`() throws {
    let origin = try MisbehavingOrigin()
    origin.on("/length") { try $0.respond(200, ["A": "1", "A": "2"], "body") }
    origin.on("/chunked") { exchange in
      try exchange.sendHead(200, ["Transfer-Encoding": "chunked"])
      try exchange.sendChunk(pattern(5000))
      try exchange.sendChunk([1, 2, 3])
      try exchange.endChunks()
    }
    origin.on("/close") { exchange in
      try exchange.sendHead(200, ["Connection": "close"])
      try exchange.send("to the end")
      exchange.close()
    }
    let client = try RawClient(port: origin.port)
    let first = try client.fetch("/length")
    #expect(first.text == "body" && first.framing == .length(4) && first.fields["a"] == "1, 2")
    let second = try client.fetch("/chunked")
    #expect(second.body == pattern(5000) + [1, 2, 3] && second.framing == .chunked)
    let third = try client.fetch("/close")
    #expect(third.text == "to the end" && third.framing == .untilClose && third.isWhole)
    #expect(origin.connectionCount == 1)
    #expect(origin.requests.map(\.target) == ["/length", "/chunked", "/close"])
  }

  @Test func `a cut, a reset and a wrong framing are seen`() throws {
    let origin = try MisbehavingOrigin()
    origin.on("/cut") { exchange in
      try exchange.respond(200, ["Content-Length": "10"], "four")
      exchange.close()
    }
    origin.on("/cut-chunk") { exchange in
      try exchange.sendHead(200, ["Transfer-Encoding": "chunked"])
      try exchange.send("8\r\nfour")
      exchange.close()
    }
    origin.on("/reset") { exchange in
      try exchange.respond(200, ["Content-Length": "10"], "four")
      exchange.reset()
    }
    origin.on("/both") { exchange in
      try exchange.sendHead(200, ["Transfer-Encoding": "chunked", "Content-Length": "4"])
    }
    for target in ["/cut", "/cut-chunk", "/reset"] {
      let response = try RawClient(port: origin.port).fetch(target)
      #expect(!response.isWhole, "\(target)")
    }
    #expect(throws: SupportError.self) { try RawClient(port: origin.port).fetch("/both") }
  }

  @Test func `the origin records heads and bodies byte for byte`() throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.readBody()
      try exchange.respond(200, [:], "ok")
    }
    let client = try RawClient(port: origin.port)
    let head = "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    try client.send(head + "3\r\nabc\r\n0\r\n\r\n")
    #expect(try client.readResponse().text == "ok")
    let request = try #require(origin.requests.first)
    #expect(request.headText == head)
    #expect(request.rawBody == Array("3\r\nabc\r\n0\r\n\r\n".utf8))
    #expect(request.body == Array("abc".utf8))
  }

  @Test func `interim responses come apart from the final one`() throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n")
      try exchange.respond(200, [:], "ok")
    }
    let response = try RawClient(port: origin.port).fetch("/")
    #expect(response.interim.map(\.status) == [103, 102])
    #expect(response.text == "ok")
  }
}
