import Glibc
import Testing
import TestSupport

@Suite("Start and end of the process, L30")
struct DrainTests {
  @Test func `L30 SIGTERM lets requests in flight finish, then ends with 0`() throws {
    let gate = Gate("the head")
    let rest = Gate("the rest of a body")
    let origin = try MisbehavingOrigin { exchange in
      if exchange.target == "/body" {
        try exchange.sendHead(200, ["Content-Length": "8"])
        try exchange.send("half")
        try rest.wait()
        return try exchange.send("half")
      }
      try gate.wait()
      try exchange.respond(200, [:], "page")
    }
    let larder = try Larder(backends: [origin.address], flags: [])
    let waiting = try larder.client()
    try waiting.sendRequest("/head")
    let reading = try larder.client()
    try reading.sendRequest("/body")
    var response = try reading.readFinalHead()
    try origin.awaitRequests(2)
    larder.process.send(signal: SIGTERM)
    try eventually("readiness to fail") { (try? larder.admin("/ready").status) ?? 503 == 503 }
    gate.open()
    rest.open()
    let answer = try waiting.readResponse()
    #expect(answer.text == "page" && answer.fields["Connection"]?.lowercased() == "close")
    #expect(try waiting.isEnded())
    try reading.readBody(of: &response)
    #expect(response.text == "halfhalf" && response.isWhole)
    waiting.close()
    reading.close()
    #expect(try larder.process.awaitExit().status == 0)
  }

  @Test(arguments: [SIGTERM, SIGINT])
  func `L30 without requests it ends at once, idle connections are closed`(_ signal: CInt) throws {
    let origin = try MisbehavingOrigin { try $0.respond(200, [:], "page") }
    let larder = try Larder(backends: [origin.address], flags: [])
    let idle = try larder.client()
    _ = try idle.fetch("/")
    let untouched = try larder.client()
    try larder.settle()
    larder.process.send(signal: signal)
    #expect(try idle.isEnded())
    #expect(try untouched.isEnded())
    idle.close()
    untouched.close()
    #expect(try larder.process.awaitExit(seconds: 5).status == 0)
  }

  @Test func `L30 a second signal ends at once`() throws {
    let never = Gate("nothing opens this")
    let origin = try MisbehavingOrigin { _ in try never.wait() }
    let larder = try Larder(backends: [origin.address], flags: [])
    let waiting = try larder.client()
    try waiting.sendRequest("/")
    try origin.awaitRequests(1)
    larder.process.send(signal: SIGTERM)
    try eventually("readiness to fail") { (try? larder.admin("/ready").status) ?? 503 == 503 }
    #expect(larder.process.exitNow == nil)
    larder.process.send(signal: SIGTERM)
    _ = try larder.process.awaitExit(seconds: 3)
    never.open()
  }

  @Test func `L30 --drain-timeout bounds the waiting`() throws {
    let never = Gate("nothing opens this")
    let origin = try MisbehavingOrigin { _ in try never.wait() }
    let larder = try Larder(backends: [origin.address], flags: ["--drain-timeout", "300ms"])
    let waiting = try larder.client()
    try waiting.sendRequest("/")
    try origin.awaitRequests(1)
    larder.process.send(signal: SIGTERM)
    _ = try larder.process.awaitExit(seconds: 5)
    never.open()
  }

  @Test func `L30 during --drain-delay new connections are served, and told to close`() throws {
    let origin = try MisbehavingOrigin { try $0.respond(200, [:], "page") }
    let larder = try Larder(backends: [origin.address], flags: ["--drain-delay", "1500ms"])
    larder.process.send(signal: SIGTERM)
    try eventually("readiness to fail") { try larder.admin("/ready").status == 503 }
    let answer = try larder.fetch("/")
    #expect(answer.text == "page" && answer.fields["Connection"]?.lowercased() == "close")
    #expect(try larder.process.awaitExit().status == 0)
  }

