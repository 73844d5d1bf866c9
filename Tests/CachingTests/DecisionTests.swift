import Bytes
import Caching
import Testing

@Suite("Decisions, L18 and RFC 9211")
struct DecisionTests {
  @Test func `the index is the place in allCases, without gaps`() {
    #expect(Decision.allCases.map(\.index) == Array(0..<Decision.count))
  }

  /// The table of L18.
  @Test(
    arguments: [
      (.hit, "HIT"), (.miss(.cold), "MISS"), (.miss(.variant), "MISS"), (.collapsed, "MISS"),
      (.bypass(.hitForMiss), "BYPASS"), (.bypass(.method), "BYPASS"), (.bypass(.authorization), "BYPASS"),
      (.bypass(.range), "BYPASS"), (.bypass(.policy), "BYPASS"), (.expired, "EXPIRED"),
      (.revalidated, "REVALIDATED"), (.staleUpdating, "UPDATING"), (.staleOnError(.attemptFailed), "STALE"),
      (.staleOnError(.backingOff), "STALE"), (.staleOnError(.originDown), "STALE"),
      (.failed(.reset, .miss), "MISS"), (.failed(.reset, .expired), "EXPIRED"),
      (.failed(.noServer, .bypass), "BYPASS"), (.synthetic(.onlyIfCached), "MISS"),
    ] as [(Decision, String)])
  func `X-Cache-Status`(_ decision: Decision, _ expected: String) {
    #expect("\(decision.xCacheStatus)" == expected)
  }

  @Test func `X-Cache-Status is always one of nginx's words`() {
    let words: Set = ["HIT", "MISS", "BYPASS", "EXPIRED", "STALE", "UPDATING", "REVALIDATED"]
    for decision in Decision.allCases { #expect(words.contains("\(decision.xCacheStatus)")) }
  }

  private static let key = octets("http\0GET\0a\0/\"b\\\u{e9}\0")

  @Test(
    arguments: [
      (.hit, CacheStatusFacts(ttl: 30), "larder; hit; ttl=30", "§2.1, 2.4"),
      (.hit, CacheStatusFacts(ttl: 30, forwardStatus: 200), "larder; hit; ttl=30", "§2.3: not forwarded"),
      (.staleUpdating, CacheStatusFacts(ttl: -12), "larder; hit; ttl=-12", "§2.4: negative when stale"),
      (.staleOnError(.originDown), CacheStatusFacts(ttl: -12), "larder; hit; ttl=-12", "nobody was asked"),
      (
        .staleOnError(.attemptFailed), CacheStatusFacts(ttl: -12, forwardStatus: 503),
        "larder; fwd=stale; fwd-status=503; ttl=-12", "§2.2: asked in vain"
      ),
      (
        .miss(.cold), CacheStatusFacts(ttl: 60, forwardStatus: 200, isStored: true),
        "larder; fwd=uri-miss; fwd-status=200; ttl=60; stored", "§2.2, 2.5"
      ),
      (.miss(.variant), CacheStatusFacts(), "larder; fwd=vary-miss", "§2.2"),
      (
        .collapsed, CacheStatusFacts(forwardStatus: 200, isStored: true),
        "larder; fwd=miss; fwd-status=200; stored; collapsed", "§2.6"
      ),
      (.expired, CacheStatusFacts(forwardStatus: 200), "larder; fwd=stale; fwd-status=200", "§2.2"),
      (.revalidated, CacheStatusFacts(forwardStatus: 304), "larder; fwd=stale; fwd-status=304", "§2.3"),
      (.bypass(.method), CacheStatusFacts(), "larder; fwd=method", "§2.2"),
      (.bypass(.requestDirective), CacheStatusFacts(), "larder; fwd=request", "§2.2"),
      (.bypass(.credentials), CacheStatusFacts(), "larder; fwd=request", "§2.2: fresh, but not for this one"),
      (.bypass(.hitForMiss), CacheStatusFacts(), "larder; fwd=bypass", "§2.2"),
      (.failed(.connectFailed, .miss), CacheStatusFacts(), "larder; fwd=miss", "as its cause"),
      (.synthetic(.onlyIfCached), CacheStatusFacts(), "larder", "neither"),
    ] as [(Decision, CacheStatusFacts, String, Comment)])
  func `Cache-Status`(
    _ decision: Decision, _ facts: CacheStatusFacts, _ expected: String, _ reason: Comment
  ) {
    #expect(written { decision.writeCacheStatus(facts, key: Self.key.span, to: &$0) } == expected, reason)
  }

  @Test func `RFC 9211 §6: key and detail are for the trusted`() {
    let facts = CacheStatusFacts(ttl: 5, isTrusted: true)
    #expect(
      written { Decision.hit.writeCacheStatus(facts, key: Self.key.span, to: &$0) }
        == #"larder; hit; ttl=5; key="http GET a /\"b\\%C3%A9 "; detail=hit"#)
    #expect(
      written { Decision.bypass(.range).writeCacheStatus(CacheStatusFacts(isTrusted: true), to: &$0) }
        == "larder; fwd=miss; detail=bypass-range")
  }

  @Test func `a decision is either a hit, or forwarded, or our own`() {
    for decision in Decision.allCases {
      switch decision {
      case .synthetic, .purge:
        #expect(!decision.isHit)
        #expect(decision.forwardReason == nil)
      default: #expect(decision.isHit == (decision.forwardReason == nil))
      }
    }
  }

  @Test func `names are tokens, and tell decisions apart`() {
    var seen: [String: Decision] = [:]
    for decision in Decision.allCases {
      let name = "\(decision.logName)"
      #expect(name.utf8.allSatisfy { $0.isLower || $0 == .dash })
      guard let other = seen.updateValue(decision, forKey: name) else { continue }
      // Only what was under way may differ.
      guard case .failed(let one, _) = decision, case .failed(let two, _) = other, one == two else {
        Issue.record("\(decision) and \(other) are both \(name)")
        continue
      }
    }
  }

  @Test func `failures answer 502, 503, 504 or 508`() {
    #expect(Failure.allCases.allSatisfy { [502, 503, 504, 508].contains($0.status) })
  }
}
