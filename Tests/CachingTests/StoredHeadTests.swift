import Bytes
import Caching
import HTTP
import Testing

private func stored(_ fields: [String], status: UInt16 = 200) throws -> String {
  try withResponse(fields, status: Int(status)) { response in
    let directives = ResponseDirectives.parse(from: response)
    return written {
      writeStoredHead(status: status, response: response, directives: directives, wallTime: noon, to: &$0)
    }
  }
}

private func merged(_ head: String, _ fields: [String], keepsCookies: Bool = false) throws -> String {
  try withResponse(fields, status: 304) { update in
    written {
      mergedHead(stored: octets(head).span, update304: update, keepsCookies: keepsCookies, to: &$0)
    }
  }
}

private func lines(_ first: String, _ fields: [String]) -> String {
  ([first] + fields).map { $0 + "\r\n" }.joined()
}

@Suite("Stored heads, RFC 9111 §3.1, 3.2 and 4.3.4")
struct StoredHeadTests {
  private static let sent = "Date: " + date(0)

  @Test func `end-to-end fields are stored as they came`() throws {
    let fields = [
      Self.sent, "X-own: a  b", "Cache-Control: max-age=1", "ETag: \"\u{fc}\"", "Set-Cookie: a=b",
      "Set-Cookie: c=d",
      "Content-Encoding: gzip", "Cache-Status: inner; hit", "Empty: ",
    ]
    #expect(try stored(fields) == lines("HTTP/1.1 200 OK", fields))
  }

  @Test(
    arguments: [
      (["Age: 5"], "§5.1: stated anew"),
      (["Content-Length: 0"], "stated anew"),
      (["X-Cache-Status: HIT"], "L18: ours"),
      (["Connection: a, b", "a: 1", "B: 2"], "§3.1: named by Connection"),
      (["Connection: close", "Keep-Alive: timeout=5"], "§3.1"),
      (["Proxy-Connection: x"], "§3.1"),
      (["TE: x"], "§3.1"),
      (["Upgrade: h2c", "Connection: upgrade"], "§3.1"),
      (["Proxy-Authenticate: Basic"], "§3.1"),
      (["Transfer-Encoding: chunked"], "§3.1"),
    ] as [([String], Comment)])
  func `is not stored`(_ fields: [String], _ reason: Comment) throws {
    #expect(try stored([Self.sent] + fields) == lines("HTTP/1.1 200 OK", [Self.sent]), reason)
  }

  @Test func `RFC 9111 §5.2.2.4, 5.2.2.7: withheld fields are not stored`() throws {
    let control = "Cache-Control: no-cache=\"a, b\", private=c"
    let fields = [Self.sent, control, "A: 1", "b: 2", "B: 3", "C: 4", "d: 5"]
    #expect(try stored(fields) == lines("HTTP/1.1 200 OK", [Self.sent, control, "d: 5"]))
  }

  @Test func `RFC 9110 §6.6.1: a missing Date is added, a bad one kept`() throws {
    #expect(try stored([]) == lines("HTTP/1.1 200 OK", ["Date: Sun, 15 Jun 2025 12:00:00 GMT"]))
    #expect(try stored(["Date: x"]) == lines("HTTP/1.1 200 OK", ["Date: x"]))
  }

  @Test func `the status is the response's`() throws {
    #expect(try stored([Self.sent], status: 404).hasPrefix("HTTP/1.1 404 Not Found\r\n"))
    #expect(try stored([Self.sent], status: 599).hasPrefix("HTTP/1.1 599 "))
  }

  private static let old = [
    "Date: " + date(-60), "ETag: \"a\"", "X-Own: 1", "x-own: 2", "Cache-Control: max-age=2",
    "Content-Encoding: gzip", "Vary: Accept", "Content-Type: text/plain",
  ]
  private static let oldHead = lines("HTTP/1.1 200 OK", old)

