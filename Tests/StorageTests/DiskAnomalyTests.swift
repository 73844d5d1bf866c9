import Bytes
import Glibc
import TestSupport
import Testing

@testable import Storage

/// One thing goes wrong at a time, at every place where it can.
@Suite("The disk tier when something goes wrong", .serialized)
struct DiskAnomalyTests {
  private static let lengths = [
    "/small": 900, "/large": 140_000, "/hard": 3000, "/soft": 3000, "/new": 70_000,
  ]

  private static func body(_ key: String, version: Int) -> [UInt8] {
    DiskStoreTests.body("\(key) \(version)", lengths[key] ?? 0)
  }

  /// What happened, as far as it decides what may be served later.
  private struct Outcome {
    var isHardDurable = false
    var isSoftDurable = false
    var calls = 0
  }

  private func prepare(_ medium: Medium) throws -> Ground {
    let ground = try Ground(medium)
    let warehouse = try Warehouse(ground)
    for key in ["/small", "/large", "/hard", "/soft"] { warehouse.store(key, Self.body(key, version: 1)) }
    warehouse.store(
      "/vary", DiskStoreTests.body("de", 500), vary: "accept-language", ["accept-language": "de"])
    warehouse.settle()
    warehouse.stop()
    return ground
  }

  /// Nothing but one of these versions, or nothing.
  private func expect(
    _ warehouse: Warehouse, _ key: String, _ versions: ClosedRange<Int>, isThere: Bool = false, _ what: String
  ) {
    let found = warehouse.find(key)
    if isThere { #expect(found != nil, "\(key) is not there, \(what)") }
    guard let found else { return }
    #expect(versions.contains { found.body == Self.body(key, version: $0) }, "\(key) is wrong, \(what)")
  }

  /// A life in which something goes wrong.
  private func live(
    on ground: Ground, _ fault: FaultyDisk.Fault?, after number: Int = 0, _ what: String
  ) -> Outcome {
    var outcome = Outcome()
    let system = FaultyDisk(ground.disk)
    if let fault { system.plan(fault, after: number) }
    guard let warehouse = try? Warehouse(ground, on: system) else {
      // It has said why it cannot begin, and has left nothing open.
      #expect(system.openDescriptors == 0, "\(what)")
      system.end()
      return outcome
    }
    expect(warehouse, "/small", 1...1, what)
    expect(warehouse, "/large", 1...1, what)
    _ = warehouse.find("/vary", ["accept-language": "de"])
    outcome.isHardDurable = warehouse.purge("/hard")
    outcome.isSoftDurable = warehouse.purge("/soft", soft: true)
    #expect(warehouse.find("/hard") == nil, "\(what)")
    #expect(warehouse.find("/soft")?.isStale ?? true, "\(what)")
    warehouse.store("/new", Self.body("/new", version: 1))
    warehouse.store("/small", Self.body("/small", version: 2))
    warehouse.renew("/large", head: "HTTP/1.1 200 OK\r\nNew: 1\r\n")
    warehouse.promote("/large")
    warehouse.settle()
    expect(warehouse, "/large", 1...1, what)
    expect(warehouse, "/small", 1...2, what)
    expect(warehouse, "/new", 1...1, what)
    outcome.calls = warehouse.system.calls
    if !warehouse.reports.read({ $0.contains { $0.contains("cannot remove") } }) {
      checkAccounts(warehouse, ground, what)
    }
    warehouse.disk.stop()
    // The directory and its lock, and the bodies that are held open; the log's ends with the store.
    let log = 1
    #expect(
      warehouse.system.openDescriptors <= 2 + log + warehouse.disk.openFiles, "descriptors leak, \(what)")
    let statistics = warehouse.disk.index.statistics
    #expect(statistics.reservedBytes == 0 && statistics.leavingBytes == 0, "\(statistics), \(what)")
    warehouse.system.end()
    return outcome
  }

  /// - Parameter isExact: No file may be bad, and all are counted.
  private func lookAfterwards(_ ground: Ground, _ outcome: Outcome, isExact: Bool, _ what: String) throws {
    let warehouse = try Warehouse(ground)
    if isExact { checkAccounts(warehouse, ground, what) }
    expect(warehouse, "/small", 1...2, what)
    expect(warehouse, "/large", 1...1, what)
    expect(warehouse, "/new", 1...1, what)
    if outcome.isHardDurable { #expect(warehouse.find("/hard") == nil, "\(what)") }
    if outcome.isSoftDurable { #expect(warehouse.find("/soft")?.isStale ?? true, "\(what)") }
    warehouse.stop()
  }

  private static let faults: [FaultyDisk.Fault] = [.fails(EIO), .fails(ENOSPC), .fails(EMFILE), .isShort]

  @Test(arguments: 0..<4)
  func `the nth system call fails, for every n: no wrong byte, nothing leaks, all is well afterwards`(
    _ index: Int
  ) throws {
    let fault = Self.faults[index]
    let all = live(on: try prepare(.simulated), nil, "no fault").calls
    let ground = try prepare(.simulated)
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededRandom(seed)
    for n in 1...all + 8 where index == 0 || random.below(8) == 0 {
      let ground = Ground(copying: ground)
      let what = "\(fault) at call \(n), seed \(seed)"
      let outcome = live(on: ground, fault, after: n, what)
      try lookAfterwards(ground, outcome, isExact: true, what)
    }
  }

  @Test(arguments: Medium.allCases)
  func `R3: a full disk costs nothing but the disk, and storing resumes by itself`(_ medium: Medium) throws {
    let ground = try prepare(medium)
    let warehouse = try Warehouse(ground)
    warehouse.settle()
    warehouse.system.failChanges(ENOSPC)
    warehouse.store("/new", Self.body("/new", version: 1))
    warehouse.settle()
    expect(warehouse, "/new", 1...1, isThere: true, "full")
    expect(warehouse, "/large", 1...1, isThere: true, "full")
    #expect(warehouse.disk.health.fault?.contains("No space left") == true)
    #expect(warehouse.reports.read { $0.count } == 1)
    warehouse.system.failChanges(0)
    warehouse.clock.advance(2)
    warehouse.store("/again", DiskStoreTests.body("again", 100))
    warehouse.settle()
    #expect(warehouse.disk.health.fault == nil)
    warehouse.kill()
    let second = try Warehouse(ground)
    #expect(second.find("/again")?.body == DiskStoreTests.body("again", 100))
    second.stop()
    try checkAccounts(ground)
  }

  @Test func `the power fails at any time: no wrong byte, and purges that were answered hold, L22`() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededRandom(seed)
    let start = try prepare(.simulated)
    for turn in 0..<40 {
      let what = "seed \(seed), turn \(turn)"
      let ground = Ground(copying: start)
      let warehouse = try Warehouse(ground)
      var outcome = Outcome()
      if random.below(2) == 0 { outcome.isHardDurable = warehouse.purge("/hard") }
      if random.below(2) == 0 { outcome.isSoftDurable = warehouse.purge("/soft", soft: true) }
      if random.below(2) == 0 { warehouse.store("/new", Self.body("/new", version: 1)) }
      if random.below(2) == 0 { warehouse.store("/small", Self.body("/small", version: 2)) }
      if random.below(2) == 0 { warehouse.renew("/large", head: "HTTP/1.1 200 OK\r\nNew: 1\r\n") }
      if random.below(2) == 0 { warehouse.settle() }
      warehouse.kill()
      ground.simulated.losePower(&random)
      try lookAfterwards(ground, outcome, isExact: false, what)
    }
  }
}
