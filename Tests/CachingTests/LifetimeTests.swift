import Caching
import Testing

/// The life of a response that is stored.
private func life(
  _ fields: [String], status: Int = 200, delay: Int64 = 0, jump: Int64 = 0,
  options: CachingOptions = CachingOptions()
) throws -> Freshness {
  // The validator makes it storable whatever its freshness.
  guard
    case .storable(let freshness) = try judge(
      fields + ["ETag: \"a\""], status: status, delay: delay, jump: jump, options: options)
  else {
    Issue.record("not stored: \(fields)")
    return Freshness(requestTime: 0, responseTime: 0, lifetime: 0, source: .none)
  }
  return freshness
}

@Suite("Lifetime and age on arrival, RFC 9111 §4.2.1 to 4.2.3")
struct LifetimeTests {
  @Test(
    arguments: [
      (["Cache-Control: s-maxage=5, max-age=60", "Expires: " + date(90)], 5, .sMaxAge, "s-maxage wins"),
      (["Cache-Control: max-age=60", "Expires: " + date(90)], 60, .maxAge, "then max-age"),
      (["Cache-Control: max-age=60", "Expires: 0"], 60, .maxAge, "§5.3: Expires is ignored beside it"),
      (["Expires: " + date(90), "Date: " + date(0)], 90, .expires, "then Expires minus Date"),
      (["Expires: " + date(90), "Date: " + date(-10)], 100, .expires, "by the origin's own clock"),
      (["Expires: " + date(90)], 90, .expires, "RFC 9110 §6.6.1: without Date its arrival"),
      (["Expires: " + date(90), "Date: x"], 90, .expires, "RFC 9110 §6.6.1: without a readable one too"),
      (["Expires: " + date(-1), "Date: " + date(0)], 0, .expires, "in the past"),
      (["Expires: 0"], 0, .expires, "§5.3: unreadable is past"),
      (["Expires: " + date(90), "Expires: 0"], 0, .expires, "§4.2.1: doubled, one unreadable"),
      (["Expires: " + date(90), "Expires: " + date(30)], 30, .expires, "§4.2.1: doubled, the earlier"),
      (["CDN-Cache-Control: max-age=9", "Expires: 0"], 9, .maxAge, "RFC 9213 §2.2"),
      (["CDN-Cache-Control: public", "Expires: " + date(90)], 0, .none, "RFC 9213 §2.2: no Expires"),
      (["Last-Modified: " + date(-6000), "Date: " + date(0)], 600, .heuristic, "§4.2.2: a tenth"),
      (["Last-Modified: " + date(-6000), "Date: " + date(1000)], 700, .heuristic, "§4.2.2: before Date"),
      (["Last-Modified: " + date(-360_000)], 3600, .heuristic, "L17: at most an hour"),
      (["Last-Modified: " + date(60)], 0, .none, "§4.2.2: modified in the future"),
      (["Last-Modified: x"], 0, .none, "unreadable"),
      (
        ["Cache-Control: no-cache", "Last-Modified: " + date(-6000)], 0, .none,
        "no guess where none is needed"
      ),
      (["Cache-Control: max-age=x", "Last-Modified: " + date(-6000)], 0, .maxAge, "§4.2.1: broken is stale"),
    ] as [([String], UInt32, FreshnessSource, Comment)])
  func `the first source that speaks decides`(
    _ fields: [String], _ seconds: UInt32, _ source: FreshnessSource, _ reason: Comment
  ) throws {
    let freshness = try life(fields)
    #expect(freshness.lifetime == seconds, reason)
    #expect(freshness.source == source, reason)
  }

  @Test func `RFC 9110 §15.1: statuses whose freshness may be guessed`() {
    let heuristic = (200...599).filter { isHeuristicallyCacheable($0) }
    #expect(heuristic == [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501])
  }

  @Test func `L17: the default lifetime replaces the guess, for seven statuses`() throws {
    let options = CachingOptions(defaultTTL: 90)
    // S7: of the errors only these two are stored without the origin's word.
    for status in Array(200...399) + [404, 410] where ![206, 304].contains(status) {
      let freshness = try life(["Last-Modified: " + date(-6000)], status: status, options: options)
      let takes = [200, 203, 300, 301, 308, 404, 410].contains(status)
      #expect(freshness.lifetime == (takes ? 90 : 0), "\(status)")
      #expect(freshness.source == (takes ? .defaultTTL : .none), "\(status)")
    }
    #expect(try life(["Cache-Control: max-age=5"], options: options).lifetime == 5)
    #expect(try life(["Cache-Control: public"], options: options).lifetime == 90)
  }

  @Test func `the heuristic's cap can be set`() throws {
    let freshness = try life(["Last-Modified: " + date(-6000)], options: CachingOptions(heuristicCap: 30))
    #expect(freshness.lifetime == 30)
  }

