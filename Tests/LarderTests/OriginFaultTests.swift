import Testing
import TestSupport

@Suite("Origins that misbehave")
struct OriginFaultTests {
  /// A response that two parsers could read differently, or none at all.
  static let garbage: [(String, String)] = [
    ("nothing HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n"), ("an empty line", "\r\n\r\n"),
    ("another version", "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    ("no version digits", "HTTP/x.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    ("a status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok"),
    ("a status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok"),
    ("a status below 100", "HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok"),
    ("a status of 600", "HTTP/1.1 600 OK\r\nContent-Length: 2\r\n\r\nok"),
    ("letters for a status", "HTTP/1.1 abc OK\r\nContent-Length: 2\r\n\r\nok"),
    ("a control byte in the reason", "HTTP/1.1 200 O\u{1}K\r\nContent-Length: 2\r\n\r\nok"),
    ("a bare LF", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
    ("a bare CR in a value", "HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 2\r\n\r\nok"),
    ("NUL in a value", "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok"),
    ("obs-fold", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok"),
    ("a space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok"),
    ("a field without a name", "HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 2\r\n\r\nok"),
    ("no colon", "HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 2\r\n\r\nok"),
    ("lengths that differ", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!"),
    ("a list of lengths that differ", "HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok!"),
    ("a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok"),
    ("a length with a sign", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok"),
    ("an empty length", "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nok"),
    ("a length past 64 bits", "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551618\r\n\r\nok"),
    (
      "both framings",
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    ),
    ("an unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok"),
    ("chunked not last", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\nok"),
    ("chunked twice", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    ("chunked in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
    ("half a head", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: "), ("nothing at all", ""),
    ("a head without an end", "HTTP/1.1 200 OK\r\nX: \(String(repeating: "y", count: 200_000))"),
    ("a thousand fields", "HTTP/1.1 200 OK\r\n\(String(repeating: "X: y\r\n", count: 1000))\r\n"),
  ]

  @Test func `an ambiguous or broken response is a 502 of ours, nothing of it gets through`() throws {
    let origin = try MisbehavingOrigin()
    for (index, row) in Self.garbage.enumerated() {
      origin.on("/\(index)") { exchange in
        try exchange.send(row.1)
        exchange.close()
      }
    }
    origin.on("/fine") { try $0.respond(200, [:], "fine") }
    try withLarder(before: [origin]) { larder in
      let client = try larder.client()
      for (index, row) in Self.garbage.enumerated() {
        let response = try #require(try? client.fetch("/\(index)"), "\(row.0)")
        #expect(response.status == 502, "\(row.0)")
        #expect(!response.text.hasPrefix("ok") && response.fields["X"] == nil, "\(row.0)")
        #expect(try client.fetch("/fine").text == "fine", "after \(row.0)")
      }
    }
  }

  @Test(arguments: [
    "length", "chunk", "between chunks", "reset", "bad chunk", "long chunk data", "reset chunk",
  ])
  func `an origin that dies in mid-body - the client sees a cut, nothing is stored`(_ way: String) throws {
    let origin = try MisbehavingOrigin { exchange in
      if exchange.visit > 0 { return try exchange.respond(200, ["Cache-Control": "max-age=600"], "whole") }
      let length: Fields = ["Content-Length": "100"]
      let chunked: Fields = ["Transfer-Encoding": "chunked"]
      let isByLength = way == "length" || way == "reset"
      try exchange.sendHead(200, ["Cache-Control": "max-age=600"] + (isByLength ? length : chunked))
      switch way {
      case "length", "reset": try exchange.send("part")
      case "chunk", "reset chunk": try exchange.send("a\r\npart")
      case "between chunks": try exchange.send("4\r\npart\r\n")
      case "bad chunk": try exchange.send("4\r\npart\r\nzz\r\n")
      default: try exchange.send("4\r\npartpart\r\n0\r\n\r\n")
      }
      if way.hasPrefix("reset") { exchange.reset() } else { exchange.close() }
    }
    try withLarder(before: [origin]) { larder in
      let client = try larder.client()
      try client.sendRequest("/")
      var response = try client.readFinalHead()
      // What is known before the head is sent may still be a 502.
      if response.status == 200 {
        try client.readBody(of: &response)
        #expect(!response.isWhole)
        #expect(response.text.hasPrefix("part") || response.body.count < 4)
      } else {
        #expect(response.status == 502)
      }
      let second = try larder.fetch("/")
      #expect(second.text == "whole" && second.cacheStatus != "HIT")
    }
  }

  @Test func `all readers of a fill that dies see the cut`() throws {
    let die = Gate("the origin dies")
    let origin = try MisbehavingOrigin { exchange in
      try exchange.sendHead(200, ["Cache-Control": "max-age=600", "Content-Length": "100"])
      try exchange.send("part")
      try die.wait()
      exchange.reset()
    }
    try withLarder(before: [origin]) { larder in
      var readers: [(RawClient, Response)] = []
      for _ in 0..<10 {
        let client = try larder.client()
        try client.sendRequest("/")
        var response = try client.readFinalHead()
        try client.readSome(4, of: &response)
        readers.append((client, response))
      }
      #expect(origin.requests.count == 1)
      die.open()
      for (client, var response) in readers {
        try client.readBody(of: &response)
        #expect(!response.isWhole && response.text == "part")
      }
    }
  }

  @Test func `HTTP 1.0 and Connection close without a length end with the connection`() throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.send("HTTP/1.0 200 OK\r\nCache-Control: max-age=600\r\n\r\nold server")
      exchange.close()
    }
    try withLarder(before: [origin]) { larder in
      let first = try larder.fetch("/")
      #expect(first.text == "old server" && first.isWhole)
      #expect(try larder.fetch("/").cacheStatus == "HIT")
    }
  }

  @Test func `a close-delimited body that ends in a reset is cut, and not stored`() throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.sendHead(200, ["Cache-Control": "max-age=600"])
      try exchange.send(pattern(100_000))
      if exchange.visit == 0 { exchange.reset() } else { exchange.close() }
    }
    try withLarder(before: [origin]) { larder in
      let first = try larder.fetch("/")
      #expect(first.status == 502 || !first.isWhole)
      #expect(try larder.fetch("/").cacheStatus != "HIT")
    }
  }

  @Test func `bytes behind a response end that connection and are not the next answer`() throws {
    let origin = try MisbehavingOrigin { exchange in
      let forged = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
      try exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nreal\(forged)")
    }
    try withLarder(["--workers", "1"], before: [origin]) { larder in
      let client = try larder.client()
      for number in 0..<10 { #expect(try client.fetch("/\(number)").text == "real") }
    }
  }

  @Test func `204, 304 and HEAD have no body, whatever the origin says`() throws {
    let origin = try MisbehavingOrigin { exchange in
      switch exchange.target {
      case "/204": try exchange.send("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n")
      case "/304": try exchange.send("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n")
      default: try exchange.respond(200, [:], "next")
      }
    }
    try withLarder(["--workers", "1"], before: [origin]) { larder in
      let client = try larder.client()
      for target in ["/204", "/304"] {
        _ = try client.fetch(target)
        #expect(try client.fetch("/next").text == "next")
      }
    }
  }

  @Test func `a huge but allowed head passes whole`() throws {
    let value = String(repeating: "v", count: 40_000)
    let origin = try MisbehavingOrigin {
      try $0.respond(200, ["Cache-Control": "max-age=600", "X-Large": value], "p")
    }
    try withLarder(before: [origin]) { larder in
      for word in ["MISS", "HIT"] {
        let response = try larder.fetch("/")
        #expect(response.cacheStatus == word && response.fields["X-Large"] == value)
      }
    }
  }

  @Test func `a head that comes byte by byte is read like any other`() throws {
    let origin = try MisbehavingOrigin { exchange in
      let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nCache-Control: max-age=600\r\n\r\n"
      try exchange.drip(Array((text + "4;x=\"y\"\r\nbody\r\n0\r\nT: x\r\n\r\n").utf8), pieces: 1)
    }
    try withLarder(before: [origin]) { larder in
      for word in ["MISS", "HIT"] {
        let response = try larder.fetch("/")
        #expect(response.cacheStatus == word && response.text == "body" && response.fields["T"] == nil)
      }
    }
  }

  @Test func `hundreds of faults in a row leave a working proxy`() throws {
    let origin = try MisbehavingOrigin { exchange in
      switch exchange.request.headText.utf8.count % 5 {
      case 0: exchange.reset()
      case 1: exchange.close()
      case 2: try exchange.send("garbage")
      case 3: try exchange.respond(200, ["Content-Length": "999"], "short")
      default: try exchange.respond(200, [:], "fine")
      }
      exchange.close()
    }
    try withLarder(before: [origin]) { larder in
      _ = try inParallel(8) { thread in
        for number in 0..<60 {
          let path = "/\(thread)/\(String(repeating: "x", count: number))"
          let client = try larder.client()
          try client.sendRequest(path)
          _ = try client.readResponse()
          client.close()
        }
      }
      #expect(try larder.admin("/health").status == 200)
    }
  }
}
