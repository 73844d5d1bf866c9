import Foundation
import Testing

/// What a hit costs, measured on the release build by `hit-cost`: allocations in a thousand hits;
/// instructions, system calls, atomics and counted references in one, step by step.
@Suite("Costs of a hit")
struct CostTests {
  private func everyCost(_ check: (Cost, Limits.Scenario) -> Void) throws {
    let exists = FileManager.default.fileExists(atPath: Costs.program.path)
    try #require(exists, "swift build -c release --static-swift-stdlib --product hit-cost")
    let limits = try Costs.limits.get()
    let costs = try Costs.measured.get()
    try #require(Set(costs.map(\.name)) == Set(limits.scenarios.keys))
    for cost in costs { check(cost, try #require(limits.scenarios[cost.name])) }
  }

  @Test func `a hit allocates nothing`() throws {
    try everyCost { cost, _ in
      #expect(cost.hits >= 1000)
      #expect(cost.allocations == 0, "\(cost.name): \(cost.allocating)")
    }
  }

  @Test func `L5: a line of the access log allocates nothing, waits for nothing and writes nothing shared`()
    throws
  {
    let own = try Costs.limits.get().ownClasses
    for (cost, logged) in zip(try Costs.measured.get(), try Costs.measuredLogged.get()) {
      #expect(logged.allocations == 0, "\(cost.name): \(logged.allocating)")
      #expect(logged.systemCalls == cost.systemCalls && logged.ownAtomics == cost.ownAtomics, "\(cost.name)")
      let added = Set((logged.counted ?? [:]).keys).subtracting((cost.counted ?? [:]).keys)
      #expect(added.isSubset(of: own), "\(cost.name): \(added)")
    }
  }

  #if arch(x86_64)
    /// Half a microsecond is what it may cost. These took 0.2 to 0.4, the writer's share included.
    @Test func `a line of the access log takes at most 4,700 instructions`() throws {
      for (cost, logged) in zip(try Costs.measured.get(), try Costs.measuredLogged.get()) {
        let more = try #require(logged.ownInstructions) - #require(cost.ownInstructions)
        #expect(more > 100 && more <= 4700, "\(cost.name): \(logged.running ?? [:])")
      }
    }
  #endif

  @Test func `the counter of allocations does count`() throws {
    try everyCost { cost, _ in
      // Kinds of hit that another's miss has stored have no miss of their own.
      if ["plain", "large", "varying"].contains(cost.name) { #expect(cost.allocationsOfMiss > 0) }
    }
  }

  #if arch(x86_64)
    @Test func `a hit waits, reads and writes once`() throws {
      try everyCost { cost, _ in #expect(cost.systemCalls == 3, "\(cost.name)") }
    }

    @Test func `L5: shared memory is written by lock, unlock, and the entry's count up and down`() throws {
      try everyCost { cost, _ in
        let atomics = cost.ownAtomics
        #expect(atomics.values.reduce(0, +) == 4, "\(cost.name): \(atomics)")
        let inStore = atomics.filter { $0.key.contains("MemoryStore.lookUp") }.values.reduce(0, +)
        #expect(inStore == 3, "\(cost.name): \(atomics)")
      }
    }

    @Test func `L5: no object that workers share is retained or released`() throws {
      let own = try Costs.limits.get().ownClasses
      try everyCost { cost, _ in
        let foreign = (cost.counted ?? [:]).filter { !own.contains($0.key) }
        #expect(foreign.isEmpty, "\(cost.name): \(foreign)")
        #expect(cost.counted?.isEmpty == false)
      }
    }

    @Test func `a hit counts no more references than before`() throws {
      try everyCost { cost, limit in
        #expect(cost.countedReferences <= limit.countedReferences, "\(cost.name): \(cost.counting ?? [:])")
      }
    }

    @Test func `a hit takes no more instructions than before`() throws {
      try everyCost { cost, limit in
        #expect(cost.ownInstructions ?? 0 > 1000, "\(cost.name)")
        #expect(cost.ownInstructions ?? .max <= limit.instructions, "\(cost.name)")
      }
    }
  #endif
}