  @Test(
    arguments: [
      ([], 0, 0, "nothing said: made just now"),
      ([], 7, 7, "§4.2.3: the request's way counts"),
      (["Age: 30"], 0, 30, "§5.1"),
      (["Age: 30"], 7, 37, "§4.2.3: corrected_age_value"),
      (["Date: " + date(-20)], 0, 20, "§4.2.3: apparent_age"),
      (["Date: " + date(-20), "Age: 30"], 7, 37, "§4.2.3: the larger"),
      (["Date: " + date(-50), "Age: 30"], 7, 50, "§4.2.3: the larger"),
      (["Date: " + date(500)], 0, 0, "§4.2.3: a clock ahead of ours makes nothing younger"),
      (["Date: x", "Age: 3"], 0, 3, "unreadable"),
      (["Age: -7200"], 0, 0, "§5.1: no number, ignored"),
      (["Age: 7200.0"], 0, 0, "§5.1: no number, ignored"),
      (["Age: 7200;a=b"], 0, 0, "§5.1: no number, ignored"),
      (["Age: 7200, 0"], 0, 7200, "§5.1: the first member"),
      (["Age: 0, 7200"], 0, 0, "§5.1: the first member"),
      (["Age: 5", "Age: 9"], 0, 5, "§5.1: the first line"),
      (["Age: 2147483649"], 9, 1 << 31, "§1.2.2: saturates at 2^31"),
      (["Age: 99999999999999999999"], 9, 1 << 31, "§1.2.2: saturates at 2^31"),
    ] as [([String], Int64, UInt32, Comment)])
  func `the age on arrival`(
    _ fields: [String], _ delay: Int64, _ age: UInt32, _ reason: Comment
  ) throws {
    #expect(try life(["Cache-Control: max-age=60"] + fields, delay: delay).initialAge == age, reason)
  }

  private static let days: Int64 = 3 * 86_400

  /// Age and lifetime after the wall clock has jumped three days, where the origin's goes right.
  @Test(
    arguments: [
      (days, ["Cache-Control: max-age=60", "Date: " + date(0)], 0, 60, "a right Date looks old, and is not"),
      (-days, ["Cache-Control: max-age=60", "Date: " + date(0)], 0, 60, "a right Date is ahead of us"),
      (days, ["Cache-Control: max-age=60", "Date: " + date(0), "Age: 7"], 7, 60, "what caches say counts"),
      (days, ["Cache-Control: max-age=60", "Date: " + date(-30)], 30, 60, "what is old by both clocks"),
      (days, ["Expires: " + date(60), "Date: " + date(0)], 0, 60, "one clock wrote both"),
      (-days, ["Expires: " + date(60)], 0, 60, "without Date: not fresh for three days"),
      (days, ["Expires: " + date(60)], 0, 0, "without Date: rather asked again"),
      (days, ["Last-Modified: " + date(-600), "Date: " + date(0)], 0, 60, "a tenth by the origin's clock"),
    ] as [(Int64, [String], UInt32, UInt32, Comment)])
  func `R7: a jump of the wall clock changes no age and lengthens no lifetime`(
    _ jump: Int64, _ fields: [String], _ age: UInt32, _ lifetime: UInt32, _ reason: Comment
  ) throws {
    let freshness = try life(fields, jump: jump)
    #expect(freshness.initialAge == age, reason)
    #expect(freshness.lifetime == lifetime, reason)
  }

  private static let generous = CachingOptions(grace: 10, staleOnError: 600)
  private static let strict = CachingOptions(grace: 10, staleOnError: 600, strict: true)

  /// swr, sie, grace, rules
  @Test(
    arguments: [
      ("max-age=1", generous, [0, 600, 10], [], "L16: the operator's word"),
      ("max-age=1, stale-while-revalidate=5, stale-if-error=6", generous, [5, 6, 10], [], "RFC 5861"),
      ("max-age=1, stale-if-error=0", generous, [0, 0, 10], [], "the origin's word on errors goes first"),
      ("max-age=1, must-revalidate", generous, [0, 0, 0], .mustRevalidate, "§5.2.2.2"),
      ("max-age=1, proxy-revalidate", generous, [0, 0, 0], .mustRevalidate, "§5.2.2.8"),
      ("no-cache, max-age=1", generous, [0, 0, 0], .noCache, "§5.2.2.4"),
      ("s-maxage=1", generous, [0, 0, 0], .mustRevalidate, "§5.2.2.10"),
      ("s-maxage=1, stale-while-revalidate=5", generous, [5, 0, 0], [], "L16: the origin's own leave"),
      ("s-maxage=1, stale-if-error=6", generous, [0, 6, 0], [], "L16: the origin's own leave"),
      ("s-maxage=1, stale-if-error=6", strict, [0, 0, 0], .mustRevalidate, "L16: not in strict"),
      ("must-revalidate, max-age=1, stale-if-error=6", generous, [0, 0, 0], .mustRevalidate, "the stricter"),
      ("max-age=1", CachingOptions(), [0, 600, 0], [], "L16: the defaults"),
    ] as [(String, CachingOptions, [UInt32], StaleRules, Comment)])
  func `L16: who allows stale, and for how long`(
    _ value: String, _ options: CachingOptions, _ windows: [UInt32], _ rules: StaleRules,
    _ reason: Comment
  ) throws {
    let freshness = try life(["Cache-Control: " + value], options: options)
    #expect(
      [freshness.staleWhileRevalidate, freshness.staleIfError, freshness.grace] == windows, reason)
    #expect(freshness.rules == rules, reason)
  }

  @Test func `a stored error is not kept beyond its lifetime by the operator's word`() throws {
    let freshness = try life(["Cache-Control: max-age=1"], status: 503, options: Self.generous)
    #expect(freshness.usefulUntil == noon + 1)
  }

  @Test func `times are kept`() throws {
    let freshness = try life(["Cache-Control: max-age=1"], delay: 3)
    #expect(freshness.requestTime == noon - 3)
    #expect(freshness.responseTime == noon)
  }
}
