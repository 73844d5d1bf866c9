import Testing
import TestSupport

/// S1, class by class. Nothing may reach the origin that two parsers could split differently.
@Suite("Requests that smuggle another, S1")
struct SmugglingTests {
  private static let smuggled = Attack.smuggled
  private static let chunkedEnd = "0\r\n\r\n"
  private static func request(_ fields: String, _ body: String = "", method: String = "POST") -> String {
    Attack.request(fields, body, method: method)
  }

  /// `Transfer-Encoding` in forms of which one parser makes chunks and another nothing.
  private static let hiddenCodings = [
    "Transfer-Encoding : chunked", "Transfer-Encoding\t: chunked", " Transfer-Encoding: chunked",
    "\tTransfer-Encoding: chunked", "X: x\nTransfer-Encoding: chunked", "X: x\rTransfer-Encoding: chunked",
    "X: x\r\rTransfer-Encoding: chunked", "Transfer-Encoding\n: chunked", "Transfer-Encoding\r\n: chunked",
    "Transfer-Encoding:\r\n chunked", "Transfer-Encoding: chunked\r\n x", "Transfer-Encoding:\n chunked",
    "Transfer-Encoding\0: chunked", "\u{a0}Transfer-Encoding: chunked", "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding: 'chunked'", "Transfer-Encoding: chunked,", "Transfer-Encoding: ,chunked",
    "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: chunked chunked",
    "Transfer-Encoding: chunked, identity", "Transfer-Encoding: identity, chunked",
    "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked;a=b", "Transfer-Encoding: chunked ;",
    "Transfer-Encoding: \u{b}chunked", "Transfer-Encoding: chunked\u{c}", "Transfer-Encoding: \0chunked",
    "Transfer-Encoding: \u{85}chunked", "Transfer-Encoding: \u{a0}chunked",
    "Transfer-Encoding: chun\u{212a}ed",
    "Transfer-Encoding: xchunked", "Transfer-Encoding: chunk", "Transfer-Encoding: x", "Transfer-Encoding:",
    "Transfer-Encoding: identity", "Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
    "Transfer-Encoding: x\r\nTransfer-Encoding: chunked", "Transfer-Encoding:\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
  ]

  @Test func `S1 TE.TE - a coding that one parser sees and another does not is refused`() throws {
    let body = Self.chunkedEnd + Self.smuggled
    try check(
      Self.hiddenCodings.flatMap { coding in
        [
          Attack(Self.request(coding, body), .refused([400, 501]), because: "\(coding.debugDescription)"),
          Attack(
            Self.request("\(coding)\r\nContent-Length: \(body.utf8.count)", body), .refused([400, 501]),
            because: "\(coding.debugDescription) behind a length"),
          Attack(
            Self.request("Content-Length: \(body.utf8.count)\r\n\(coding)", body), .refused([400, 501]),
            because: "\(coding.debugDescription) before a length"),
        ]
      })
  }

  @Test func `S1 CL.TE and TE.CL - both framings at once are refused`() throws {
    let length = Self.chunkedEnd.utf8.count + Self.smuggled.utf8.count
    let chunk = "\(String(Self.smuggled.utf8.count, radix: 16))\r\n\(Self.smuggled)\r\n0\r\n\r\n"
    let both = ["Content-Length: \(length)", "Transfer-Encoding: chunked"]
    try check([
      Attack(
        Self.request(both.joined(separator: "\r\n"), Self.chunkedEnd + Self.smuggled), .refused([400]),
        because: "CL.TE"),
      Attack(
        Self.request(both.reversed().joined(separator: "\r\n"), Self.chunkedEnd + Self.smuggled),
        .refused([400]), because: "CL.TE, turned"),
      Attack(
        Self.request("Content-Length: 4\r\nTransfer-Encoding: chunked", chunk), .refused([400]),
        because: "TE.CL"),
      Attack(
        Self.request("Content-Length: 0\r\nTransfer-Encoding: chunked", chunk), .refused([400]),
        because: "TE.0 with a length of nothing"),
      Attack(
        Self.request("content-length: 5\r\nTRANSFER-ENCODING: CHUNKED", Self.chunkedEnd + Self.smuggled),
        .refused([400]), because: "case does not hide one"),
      Attack(
        "POST / HTTP/1.0\r\n\(Attack.host)Transfer-Encoding: chunked\r\n\r\n\(chunk)", .refused([400]),
        because: "chunks in HTTP/1.0"),
      Attack(
        "POST / HTTP/1.0\r\n\(Attack.host)Connection: keep-alive\r\nContent-Length: 4\r\n"
          + "Transfer-Encoding: chunked\r\n\r\n\(chunk)", .refused([400]), because: "both in HTTP/1.0"),
      Attack(
        "GET / HTTP/1.0\r\n\(Attack.host)Transfer-Encoding: chunked\r\n\r\n", .refused([400]),
        because: "a GET of HTTP/1.0 with chunks"),
    ])
  }

