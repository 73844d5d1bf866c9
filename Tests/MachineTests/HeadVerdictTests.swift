import Testing

@testable import Proxy

@Suite("What a waiter does when the head is there")
struct HeadVerdictTests {
  /// Nothing special: another's storable response that anybody may have.
  private static let plain = HeadVerdict(
    isOwn: false, isShareable: true, variantMatches: true, credentialsForbid: false, isConfirmation: false,
    isServerError: false, hasServableStale: false)

  private static func with(_ change: (inout HeadVerdict) -> Void) -> HeadVerdict {
    var verdict = plain
    change(&verdict)
    return verdict
  }

  private static let every: [HeadVerdict] = (0..<128).map { bits in
    HeadVerdict(
      isOwn: bits & 1 != 0, isShareable: bits & 2 != 0, variantMatches: bits & 4 != 0,
      credentialsForbid: bits & 8 != 0, isConfirmation: bits & 16 != 0, isServerError: bits & 32 != 0,
      hasServableStale: bits & 64 != 0)
  }

  @Test func `L9: a waiter reads what it may share and selects`() {
    #expect(Self.plain.order == .deliver)
    #expect(Self.with { $0.variantMatches = false }.order == .lookUpAgain)
    #expect(Self.with { $0.isShareable = false }.order == .fetchAlone)
    #expect(Self.with { $0.credentialsForbid = true }.order == .fetchAlone)
  }

  @Test func `L9: what is not shareable is not looked up again, whatever it varies by`() {
    let verdict = Self.with {
      $0.isShareable = false
      $0.variantMatches = false
    }
    #expect(verdict.order == .fetchAlone)
  }

  @Test
  func `L9: no waiter gets another's response that its credentials, its variant or its privacy forbids`() {
    for verdict in Self.every where !verdict.isOwn && verdict.order == .deliver {
      #expect(verdict.isShareable, "\(verdict)")
      if !verdict.isServerError {
        #expect(verdict.variantMatches && !verdict.credentialsForbid, "\(verdict)")
      }
    }
  }

  @Test func `who began a fetch gets its response, whatever it is, unless stale may stand in for an error`() {
    for verdict in Self.every where verdict.isOwn && !verdict.isConfirmation {
      let standsIn = verdict.isServerError && verdict.hasServableStale
      #expect(verdict.order == (standsIn ? .deliverStale : .deliver), "\(verdict)")
    }
  }

  @Test func `L11: an error is everybody's: stale if allowed, else that error, else our own`() {
    for verdict in Self.every where verdict.isServerError && !verdict.isConfirmation && !verdict.isOwn {
      let expected: HeadOrder =
        verdict.hasServableStale ? .deliverStale : verdict.isShareable ? .deliver : .refuse
      #expect(verdict.order == expected, "\(verdict)")
    }
  }

  @Test func `L16: stale is served after an error only`() {
    for verdict in Self.every where verdict.order == .deliverStale {
      #expect(verdict.isServerError && verdict.hasServableStale)
    }
  }

  @Test func `a 304 to our question is the confirmed entry's, for all who waited`() {
    for verdict in Self.every {
      #expect((verdict.order == .deliverConfirmed) == verdict.isConfirmation, "\(verdict)")
    }
  }

  @Test func `L11: a waiter never fetches on its own after a server error`() {
    for verdict in Self.every where verdict.isServerError {
      #expect(verdict.order != .fetchAlone && verdict.order != .lookUpAgain, "\(verdict)")
    }
  }
}
