import IO

extension Configuration {
  /// Reads the flags of `larder serve`.
  ///
  /// - Parameter machine: What defaults follow from.
  public static func parse(
    _ arguments: [String], machine: Machine = .current()
  ) throws(UsageError) -> Configuration {
    var configuration = Configuration(machine: machine)
    let (given, _) = try options.apply(arguments, to: &configuration)
    try configuration.complete(given: given)
    return configuration
  }

  /// Every value in effect as a flag line; `parse` reads them back to an equal configuration.
  public var flagLines: [String] { Self.options.lines(for: self) }

  /// Fills in what follows from other values, then checks what no flag can be wrong about alone.
  mutating func complete(given: Set<String>) throws(UsageError) {
    if !given.contains("max-object") { maxObjectBytes = storeBytes / 8 }
    if !given.contains("max-in-flight") { inFlightBytes = Self.inFlightBytes(memory: memoryBytes) }
    try checkTogether()
  }

  private func checkTogether() throws(UsageError) {
    for (index, setting) in listen.enumerated()
    where !isAnyPort(setting.address) && listen[..<index].contains(where: { $0.address == setting.address }) {
      throw .badValue(flag: "--listen", value: "\(setting)", expected: "each address once")
    }
    if let admin, let taken = listen.first(where: { Self.overlap(admin, $0.address) }) {
      throw .badValue(flag: "--admin", value: "\(admin)", expected: "an address apart from --listen \(taken)")
    }
    if disk == nil, memoryBytes < Self.leastMemory {
      throw .badValue(
        flag: "--memory", value: Quantity.describe(bytes: memoryBytes),
        expected: "at least \(Quantity.describe(bytes: Self.leastMemory)), or a --disk")
    }
    if maxObjectBytes > storeBytes {
      throw .badValue(
        flag: "--max-object", value: Quantity.describe(bytes: maxObjectBytes),
        expected: "at most the \(Quantity.describe(bytes: storeBytes)) of --memory")
    }
    if maxTargetBytes > maxHeadBytes {
      throw .badValue(
        flag: "--max-target", value: Quantity.describe(bytes: maxTargetBytes),
        expected: "at most the \(Quantity.describe(bytes: maxHeadBytes)) of --max-head")
    }
  }

  /// Whether a connection to one could reach the other. The kernel would not object: sockets that share a
  /// port among workers may also share it with a wildcard.
  private static func overlap(_ a: SocketAddress, _ b: SocketAddress) -> Bool {
    if a.isUnix || b.isUnix { return a == b }
    guard a.port == b.port, a.port != 0 else { return false }
    if a.family == .any || b.family == .any { return true }
    return a.family == b.family && (a == b || isWildcard(a) || isWildcard(b))
  }

  private static func isWildcard(_ address: SocketAddress) -> Bool { address.high == 0 && address.low == 0 }

  private func isAnyPort(_ address: SocketAddress) -> Bool { !address.isUnix && address.port == 0 }
}
