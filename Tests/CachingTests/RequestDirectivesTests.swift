import Caching
import HTTP
import Testing

@Suite("Cache-Control of requests, RFC 9111 §5.2.1")
struct RequestDirectivesTests {
  private static func parsed(_ fields: [String]) throws -> RequestDirectives {
    try withFields(fields) { .parse(from: $0) }
  }

  private static func directives(_ set: (inout RequestDirectives) -> Void) -> RequestDirectives {
    var directives = RequestDirectives()
    set(&directives)
    return directives
  }

  @Test(
    arguments: [
      (["Accept: */*"], directives { _ in }, "nothing said"),
      (["Cache-Control: no-store"], directives { $0.noStore = true }, "§5.2.1.5"),
      (["Cache-Control: NO-CACHE"], directives { $0.noCache = true }, "§5.2.1.4, any case"),
      (["Cache-Control: only-if-cached"], directives { $0.onlyIfCached = true }, "§5.2.1.7"),
      (["Cache-Control: max-age=0"], directives { $0.maxAge = 0 }, "§5.2.1.1"),
      (["Cache-Control: max-stale"], directives { $0.maxStale = 1 << 31 }, "§5.2.1.2: any staleness"),
      (["Cache-Control: max-stale=5"], directives { $0.maxStale = 5 }, "§5.2.1.2"),
      (["Cache-Control: min-fresh=5, min-fresh=9"], directives { $0.minFresh = 9 }, "the stricter"),
      (
        ["Cache-Control: max-age=5", "Cache-Control: max-age=3"], directives { $0.maxAge = 3 }, "the stricter"
      ),
      (["Cache-Control: max-age=x, min-fresh=-1"], directives { _ in }, "no numbers: not said"),
      (["Cache-Control: nothing-to-see-here"], directives { _ in }, "§5.2.3: extensions"),
      (["Pragma: no-cache"], directives { $0.noCache = true }, "§5.4"),
      (["Pragma: foo, no-cache"], directives { $0.noCache = true }, "§5.4: a list"),
      (["Pragma: foo"], directives { _ in }, "§5.4"),
      (["Pragma: no-cache", "Cache-Control: x"], directives { _ in }, "§5.4: only without Cache-Control"),
    ] as [([String], RequestDirectives, Comment)])
  func `reads each directive`(
    _ fields: [String], _ expected: RequestDirectives, _ reason: Comment
  ) throws {
    #expect(try Self.parsed(fields) == expected, reason)
  }

  private static let minute = Freshness(
    requestTime: 1000, responseTime: 1000, lifetime: 60, staleIfError: 600, source: .maxAge)
  private static let strictMinute = Freshness(
    requestTime: 1000, responseTime: 1000, lifetime: 60, source: .maxAge, rules: .mustRevalidate)
  private static let askEachTime = Freshness(
    requestTime: 1000, responseTime: 1000, lifetime: 60, source: .maxAge, rules: .noCache)

  @Test(
    arguments: [
      (minute, "no-cache", 1001, .stale, "§5.2.1.4"),
      (minute, "max-age=10", 1010, .fresh, "§5.2.1.1: as old as that"),
      (minute, "max-age=10", 1011, .stale, "§5.2.1.1: older"),
      (minute, "min-fresh=50", 1010, .fresh, "§5.2.1.3: fresh for so long"),
      (minute, "min-fresh=50", 1011, .stale, "§5.2.1.3"),
      (minute, "max-stale=10", 1070, .fresh, "§5.2.1.2: stale for so long"),
      (minute, "max-stale=10", 1071, .staleIfError, "§5.2.1.2: longer"),
      (minute, "max-stale", 9999, .fresh, "§5.2.1.2: any staleness"),
      (minute, "max-stale, max-age=5", 1070, .stale, "§5.2.1.1: still too old"),
      (strictMinute, "max-stale", 1070, .stale, "§5.2.2.2: must-revalidate forbids"),
      (askEachTime, "max-stale", 1001, .stale, "§5.2.2.4: no-cache forbids"),
      (minute, "no-store", 1001, .fresh, "§5.2.1.5: says nothing about use"),
    ] as [(Freshness, String, Int64, FreshnessUse, Comment)])
  func `in the strict profile a request limits what it is given`(
    _ freshness: Freshness, _ value: String, _ now: Int64, _ use: FreshnessUse, _ reason: Comment
  ) throws {
    let directives = try Self.parsed(["Cache-Control: " + value])
    #expect(directives.use(freshness, at: now, strict: true) == use, reason)
  }

  @Test(arguments: ["no-cache", "max-age=0", "min-fresh=1000", "max-stale"])
  func `in the default profile it does not`(_ value: String) throws {
    let directives = try Self.parsed(["Cache-Control: " + value])
    for now in [1001, 1070, 9999] as [Int64] {
      #expect(directives.use(Self.minute, at: now, strict: false) == Self.minute.use(at: now))
    }
  }
}
