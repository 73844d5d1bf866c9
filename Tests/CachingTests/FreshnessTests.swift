import Caching
import Testing

@Suite("Freshness, RFC 9111 §4.2")
struct FreshnessTests {
  private static func life(
    age: UInt32 = 0, lifetime: UInt32 = 60, swr: UInt32 = 0, sie: UInt32 = 0, grace: UInt32 = 0,
    source: FreshnessSource = .maxAge, rules: StaleRules = []
  ) -> Freshness {
    Freshness(
      requestTime: 1000, responseTime: 1000, initialAge: age, lifetime: lifetime,
      staleWhileRevalidate: swr, staleIfError: sie, grace: grace, source: source, rules: rules)
  }

  @Test(
    arguments: [
      (0, 1000, 0, "§4.2.3: no time has passed"),
      (0, 1007, 7, "§4.2.3: resident time counts"),
      (30, 1007, 37, "§4.2.3: on top of the age on arrival"),
      (30, 990, 30, "a clock that went back makes nothing younger than on arrival"),
      (1 << 31, 5000, 1 << 31, "§1.2.2: saturates at 2^31"),
      (5, Int64.max, 1 << 31, "no overflow whatever the time"),
      (5, Int64.min, 5, "no overflow whatever the time"),
    ] as [(UInt32, Int64, UInt32, Comment)])
  func `age is the age on arrival and the time since`(
    _ initial: UInt32, _ now: Int64, _ age: UInt32, _ reason: Comment
  ) {
    #expect(Self.life(age: initial).age(at: now) == age, reason)
  }

  @Test func `time left is negative when stale`() {
    #expect(Self.life().timeLeft(at: 1000) == 60)
    #expect(Self.life().timeLeft(at: 1060) == 0)
    #expect(Self.life(age: 50).timeLeft(at: 1030) == -20)
  }

  @Test(
    arguments: [
      (life(), 1059, .fresh, "§4.2: the lifetime exceeds the age"),
      (life(), 1060, .stale, "§4.2: at equal age it is stale"),
      (life(lifetime: 0), 1000, .stale, "a lifetime of nothing"),
      (life(swr: 30), 1089, .staleWhileRevalidating, "RFC 5861 §3"),
      (life(swr: 30), 1090, .stale, "RFC 5861 §3: the window is over"),
      (life(grace: 30), 1089, .staleWhileRevalidating, "L16: grace, the operator's word"),
      (life(swr: 10, grace: 30), 1080, .staleWhileRevalidating, "the longer of the two"),
      (life(sie: 30), 1060, .staleIfError, "RFC 5861 §4"),
      (life(swr: 10, sie: 30), 1069, .staleWhileRevalidating, "both: first the one that needs no failure"),
      (life(swr: 10, sie: 30), 1070, .staleIfError, "then the other"),
      (life(swr: 10, sie: 30), 1090, .stale, "both count from the end of the lifetime"),
      (life(swr: 30, rules: .mustRevalidate), 1060, .stale, "§5.2.2.2: must-revalidate"),
      (life(rules: .mustRevalidate), 1059, .fresh, "§5.2.2.2: while fresh it is served"),
      (life(rules: .noCache), 1000, .stale, "§5.2.2.4: no-cache, however fresh"),
      (life(swr: 60, sie: 60, grace: 60, rules: .noCache), 1000, .stale, "§5.2.2.4: and never stale"),
      (life(age: 100, swr: 50), 1000, .staleWhileRevalidating, "stale on arrival, within the window"),
    ] as [(Freshness, Int64, FreshnessUse, Comment)])
  func `use follows age, windows and rules`(
    _ freshness: Freshness, _ now: Int64, _ use: FreshnessUse, _ reason: Comment
  ) {
    #expect(freshness.use(at: now) == use, reason)
  }

  @Test(arguments: [
    life(), life(swr: 30), life(swr: 10, sie: 30), life(age: 100, grace: 7), life(age: 3, sie: 9),
    life(swr: 30, rules: .mustRevalidate), life(swr: 30, rules: .noCache), life(lifetime: 0),
  ])
  func `usefulUntil is where use becomes stale`(_ freshness: Freshness) {
    let bound = freshness.usefulUntil
    for now in 1000...Int64(1200) {
      #expect((freshness.use(at: now) != .stale) == (now < bound), "at \(now)")
    }
  }

  @Test func `L17: only the origin's explicit word is no guess`() {
    #expect(FreshnessSource.allCases.filter { !$0.isGuessed } == [.sMaxAge, .maxAge, .expires])
    #expect(Self.life(source: .heuristic).isGuessed)
    #expect(!Self.life(source: .none, rules: .noCache).isGuessed)
  }
}
