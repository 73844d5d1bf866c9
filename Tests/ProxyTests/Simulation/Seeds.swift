import Testing

@testable import Proxy

/// The seeds of a test: some that never change and some that are new each time. `LARDER_SEED` runs one,
/// `LARDER_SEEDS` so many new ones.
enum Seeds {
  static func some(_ fixed: Int, new: Int = 2) -> [UInt64] {
    if let seed = environmentSeed { return [seed] }
    let count = more ?? new
    return (1...UInt64(fixed)).map { $0 } + (0..<count).map { _ in UInt64.random(in: 1000...UInt64.max) }
  }

  static var isThorough: Bool { more != nil }

  private static let more = environment("LARDER_SEEDS").flatMap { Int($0) }

  private static let environmentSeed = environment("LARDER_SEED").flatMap { UInt64($0) }
}

/// Runs one scenario for each seed and reports what went wrong, with the seed that repeats it.
func simulate(
  _ seeds: [UInt64], workers: Int = 2, servers: Int = 1,
  _ configure: @escaping (inout Configuration) -> Void = { _ in },
  policy: @escaping () -> Policy = { Policy() },
  _ scenario: (Simulation) throws -> Void
) throws {
  for seed in seeds {
    let simulation = try Simulation(seed: seed, workers: workers, servers: servers, configure, policy: policy)
    CurrentSeed.announce(seed)
    try scenario(simulation)
    simulation.finish()
    let violations = simulation.network.violations
    #expect(violations.isEmpty, "LARDER_SEED=\(seed)\n\(violations.joined(separator: "\n"))")
    if !violations.isEmpty { return }
  }
  CurrentSeed.forget()
}
