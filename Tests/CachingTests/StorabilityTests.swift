import Caching
import HTTP
import Testing

@Suite("Storability, RFC 9111 §3")
struct StorabilityTests {
  private static let minute = "Cache-Control: max-age=60"

  @Test(
    arguments: [
      (["Cache-Control: no-store, max-age=60"], 200, .noStore, "§5.2.2.5"),
      (["Cache-Control: private, max-age=60"], 200, .privateResponse, "§5.2.2.7"),
      (["Cache-Control: no-cache"], 200, .noFreshness, "§5.2.2.4: nothing to ask with"),
      ([minute, "Set-Cookie: a=b"], 200, .setCookie, "L17"),
      ([minute, "Vary: *"], 200, .varyStar, "§4.1"),
      ([minute, "Vary: Foo", "Vary: , *"], 200, .varyStar, "§4.1: two lines are one list"),
      ([minute, "Vary: a b"], 200, .varyStar, "§4.1: what cannot be read cannot be selected by"),
      ([minute], 206, .partial, "§3.3"),
      ([minute], 304, .partial, "§4.3.3"),
      ([minute], 416, .partial, "says nothing about the whole"),
      (["Cache-Control: no-store, must-understand, max-age=60"], 299, .mustUnderstand, "§5.2.2.3"),
      (["Cache-Control: must-understand, max-age=60"], 299, .mustUnderstand, "§5.2.2.3"),
      (["Cache-Control: must-understand, private"], 200, .privateResponse, "§5.2.2.3 is of no-store only"),
      ([], 200, .noFreshness, "never fresh, no validator"),
      (["Cache-Control: public"], 200, .noFreshness, "§4.2.2: nothing to guess from"),
      (["Cache-Control: max-age=0"], 200, .noFreshness, "never fresh, no validator"),
      ([minute, "Age: 60"], 200, .noFreshness, "stale on arrival, no validator"),
      ([], 302, .noFreshness, "L14: a redirect without freshness is no error"),
      ([], 500, .serverError, "S7"),
      (["Last-Modified: " + date(-86400)], 404, .noFreshness, "S7: no error is kept by a guess"),
      (["Last-Modified: " + date(-86400)], 501, .serverError, "S7: the same"),
      (["ETag: \"a\""], 400, .noFreshness, "S7: nor to be asked about"),
      (["ETag: \"a\""], 503, .serverError, "S7: a validator does not make an error worth keeping"),
      (["Cache-Control: private, max-age=60"], 502, .serverError, "L14: an error sets no mark"),
      ([minute, "Set-Cookie: a=b"], 504, .serverError, "L14: an error sets no mark"),
      (["Cache-Control: no-store, must-understand, max-age=60"], 599, .serverError, "L14"),
      (["Last-Modified: " + date(-86400)], 503, .serverError, "RFC 9110 §15.1: not heuristically"),
      (["Cache-Control: max-age=0"], 500, .serverError, "L14: an error sets no mark"),
    ] as [([String], Int, Uncacheable, Comment)])
  func `is refused`(_ fields: [String], _ status: Int, _ refusal: Uncacheable, _ reason: Comment) throws {
    #expect(try judge(fields, status: status) == .not(refusal), reason)
  }

  @Test(
    arguments: [
      ([minute], 200, "§3"),
      ([minute], 201, "§3: any final status with explicit freshness"),
      ([minute], 299, "§3: an unknown one too"),
      ([minute], 302, "§3"),
      ([minute], 404, "§3: negative responses"),
      ([minute], 503, "S7: an error by the origin's explicit word"),
      ([minute], 599, "§3: an unknown one too"),
      (["Cache-Control: no-store, must-understand, max-age=60"], 200, "§5.2.2.3: no-store is not for us"),
      (["Cache-Control: no-cache", "ETag: \"a\""], 200, "§5.2.2.4: asked about each time"),
      (["Cache-Control: no-cache", "Last-Modified: " + date(-60)], 200, "§5.2.2.4: asked about each time"),
      (["ETag: \"a\""], 200, "never fresh, but to be asked about"),
      (["ETag: \"a\""], 302, "never fresh, but to be asked about"),
      (["Cache-Control: no-cache", "ETag: \"a\""], 404, "S7: an explicit word too"),
      (["Cache-Control: max-age=0, stale-if-error=60"], 200, "RFC 5861 §4: by the origin's word"),
      (["Cache-Control: max-age=0, stale-while-revalidate=60"], 200, "RFC 5861 §3"),
      ([minute, "Vary: Accept, X"], 200, "§4.1"),
      (
        ["Cache-Control: max-age=60, no-cache=\"Set-Cookie\"", "Set-Cookie: a=b"], 200,
        "the cookie is not stored"
      ),
      (["Expires: " + date(60)], 200, "§5.3"),
    ] as [([String], Int, Comment)])
  func `is stored`(_ fields: [String], _ status: Int, _ reason: Comment) throws {
    guard case .not(let refusal) = try judge(fields, status: status) else { return }
    Issue.record("refused as \(refusal.text): \(reason)")
  }