  @Test func `S1 lengths that are no single plain number are refused`() throws {
    let count = Self.smuggled.utf8.count
    let lengths = [
      "Content-Length: \(count)\r\nContent-Length: 0", "Content-Length: 0\r\nContent-Length: \(count)",
      "Content-Length: \(count)\r\nContent-Length: \(count)", "Content-Length: \(count), \(count)",
      "Content-Length: 0, \(count)", "Content-Length: \(count),", "Content-Length: +\(count)",
      "Content-Length: -\(count)", "Content-Length: 0\(count)", "Content-Length: 0x2a", "Content-Length: 1e1",
      "Content-Length: 4 2", "Content-Length: 4_2", "Content-Length: \"\(count)\"",
      "Content-Length: \(count);",
      "Content-Length: \u{b}\(count)", "Content-Length: \(count)\u{c}", "Content-Length: \0\(count)",
      "Content-Length: \u{a0}\(count)", "Content-Length: \u{ff14}\u{ff12}", "Content-Length:",
      "Content-Length: -0", "Content-Length: 18446744073709551658", "Content-Length: 9223372036854775808",
      "Content-Length: 99999999999999999999999999999999", "Content-Length : \(count)",
      "Content-Length\t: \(count)", "Content-Length\0: \(count)", "\u{a0}Content-Length: \(count)",
      "Content-Length\r\n: \(count)", "Content-Length:\r\n \(count)", "Content-Length: 0\r\n \(count)",
      "X: x\nContent-Length: \(count)", "X: x\rContent-Length: \(count)",
    ]
    try check(
      lengths.flatMap { length in
        ["GET", "POST"].map { method in
          Attack(
            Self.request(length, Self.smuggled, method: method), .refused([400, 413]),
            because: "\(method) with \(length.debugDescription)")
        }
      })
  }