  @Test func `L30 no accepted request is lost, with clients that ask all the time`() throws {
    let origin = try MisbehavingOrigin { try $0.respond(200, ["Cache-Control": "max-age=600"], "page") }
    let larder = try Larder(backends: [origin.address], flags: [])
    _ = try larder.fetch("/")
    let started = Watched(0)
    let clients = (0..<6).map { _ in
      Task {
        while true {
          // Refused: the listener is closed, which is no loss. An accepted request must be answered in full.
          guard let client = try? larder.client() else { return "refused" }
          defer { client.close() }
          do {
            try client.sendRequest("/")
            let response = try client.readResponse()
            guard response.text == "page", response.isWhole else { return "\(response)" }
          } catch SupportError.peerReset {
            return "refused"  // it stood in the backlog of a listener that was closed
          } catch {
            return "\(error)"
          }
          started.update { $0 += 1 }
        }
      }
    }
    _ = try started.wait(for: "some requests") { $0 > 300 ? true : nil }
    larder.process.send(signal: SIGTERM)
    for client in clients {
      let end = try client.value()
      #expect(end == "refused")
    }
    #expect(try larder.process.awaitExit().status == 0)
  }

  @Test(arguments: 1...3)
  func `R10 100 requests and 20 long downloads in flight, under load: none is lost, exit status 0`(
    _ round: Int
  )
    throws
  {
    let heads = Gate("the heads")
    let rests = Gate("the rests of the bodies")
    let body = pattern(4 << 20)
    let origin = try MisbehavingOrigin { exchange in
      switch exchange.target.prefix(5) {
      case "/head": try heads.wait(seconds: 30)
      case "/body":
        try exchange.sendHead(200, ["Content-Length": "\(body.count)"])
        try exchange.send(Array(body[..<1000]))
        try rests.wait(seconds: 30)
        return try exchange.send(Array(body[1000...]))
      default: break
      }
      try exchange.respond(200, ["Cache-Control": "max-age=600"], "page")
    }
    let larder = try Larder(backends: [origin.address], flags: [])
    let load = Load(larder)
    let requests = try (0..<100).map { number in
      let client = try larder.client(timeout: 30)
      try client.sendRequest("/head\(number)")
      return client
    }
    let downloads = try (0..<20).map { number in
      let client = try larder.client(timeout: 30, receiveBuffer: 16 << 10)
      try client.sendRequest("/body\(number)")
      return (client, try client.readFinalHead())
    }
    for number in 0..<100 { try origin.awaitRequests(1, for: "/head\(number)") }
    try load.awaitAnswers(100)
    larder.process.send(signal: SIGTERM)
    // Half of them while it still accepts, half of them after it.
    if round % 2 == 0 { try eventually("the listener to be closed") { (try? larder.client()) == nil } }
    heads.open()
    for client in requests {
      let answer = try client.readResponse()
      #expect(answer.text == "page" && answer.isWhole)
      client.close()
    }
    rests.open()
    for (client, head) in downloads {
      var response = head
      try client.readBody(of: &response)
      #expect(response.isWhole && response.body == body)
      client.close()
    }
    #expect(try larder.process.awaitExit().status == 0)
    _ = load.stop()
  }

  @Test func `writing to a client that left does not end the process`() throws {
    let origin = try MisbehavingOrigin {
      try $0.respond(200, ["Cache-Control": "no-store"], pattern(3 << 20))
    }
    try withLarder(before: [origin]) { larder in
      for _ in 0..<20 {
        let client = try larder.client()
        try client.sendRequest("/")
        client.close()
      }
      #expect(try larder.fetch("/").body.count == 3 << 20)  // SIGPIPE is ignored
    }
  }

  @Test func `without a backend the demo origin is started, and said`() throws {
    try withLarder([], backends: []) { larder throws in
      let text = larder.process.standardOutput + larder.process.standardError
      #expect(text.lowercased().contains("demo"))
      #expect(try larder.fetch("/").status == 200)
      #expect(try larder.fetch("/").cacheStatus == "HIT")
    }
  }

  @Test func `demo-origin serves on its own`() throws {
    let process = try LarderProcess(arguments: ["demo-origin", "--listen", "127.0.0.1:0"])
    let port = try process.awaitLine("its address") { Larder.port(in: $0) }
    let client = try RawClient(port: port)
    #expect(try client.fetch("/").status == 200)
    client.close()
    #expect(try process.stop().status == 0)
  }
}
