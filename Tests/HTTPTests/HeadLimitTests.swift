import Bytes
import HTTP
import Testing

@Suite("Limits of heads")
struct HeadLimitTests {
  private let limits = HeadLimits(headBytes: 100, targetBytes: 20, fieldCount: 3)

  @Test func `a head of exactly the limit is taken, one byte more is 431`() {
    let start = "GET / HTTP/1.1\r\nHost: a\r\nB: "
    let fitting = start + String(repeating: "c", count: 100 - start.utf8.count - 4) + "\r\n\r\n"
    #expect(octets(fitting).count == 100)
    guard case .complete = parseRequest(octets(fitting), limits: limits) else {
      Issue.record("refused")
      return
    }
    let larger = octets(start + String(repeating: "c", count: 100 - start.utf8.count - 3) + "\r\n\r\n")
    expectRefusal(larger, .headTooLarge)
    #expect(RequestError.headTooLarge.status == 431)
  }

  @Test func `a target of exactly the limit is taken, one byte more is 414`() {
    let fitting = octets("GET /" + String(repeating: "a", count: 19) + " HTTP/1.1\r\nHost: a\r\n\r\n")
    guard case .complete = parseRequest(fitting, limits: limits) else {
      Issue.record("refused")
      return
    }
    let longer = octets("GET /" + String(repeating: "a", count: 20) + " HTTP/1.1\r\nHost: a\r\n\r\n")
    expectRefusal(longer, .targetTooLong)
  }

  @Test func `as many fields as the limit are taken, one more is 431`() {
    let fitting = octets("GET / HTTP/1.1\r\nHost: a\r\nB: c\r\nD: e\r\n\r\n")
    guard case .complete = parseRequest(fitting, limits: limits) else {
      Issue.record("refused")
      return
    }
    expectRefusal(octets("GET / HTTP/1.1\r\nHost: a\r\nB: c\r\nD: e\r\nF: g\r\n\r\n"), .field(.tooManyFields))
  }

  @Test func `a method that never ends is 501, and a request line that never ends is refused`() {
    expectRefusal(octets(String(repeating: "A", count: 200)), .methodTooLong)
    expectRefusal(octets("GET " + String(repeating: "/", count: 200)), .targetTooLong)
  }

  @Test func `a fault before the limit is told as the fault`() {
    let head = octets("GET / HTTP/1.1\r\nHost : a\r\nB: " + String(repeating: "c", count: 200))
    expectRefusal(head, .field(.spaceBeforeColon))
  }

  @Test func `a fault behind the limit is not looked for`() {
    let head = octets("GET / HTTP/1.1\r\nHost: a\r\nB: " + String(repeating: "c", count: 200) + "\0")
    expectRefusal(head, .headTooLarge)
  }

  @Test func `Connection may have 1024 bytes over all its lines, one more is 431`() {
    for (bytes, isTaken) in [(1024, true), (1025, false)] {
      let lines = "Connection: a\r\nConnection: " + String(repeating: "b,", count: (bytes - 1) / 2)
      let rest = String(repeating: "c", count: (bytes - 1) % 2) + "\r\n\r\n"
      let request = parseRequest(octets("GET / HTTP/1.0\r\n" + lines + rest))
      let response = parseResponse(octets("HTTP/1.1 200 OK\r\n" + lines + rest))
      if case .complete = request, case .complete = response, isTaken { continue }
      guard case .refused(.connectionOptionsTooLong, _) = request,
        case .refused(.connectionOptionsTooLong, _) = response, !isTaken
      else {
        Issue.record("\(bytes) bytes: \(request), \(response)")
        continue
      }
    }
    #expect(RequestError.connectionOptionsTooLong.status == 431)
  }

  @Test func `responses have the same limits`() {
    let start = "HTTP/1.1 200 OK\r\nB: "
    let fitting = octets(start + String(repeating: "c", count: 100 - start.utf8.count - 4) + "\r\n\r\n")
    guard case .complete = parseResponse(fitting, limits: limits) else {
      Issue.record("refused")
      return
    }
    let larger = octets(start + String(repeating: "c", count: 200))
    for size in 0...larger.count {
      let outcome = parseResponse(larger, arrivingAt: [size], limits: limits)
      #expect(outcome == .refused(.headTooLarge, at: 100))
    }
    let many = octets("HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\nE: f\r\nG: h\r\n\r\n")
    #expect(parseResponse(many, limits: limits) == .refused(.field(.tooManyFields), at: 39))
    let reason = octets("HTTP/1.1 200 " + String(repeating: "c", count: 200))
    #expect(parseResponse(reason, limits: limits) == .refused(.headTooLarge, at: 100))
  }

  /// The same error wherever the bytes are split.
  private func expectRefusal(_ head: [UInt8], _ error: RequestError) {
    for size in 0...head.count {
      guard case .refused(let found, _) = parseRequest(head, arrivingAt: [size], limits: limits) else {
        Issue.record("not refused with \(size) bytes first")
        continue
      }
      #expect(found == error)
    }
  }

  @Test func `one head value serves many messages and forgets each`() throws {
    var request = RequestHead()
    let first = octets(
      "POST http://a/b HTTP/1.0\r\nHost: c\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n")
    let second = octets("GET / HTTP/1.0\r\n\r\n")
    for _ in 0..<3 {
      for bytes in [first, second] {
        request.begin()
        let arrived = Arrived(bytes)
        defer { withExtendedLifetime(arrived) {} }
        let isComplete = unsafe try request.parse(arrived.base, count: bytes.count)
        #expect(isComplete)
        let parsed = ParsedRequest(request)
        #expect(.complete(parsed) == parseRequest(bytes))
      }
    }
  }

  @Test func `after a refusal the value can be used again`() throws {
    var request = RequestHead()
    request.begin()
    let bad = Arrived(octets("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n"))
    #expect(throws: RequestError.framing(.badContentLength)) {
      _ = unsafe try request.parse(bad.base, count: 46)
    }
    withExtendedLifetime(bad) {}
    request.begin()
    let bytes = octets("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    let good = Arrived(bytes)
    let isComplete = unsafe try request.parse(good.base, count: bytes.count)
    #expect(isComplete)
    let parsed = ParsedRequest(request)
    withExtendedLifetime(good) {}
    #expect(.complete(parsed) == parseRequest(bytes))
  }

  @Test func `a head that was persisted outlives the bytes it came from`() throws {
    var request = RequestHead()
    request.begin()
    let bytes = octets("GET /a HTTP/1.1\r\nHost: b\r\n\r\nmore")
    var arrived: Arrived? = Arrived(bytes)
    _ = try unsafe request.parse(arrived!.base, count: bytes.count)
    request.head.persist(count: request.end)
    arrived = nil
    let parsed = ParsedRequest(request)
    #expect(parsed.target == "/a")
    #expect(parsed.fields == ["Host|b"])
  }
}