  @Test func `a 304's fields replace all stored lines of their names`() throws {
    let update = ["Date: " + date(0), "X-OWN: 3", "X-New: 4", "Content-Type: text/html"]
    #expect(
      try merged(Self.oldHead, update)
        == lines(
          "HTTP/1.1 200 OK",
          ["ETag: \"a\"", "Cache-Control: max-age=2", "Content-Encoding: gzip", "Vary: Accept"] + update))
  }

  @Test(
    arguments: [
      (["Content-Length: 7"], "§3.2"),
      (["Content-Encoding: br"], "the stored bytes stay as they are"),
      (["Content-Range: bytes 0-1/2"], "the stored bytes stay as they are"),
      (["Vary: Other"], "its place in the index stays"),
      (["Age: 5"], "§5.1: stated anew"),
      (["Connection: x-own", "X-Own: 9"], "§3.1: named by Connection"),
      (["Set-Cookie: a=b"], "L17: it is for one client"),
      (["X-Cache-Status: HIT"], "L18: ours"),
    ] as [([String], Comment)])
  func `is not taken from a 304`(_ fields: [String], _ reason: Comment) throws {
    #expect(try merged(Self.oldHead, fields) == Self.oldHead, reason)
  }

  @Test func `strict: cookies are taken from a 304`() throws {
    #expect(
      try merged(Self.oldHead, ["Set-Cookie: a=b"], keepsCookies: true).hasSuffix("Set-Cookie: a=b\r\n"))
  }

  @Test func `withheld fields stay out of a merge`() throws {
    let head = lines("HTTP/1.1 200 OK", ["Cache-Control: private=\"x\""])
    #expect(try merged(head, ["X: 1"]) == head)
    let update = "Cache-Control: no-cache=\"X-Own\""
    #expect(try !merged(Self.oldHead, [update, "X-Own: 3"]).lowercased().contains("x-own:"))
  }

  @Test func `a merge can be merged again`() throws {
    let once = try merged(Self.oldHead, ["X-Own: 3"])
    #expect(try merged(once, ["X-Own: 4"]) == once.replacing("X-Own: 3", with: "X-Own: 4"))
  }

  @Test func `RFC 9110 §15.4.5: a 304 does not describe a body`() {
    let head = octets(Self.oldHead)
    #expect(
      written { write304Head(stored: head.span, to: &$0) }
        == lines(
          "HTTP/1.1 304 Not Modified",
          Self.old.filter { !$0.hasPrefix("Content-") }))
  }

  @Test func `RFC 9110 §15.3.7: a 206 states its part`() {
    let head = octets(Self.oldHead)
    #expect(
      written { write206Head(stored: head.span, part: 2..<5, of: 10, to: &$0) }
        == lines("HTTP/1.1 206 Partial Content", Self.old + ["Content-Range: bytes 2-4/10"]))
  }

  @Test func `RFC 9110 §15.5.17: a 416 states the length`() {
    #expect(
      written { write416Head(length: 10, wallTime: noon, to: &$0) }
        == lines("HTTP/1.1 416 Range Not Satisfiable", [Self.sent, "Content-Range: bytes */10"]))
  }

  @Test func `facts are found in a stored head`() {
    let modified = "Last-Modified: " + date(-600)
    let head = octets(lines("HTTP/1.1 200 OK", [Self.sent, "etag: W/\"a\"", modified, "Content-Type: a/b"]))
    let facts = HeadFacts(head.span)
    #expect(facts.etag.map { text(head.span.extracting($0)) } == "W/\"a\"")
    #expect(facts.lastModifiedText.map { text(head.span.extracting($0)) } == date(-600))
    #expect(facts.lastModified == noon - 600)
    #expect(facts.date == noon)
    #expect(facts.modified == noon - 600)
    #expect(facts.contentType.map { text(head.span.extracting($0)) } == "a/b")
    #expect(facts.hasValidator)
  }

  @Test func `no facts, and RFC 9111 §4.3.2: Date stands in for Last-Modified`() {
    let head = octets(lines("HTTP/1.1 200 OK", [Self.sent]))
    let facts = HeadFacts(head.span)
    #expect(!facts.hasValidator)
    #expect(facts.modified == noon)
    #expect(HeadFacts(Span()).modified == nil)
  }
}

@Suite("Confirmed responses, RFC 9111 §4.3.4")
struct ConfirmedTests {
  private static func verdict(_ old: [String], _ update: [String]) throws -> Storability {
    try withResponse(update, status: 304) { update in
      let head = written {
        mergedHead(stored: octets(lines("HTTP/1.1 200 OK", old)).span, update304: update, to: &$0)
      }
      return try withResponse(head.split(separator: "\r\n").dropFirst().map { String($0) }) { merged in
        storabilityOfConfirmed(
          request: [], status: 200, merged: merged, update304: update, requestTime: noon, responseTime: noon,
          wallTime: noon, options: CachingOptions())
      }
    }
  }

  private static func lifetime(_ verdict: Storability) -> UInt32? {
    guard case .storable(let freshness) = verdict else { return nil }
    return freshness.lifetime
  }

  private static let old = ["Date: " + date(-600), "ETag: \"a\"", "Cache-Control: max-age=30", "Vary: a, b"]

  @Test func `the stored lifetime begins anew`() throws {
    guard case .storable(let freshness) = try Self.verdict(Self.old, ["ETag: \"a\""]) else {
      Issue.record("refused")
      return
    }
    #expect(freshness.lifetime == 30)
    #expect(freshness.responseTime == noon)
    // Without a Date of its own the 304 was made just now; the stored one tells of the old response.
    #expect(freshness.initialAge == 0)
  }

  @Test func `the 304's lifetime and age count`() throws {
    let update = ["Cache-Control: max-age=90", "Age: 7", "Date: " + date(0)]
    guard case .storable(let freshness) = try Self.verdict(Self.old, update) else {
      Issue.record("refused")
      return
    }
    #expect(freshness.lifetime == 90)
    #expect(freshness.initialAge == 7)
  }

  @Test(
    arguments: [
      (["Cache-Control: no-store"], .noStore, "§3: it may no longer be stored"),
      (["Cache-Control: private"], .privateResponse, "§3: it may no longer be shared"),
      (["Vary: c"], .varyChanged, "the index would not know"),
      (["Vary: *"], .varyChanged, "the index would not know"),
    ] as [([String], Uncacheable, Comment)])
  func `the 304 may end its life`(_ update: [String], _ refusal: Uncacheable, _ reason: Comment) throws {
    #expect(try Self.verdict(Self.old, update) == .not(refusal), reason)
  }

  @Test func `a 304 may name fewer selecting fields`() throws {
    #expect(Self.lifetime(try Self.verdict(Self.old, ["Vary: A"])) == 30)
    #expect(Self.lifetime(try Self.verdict(Self.old, ["Vary: b, a"])) == 30)
  }

  @Test func `a cookie in a 304 poisons nothing`() throws {
    #expect(Self.lifetime(try Self.verdict(Self.old, ["Set-Cookie: a=b"])) == 30)
  }
}
