import Caching
import HTTP
import Testing

/// What a `ResponseDirectives` says, as text, so that a table can hold it.
private func summary(_ d: ResponseDirectives) -> String {
  var words: [String] = []
  if d.noStore { words.append("no-store") }
  if d.noCache { words.append("no-cache") }
  if d.isPrivate { words.append("private") }
  if d.isPublic { words.append("public") }
  if d.mustRevalidate { words.append("must-revalidate") }
  if d.proxyRevalidate { words.append("proxy-revalidate") }
  if d.mustUnderstand { words.append("must-understand") }
  if let n = d.maxAge { words.append("max-age=\(n)") }
  if let n = d.sMaxAge { words.append("s-maxage=\(n)") }
  if let n = d.staleWhileRevalidate { words.append("swr=\(n)") }
  if let n = d.staleIfError { words.append("sie=\(n)") }
  if !d.withheldFields.isEmpty {
    words.append("without " + String(decoding: d.withheldFields, as: UTF8.self))
  }
  if d.isTargeted { words.append("targeted") }
  return words.joined(separator: " ")
}

private func parsed(_ fields: [String]) throws -> String {
  try withResponse(fields) { summary(.parse(from: $0)) }
}

@Suite("Cache-Control of responses, RFC 9111 §5.2.2")
struct ResponseDirectivesTests {
  @Test(
    arguments: [
      ("max-age=60", "max-age=60", "§5.2.2.1"),
      ("MaX-aGe=60", "max-age=60", "§5.2: names in any case"),
      ("no-store", "no-store", "§5.2.2.5"),
      ("private", "private", "§5.2.2.7"),
      ("no-cache", "no-cache", "§5.2.2.4"),
      ("public", "public", "§5.2.2.9"),
      ("must-revalidate", "must-revalidate", "§5.2.2.2"),
      ("proxy-revalidate", "proxy-revalidate", "§5.2.2.8"),
      ("must-understand", "must-understand", "§5.2.2.3"),
      ("s-maxage=5", "s-maxage=5", "§5.2.2.10"),
      ("stale-while-revalidate=5, stale-if-error=6", "swr=5 sie=6", "RFC 5861 §3, 4"),
      ("foobar, max-age=60, x=y, immutable", "max-age=60", "§5.2.3: extensions are ignored"),
      (",, max-age=60 ,\t,", "max-age=60", "RFC 9110 §5.6.1.2: empty members"),
      ("", "", "nothing said"),
      ("max-age=2147483649", "max-age=2147483648", "§1.2.2: saturates at 2^31"),
      ("max-age=99999999999999999999999", "max-age=2147483648", "§1.2.2: saturates at 2^31"),
      ("max-age=\"60\"", "max-age=60", "§5.2: both forms of arguments are accepted"),
    ] as [(String, String, Comment)])
  func `reads each directive`(_ value: String, _ expected: String, _ reason: Comment) throws {
    #expect(try parsed(["Cache-Control: " + value]) == expected, reason)
  }

  @Test(
    arguments: [
      ("max-age=60, max-age=1", "max-age=1", "§4.2.1: doubled, the shorter"),
      ("max-age=1, max-age=60", "max-age=1", "§4.2.1: doubled, the shorter"),
      ("s-maxage=9, s-maxage=x", "s-maxage=0", "§4.2.1: doubled, one unreadable"),
      ("max-age=-1", "max-age=0", "§4.2.1: no number means stale"),
      ("max-age=60.0", "max-age=0", "§4.2.1: no number means stale"),
      ("max-age=6 0", "max-age=0", "§4.2.1: no number means stale"),
      ("max-age= 60", "max-age=0", "§5.2: no space after ="),
      ("max-age =60", "max-age=0", "§5.2: no space before ="),
      ("max-age", "max-age=0", "§5.2.2.1: needs an argument"),
      ("max-age=", "max-age=0", "§5.2.2.1: needs an argument"),
      ("max-age=\"\"", "max-age=0", "§5.2.2.1: needs an argument"),
      ("max-age=\"60", "no-store max-age=0", "an unclosed string may hide anything"),
      ("x=\"a, no-store", "no-store", "an unclosed string may hide anything"),
      ("x=\"max-age=60\", max-age=1", "max-age=1", "§5.2: what is quoted is not a directive"),
      ("max-age=1, x=\"a\\\", max-age=60\"", "max-age=1", "RFC 9110 §5.6.4: escaped quote"),
      ("no-store max-age=0", "no-store", "a lacking comma hides nothing restrictive"),
      ("private; max-age=60", "private", "a semicolon for a comma"),
      ("no-store=x", "no-store", "a restriction counts whatever its argument"),
      ("public=x", "", "a permission must be well formed"),
      ("must-understand=1, no-store", "no-store", "a permission must be well formed"),
      ("stale-if-error=x", "sie=0", "a permission must be well formed"),
    ] as [(String, String, Comment)])
  func `doubled, contradictory and broken directives are read restrictively`(
    _ value: String, _ expected: String, _ reason: Comment
  ) throws {
    #expect(try parsed(["Cache-Control: " + value]) == expected, reason)
  }