  @Test func `S1 CL.0 - a body is never taken for a request, whatever the method`() throws {
    let length = "Content-Length: \(Self.smuggled.utf8.count)"
    let size = String(Self.smuggled.utf8.count, radix: 16)
    try check(
      ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH"].flatMap { method in
        [
          Attack(
            Self.request(length, Self.smuggled, method: method), .passes(["\(method) /"]),
            because: "\(method) with a length"),
          Attack(
            Self.request(
              "Transfer-Encoding: chunked", "\(size)\r\n\(Self.smuggled)\r\n0\r\n\r\n", method: method),
            .passes(["\(method) /"]), because: "\(method) with chunks"),
        ]
      })
  }

  @Test func `S1 0.CL - what only looks like a framing field is not passed on`() throws {
    try check([
      Attack(
        Self.request(
          "Content_Length: 44", Self.smuggled.replacing("smuggled", with: "second"), method: "GET"),
        .passes(["GET /", "GET /second"]), because: "an underscore in Content-Length"),
      Attack(
        Self.request("Content-Length: 5\r\nTransfer_Encoding: chunked", Self.chunkedEnd), .passes(["POST /"]),
        because: "an underscore in Transfer-Encoding"),
      Attack(
        Self.request("Content-Length: 5\r\nTE: chunked,\r\nContent-Encoding: chunked", "hello"),
        .passes(["POST /"]), because: "TE and Content-Encoding frame nothing"),
    ])
  }

  @Test func `S1 Expect - a body that is announced and comes, or does not, is never a request`() throws {
    let length = "Content-Length: \(Self.smuggled.utf8.count)"
    try check([
      Attack(
        Self.request("Expect: 100-continue\r\n\(length)", Self.smuggled), .passes(["POST /"]),
        because: "the body comes at once"),
      Attack(
        Self.request("Expect: 100-continue\r\n\(length)", Self.smuggled, method: "GET"), .passes(["GET /"]),
        because: "a GET that expects"),
      Attack(
        "POST / HTTP/1.0\r\n\(Attack.host)Expect: 100-continue\r\n\(length)\r\n\r\n\(Self.smuggled)",
        .passes(["POST /"]), because: "HTTP/1.0 has no expectations"),
      Attack(
        Self.request("Expect: 100-continue", method: "GET"), .passes(["GET /"]),
        because: "an expectation without a body"),
      Attack(
        Self.request("Expect: y 100-continue\r\n\(length)", Self.smuggled), .refused([417]),
        because: "half an expectation"),
      Attack(
        Self.request("Expect: 100-continue, 100-continue\r\n\(length)", Self.smuggled), .refused([417]),
        because: "two expectations"),
      Attack(
        Self.request("Expect: 100-continue\r\nExpect: x\r\n\(length)", Self.smuggled), .refused([417]),
        because: "two lines of them"),
      Attack(
        Self.request("Expect:\r\n 100-continue\r\n\(length)", Self.smuggled), .refused([400]),
        because: "a folded one"),
      Attack(
        Self.request("Expect : 100-continue\r\n\(length)", Self.smuggled), .refused([400]),
        because: "a space before its colon"),
    ])
  }

  @Test func `S1 framing fields that Connection names stay what they are`() throws {
    let length = "Content-Length: \(Self.smuggled.utf8.count)"
    let size = String(Self.smuggled.utf8.count, radix: 16)
    try check([
      Attack(
        Self.request("Connection: Content-Length\r\n\(length)", Self.smuggled), .passes(["POST /"]),
        because: "Content-Length"),
      Attack(
        Self.request(
          "Connection: keep-alive, Transfer-Encoding\r\nTransfer-Encoding: chunked",
          "\(size)\r\n\(Self.smuggled)\r\n0\r\n\r\n"), .passes(["POST /"]), because: "Transfer-Encoding"),
      Attack(
        Self.request("Connection: Host, Connection", method: "GET"), .passes(["GET /"]), because: "Host"),
    ])
  }

  @Test func `S1 pipelined leftovers are requests of their own, or nothing`() throws {
    let second = "GET /second HTTP/1.1\r\nHost: a.test\r\n\r\n"
    try check([
      Attack(
        Self.request("Content-Length: 5", "hello" + second), .passes(["POST /", "GET /second"]),
        because: "a request behind a body"),
      Attack(
        Self.request("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n" + second),
        .passes(["POST /", "GET /second"]), because: "a request behind chunks"),
      Attack(
        Self.request("Connection: close", Self.smuggled, method: "GET"), .passes(["GET /"]),
        because: "what comes behind the last request is not looked at"),
      Attack(
        "GET / HTTP/1.0\r\n\(Attack.host)\r\n\(Self.smuggled)", .passes(["GET /"]),
        because: "HTTP/1.0 ends with its response"),
      Attack(
        Self.request("Connection: close\r\nContent-Length: 5", "hello" + Self.smuggled), .passes(["POST /"]),
        because: "the same behind a body"),
    ])
    // A fault behind a good request: that one is answered, the rest is refused.
    let origin = try MisbehavingOrigin { try $0.respond(200, [:], try $0.readBody()) }
    try withLarder(before: [origin]) { larder in
      for fault in ["xGET /smuggled", "\u{0}", "x\r\n\(Self.smuggled)", "0\r\n\r\n\(Self.smuggled)", "\n"] {
        let client = try larder.send(Self.request("Content-Length: 5", "hello\(fault)\r\n\r\n"))
        #expect(try client.readResponse(to: "POST").text == "hello")
        #expect(try client.readResponse().status == 400, "\(fault.debugDescription)")
        #expect(try client.isEnded())
      }
    }
    #expect(origin.count("/smuggled") == 0)
  }
}
