public import Bytes

/// When a server is taken out of a pool and put back, without any probe: from what happens to requests (L27).
///
/// The defaults lie between those of the programs that operators know. nginx takes a server out for 10 s at
/// its first failure (`max_fails=1 fail_timeout=10s`), which one dropped connection can cause; HAProxy
/// (`observe`, `error-limit 10`) and Envoy (`consecutive_5xx: 5`, 30 s times the number of ejections) wait
/// longer. Here:
///
/// - Three failures without an answer between them, within 10 s, take a server out. An answer forgets what
///   was before it, as in HAProxy and Envoy: a server that drops one request in a thousand stays in.
/// - It is out for 10 s, and twice as long each next time, up to 60 s. A server that then stayed in for 60 s
///   starts again at 10 s.
/// - After that time it is on trial: it gets one request a second until it answers one, and a connect failure
///   or reset sends it out again at once.
public struct PoolOptions: Sendable, Equatable {
  /// Most connections in use to one server, over all workers (L11). More than 0.
  public var maxConnectionsPerServer = 256
  /// How long a failure counts.
  public var failureWindowMilliseconds: Milliseconds = 10_000
  /// So many failures within the window take a server out. More than 0.
  public var failuresToEject = 3
  /// Time-outs count only when this many different keys timed out within the window.
  public var timedOutKeysToCount = 3
  /// How long a server is out for the first time.
  public var firstEjectionMilliseconds: Milliseconds = 10_000
  /// The most that doubling makes of it; also how long a server must stay in to be trusted as before.
  public var longestEjectionMilliseconds: Milliseconds = 60_000
  /// Time between two requests to a server on trial.
  public var trialSpacingMilliseconds: Milliseconds = 1_000

  public init() {}
}