  @Test(
    arguments: [
      ("no-cache=\"a, B\"", "without a,b", "§5.2.2.4: qualified"),
      ("private=\"Set-Cookie\"", "without set-cookie", "§5.2.2.7: qualified"),
      ("no-cache=a, private=\"b\"", "without a,b", "§5.2.2.4: a token will do"),
      ("no-cache=\"\"", "no-cache", "no names: for all"),
      ("no-cache=\"a b\"", "no-cache", "no field names: for all"),
      ("private=\"a, Content-Encoding\"", "private", "the body means nothing without it: for all"),
      ("no-cache=\"a\", no-cache", "no-cache without a", "the unqualified one is the stricter"),
    ] as [(String, String, Comment)])
  func `qualified directives withhold fields`(
    _ value: String, _ expected: String, _ reason: Comment
  ) throws {
    #expect(try parsed(["Cache-Control: " + value]) == expected, reason)
  }

  /// A small generator of its own, so that a failure repeats.
  @Test func `no bytes make the parsers trap`() {
    let alphabet = octets("ma-x=0\"\\, ;:?*a(1.\t\u{fc}")
    var state: UInt64 = 1
    for _ in 0..<20_000 {
      var value = octets("max-age=")
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      var bits = state >> 8
      for _ in 0..<(bits & 7) + 1 {
        value.append(alphabet[Int(bits % UInt64(alphabet.count))])
        bits /= UInt64(alphabet.count)
      }
      var head = Head()
      head.append(.cacheControl, value.span)
      head.append(name: octets("cdn-cache-control").span, value: value.span)
      head.append(.vary, value.span)
      head.append(.range, value.span)
      head.append(.ifNoneMatch, value.span)
      _ = ResponseDirectives.parse(from: head)
      _ = RequestDirectives.parse(from: head)
      _ = VaryList.parse(from: head)
      _ = evaluateRange(request: head, length: 10, etag: value.span, lastModified: 0, date: 1)
      _ = evaluateConditions(request: head, etag: value.span, lastModified: 0, status: 200)
    }
  }

  @Test func `all lines are one list`() throws {
    #expect(try parsed(["Cache-Control: max-age=60", "cache-control: no-store"]) == "no-store max-age=60")
  }

  @Test func `Pragma of a response means nothing, RFC 9111 §5.4`() throws {
    #expect(try parsed(["Pragma: no-cache", "Cache-Control: max-age=60"]) == "max-age=60")
  }

  @Test(
    arguments: [
      ("max-age=60", true, "max-age=60 targeted", "§2.2: in place of Cache-Control"),
      ("max-age=60, private", true, "private max-age=60 targeted", "§2.1: flags"),
      ("no-store=?0, max-age=1", true, "max-age=1 targeted", "RFC 8941 §3.3.6: false"),
      ("max-age=1;a=b, max-age=2", true, "max-age=2 targeted", "RFC 8941 §3.2: the last one, no parameters"),
      ("max-age=999999999999999", true, "max-age=2147483648 targeted", "§1.2.2: saturates"),
      ("max-age=-5", true, "max-age=0 targeted", "an integer, but no age"),
      ("x=1.5, y=\"a, b\", z=*t/o:k, b=:aGk=:, max-age=3", true, "max-age=3 targeted", "RFC 8941 §3.3"),
      ("no-cache=\"a\", max-age=3", true, "max-age=3 without a targeted", "qualified"),
      ("", false, "", "§2.1: empty, ignored"),
      ("max-age=60, &&&", false, "", "§2.1: no dictionary, ignored"),
      ("max-age=\"60\"", false, "", "§2.1: wrong type, ignored"),
      ("max-age=6.0", false, "", "§2.1: wrong type, ignored"),
      ("max-age= 60", false, "", "RFC 8941 §4.2: no space there"),
      ("MaX-aGe=60", false, "", "RFC 8941 §3.1.2: keys are lower-case"),
      ("max-age=60,", false, "", "RFC 8941 §4.2.2: trailing comma"),
      ("max-age=60 private", false, "", "RFC 8941 §4.2.2: no comma"),
      ("max-age=1234567890123456", false, "", "RFC 8941 §3.3.1: more than 15 digits"),
      ("a=\"x", false, "", "RFC 8941 §3.3.3: unclosed"),
      ("a=\"x\\", false, "", "RFC 8941 §3.3.3: unclosed"),
      ("a=:x", false, "", "RFC 8941 §3.3.5: unclosed"),
      ("a=?", false, "", "RFC 8941 §3.3.6: cut short"),
      ("a=-", false, "", "RFC 8941 §3.3.1: no digits"),
      ("a=", false, "", "RFC 8941 §3.2: no value"),
    ] as [(String, Bool, String, Comment)])
  func `CDN-Cache-Control, RFC 9213`(
    _ value: String, _ counts: Bool, _ expected: String, _ reason: Comment
  ) throws {
    let outcome = try parsed(["Cache-Control: max-age=7", "CDN-Cache-Control: " + value])
    #expect(outcome == (counts ? expected : "max-age=7"), reason)
  }
}
