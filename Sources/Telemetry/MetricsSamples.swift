/// What the parts that workers share have to say, taken at one moment. Plain values, so that this module
/// needs none of theirs.
public struct PoolSample: Sendable {
  public var name: String
  /// Requests waiting for a free connection now.
  public var waiting: Int
  public var servers: [ServerSample]

  public init(name: String, waiting: Int, servers: [ServerSample]) {
    self.name = name
    self.waiting = waiting
    self.servers = servers
  }
}

public struct ServerSample: Sendable {
  /// Address as configured or resolved, `127.0.0.1:3000`. One that appears twice in a pool is shown as one.
  public var name: String
  /// Takes requests: not ejected and not draining.
  public var isUp: Bool
  /// Connections in use.
  public var active: Int
  /// Since start.
  public var failures: Int
  /// Times it was ejected since start.
  public var ejections: Int

  public init(name: String, isUp: Bool, active: Int, failures: Int, ejections: Int) {
    self.name = name
    self.isUp = isUp
    self.active = active
    self.failures = failures
    self.ejections = ejections
  }
}

/// The memory tier.
public struct MemorySample: Sendable {
  public var budgetBytes: Int
  /// Allocated, index and marks included (L31).
  public var usedBytes: Int
  /// Held by traffic under way, and how much of that there may be.
  public var inFlightBytes: Int
  public var inFlightLimitBytes: Int
  public var entries: Int
  /// Hit-for-miss marks.
  public var marks: Int
  /// Purges that older fills under way are still held against.
  public var purgeRecords: Int
  /// Since start, by reason; a reason that appears twice is summed.
  public var evictions: [(reason: String, count: Int)]

  public init(
    budgetBytes: Int, usedBytes: Int, inFlightBytes: Int, inFlightLimitBytes: Int, entries: Int, marks: Int,
    purgeRecords: Int,
    evictions: [(reason: String, count: Int)]
  ) {
    self.budgetBytes = budgetBytes
    self.usedBytes = usedBytes
    self.inFlightBytes = inFlightBytes
    self.inFlightLimitBytes = inFlightLimitBytes
    self.entries = entries
    self.marks = marks
    self.purgeRecords = purgeRecords
    self.evictions = evictions
  }
}

public struct ProcessSample: Sendable {
  public var version: String
  /// Seconds since 1970.
  public var startedAt: Int64
  public var isDraining: Bool
  /// Connections of clients that there may be.
  public var maxClients: Int
  /// Failed writes of the access log.
  public var accessLogErrors: Int
  /// Lines lost in them.
  public var accessLogLinesLost: Int

  public init(
    version: String, startedAt: Int64, isDraining: Bool, maxClients: Int, accessLogErrors: Int,
    accessLogLinesLost: Int
  ) {
    self.version = version
    self.startedAt = startedAt
    self.isDraining = isDraining
    self.maxClients = maxClients
    self.accessLogErrors = accessLogErrors
    self.accessLogLinesLost = accessLogLinesLost
  }
}
