/// Decisions as small numbers and as names, for counters and logs.
extension Decision: CaseIterable {
  /// How many decisions there are; `index` is below it.
  public static var count: Int { purgeStart + 2 }

  private static var missStart: Int { 1 }
  private static var collapsedStart: Int { missStart + 4 }
  private static var staleOnErrorStart: Int { collapsedStart + 4 }
  private static var bypassStart: Int { staleOnErrorStart + 3 }
  private static var failedStart: Int { bypassStart + 10 }
  private static var syntheticStart: Int { failedStart + 11 * 3 }
  private static var purgeStart: Int { syntheticStart + 5 }

  /// The decision's place in `allCases`. Does not allocate.
  public var index: Int {
    switch self {
    case .hit: 0
    case .miss(let reason): Self.missStart + Int(reason.rawValue)
    case .collapsed: Self.collapsedStart
    case .expired: Self.collapsedStart + 1
    case .revalidated: Self.collapsedStart + 2
    case .staleUpdating: Self.collapsedStart + 3
    case .staleOnError(let cause): Self.staleOnErrorStart + Int(cause.rawValue)
    case .bypass(let reason): Self.bypassStart + Int(reason.rawValue)
    case .failed(let failure, let attempt):
      Self.failedStart + Int(failure.rawValue) * 3 + Int(attempt.rawValue)
    case .synthetic(let synthesis): Self.syntheticStart + Int(synthesis.rawValue)
    case .purge(let outcome): Self.purgeStart + Int(outcome.rawValue)
    }
  }

  /// All decisions, in the order of `index`.
  public static var allCases: [Decision] {
    var all: [Decision] = [.hit]
    all += MissReason.allCases.map { .miss($0) }
    all += [.collapsed, .expired, .revalidated, .staleUpdating]
    all += StaleCause.allCases.map { .staleOnError($0) }
    all += BypassReason.allCases.map { .bypass($0) }
    for failure in Failure.allCases { all += Attempt.allCases.map { .failed(failure, $0) } }
    all += Synthesis.allCases.map { .synthetic($0) }
    all += PurgeOutcome.allCases.map { .purge($0) }
    return all
  }

  /// The decision with its reason, a token of RFC 8941: for logs, metrics and `detail`. What was under way
  /// when an attempt failed is not in it; `xCacheStatus` tells. Does not allocate.
  public var logName: StaticString {
    switch self {
    case .hit: "hit"
    case .miss(.cold): "miss"
    case .miss(.variant): "miss-variant"
    case .miss(.released): "miss-released"
    case .miss(.waitTimedOut): "miss-wait-timed-out"
    case .collapsed: "collapsed"
    case .expired: "expired"
    case .revalidated: "revalidated"
    case .staleUpdating: "stale-updating"
    case .staleOnError(.attemptFailed): "stale-attempt-failed"
    case .staleOnError(.backingOff): "stale-backing-off"
    case .staleOnError(.originDown): "stale-origin-down"
    case .bypass(let reason): reason.logName
    case .failed(let failure, _): failure.logName
    case .synthetic(.refused): "refused"
    case .synthetic(.onlyIfCached): "only-if-cached"
    case .synthetic(.overloaded): "overloaded"
    case .synthetic(.policy): "synthetic-policy"
    case .synthetic(.rateLimited): "rate-limited"
    case .purge(.done): "purge"
    case .purge(.refused): "purge-refused"
    }
  }
}

extension BypassReason {
  var logName: StaticString {
    switch self {
    case .method: "bypass-method"
    case .hitForMiss: "hit-for-miss"
    case .authorization: "bypass-authorization"
    case .range: "bypass-range"
    case .precondition: "bypass-precondition"
    case .requestBody: "bypass-request-body"
    case .credentials: "bypass-credentials"
    case .requestDirective: "bypass-request-directive"
    case .policy: "bypass-policy"
    case .upgrade: "bypass-upgrade"
    }
  }
}

extension Failure {
  var logName: StaticString {
    switch self {
    case .connectFailed: "connect-failed"
    case .connectTimedOut: "connect-timed-out"
    case .firstByteTimedOut: "first-byte-timed-out"
    case .reset: "reset"
    case .badResponse: "bad-response"
    case .noServer: "no-server"
    case .queueTimedOut: "queue-timed-out"
    case .unshareable: "unshareable-error"
    case .loop: "loop"
    case .exhausted: "exhausted"
    case .internalError: "internal-error"
    }
  }

  /// The status of our reply.
  public var status: UInt16 {
    switch self {
    case .connectFailed, .reset, .badResponse, .internalError: 502
    case .connectTimedOut, .firstByteTimedOut: 504
    case .noServer, .queueTimedOut, .unshareable, .exhausted: 503
    case .loop: 508
    }
  }
}