  @Test(
    arguments: [
      (.head, [], .method, "§3: only GET is"),
      (.post, [], .method, "§3: only GET is"),
      (.get, .body, .requestBody, "S7: a body is not in the key"),
      (.get, .noStore, .requestNoStore, "§5.2.1.5"),
      (.get, .authorization, .authorization, "§3.5"),
    ] as [(HTTP.Method, RequestTraits, Uncacheable, Comment)])
  func `the request may stand against it`(
    _ method: HTTP.Method, _ request: RequestTraits, _ refusal: Uncacheable, _ reason: Comment
  ) throws {
    #expect(try judge([Self.minute], method: method, request: request) == .not(refusal), reason)
  }

  @Test(arguments: ["public, max-age=60", "s-maxage=60", "must-revalidate, max-age=60"])
  func `§3.5: a response to a request with Authorization is stored when it says so`(
    _ value: String
  ) throws {
    guard case .storable = try judge(["Cache-Control: " + value], request: .authorization) else {
      Issue.record("refused")
      return
    }
  }

  @Test(
    arguments: [
      (["Last-Modified: " + date(-86400)], nil, "heuristic"),
      ([], 60, "--default-ttl"),
      (["ETag: \"a\""], nil, "no freshness, to be asked about"),
      (["Cache-Control: public", "Last-Modified: " + date(-86400)], nil, "public is no lifetime"),
    ] as [([String], UInt32?, Comment)])
  func `L17: with Cookie or Authorization nothing is stored by a guess`(
    _ fields: [String], _ ttl: UInt32?, _ reason: Comment
  ) throws {
    let options = CachingOptions(defaultTTL: ttl)
    #expect(try judge(fields, request: .cookie, options: options) == .not(.credentials), reason)
    guard case .storable(let freshness) = try judge(fields, options: options) else {
      Issue.record("refused without Cookie: \(reason)")
      return
    }
    #expect(freshness.isGuessed, reason)
    let asked = fields.filter { !$0.hasPrefix("Cache-Control") } + ["Cache-Control: public"]
    #expect(try judge(asked, request: .authorization, options: options) == .not(.credentials), reason)
  }

  @Test func `L17: with Cookie an explicit lifetime is enough`() throws {
    guard case .storable(let freshness) = try judge([Self.minute], request: .cookie) else {
      Issue.record("refused")
      return
    }
    #expect(!freshness.isGuessed)
  }

  @Test func `strict: cookies are stored with explicit freshness only`() throws {
    let strict = CachingOptions(strict: true)
    guard case .storable = try judge([Self.minute, "Set-Cookie: a=b"], options: strict) else {
      Issue.record("RFC 9111 §7.3: Set-Cookie does not stand against storing")
      return
    }
    let guessed = ["Last-Modified: " + date(-86400), "Set-Cookie: a=b"]
    #expect(try judge(guessed, options: strict) == .not(.setCookie))
  }

  @Test func `L14: shareability sets a mark, a passing error or one request's trait does not`() {
    let marking = Uncacheable.allCases.filter(\.setsMark)
    #expect(
      marking == [
        .noStore, .privateResponse, .setCookie, .varyStar, .mustUnderstand, .noFreshness, .tooLarge,
      ])
  }

  @Test func `every reason has a text of its own, a token`() {
    let texts = Uncacheable.allCases.map { "\($0.text)" }
    #expect(Set(texts).count == texts.count)
    #expect(texts.allSatisfy { $0.utf8.allSatisfy { $0.isLower || $0 == .dash } })
  }

  @Test(
    arguments: [
      (["Cache-Control: max-age=60"], [], true, "L9"),
      ([], [], true, "L11: an error that everyone may see"),
      (["Cache-Control: no-store"], [], false, "L11"),
      (["Cache-Control: private"], [], false, "L11"),
      (["Set-Cookie: a=b"], [], false, "L11"),
      ([], .authorization, false, "§3.5"),
      (["Cache-Control: public"], .authorization, true, "§3.5"),
    ] as [([String], RequestTraits, Bool, Comment)])
  func `L9, L11: who waited may be given it`(
    _ fields: [String], _ request: RequestTraits, _ may: Bool, _ reason: Comment
  ) throws {
    let outcome = try withResponse(fields) {
      maySpread($0, directives: .parse(from: $0), request: request, options: CachingOptions())
    }
    #expect(outcome == may, reason)
  }

  @Test func `traits stand in the fields`() throws {
    let traits = try withFields(["Authorization: x", "Cookie: a=b", "Cache-Control: no-store"]) {
      RequestTraits($0, directives: .parse(from: $0), hasBody: true)
    }
    #expect(traits == [.authorization, .cookie, .body, .noStore])
    #expect(traits.hasCredentials)
    let none = try withFields([]) { RequestTraits($0, directives: .parse(from: $0), hasBody: false) }
    #expect(none == [])
    #expect(!none.hasCredentials)
  }
}
