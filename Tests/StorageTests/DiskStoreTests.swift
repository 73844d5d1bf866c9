import Bytes
import Caching
import Glibc
import TestSupport
import Testing

@testable import Storage

/// What the disk tier does, on a real file system and on the simulated one.
@Suite("The disk tier", .serialized)
struct DiskStoreTests {
  static func body(_ text: String, _ count: Int) -> [UInt8] {
    Array(String(repeating: text + " ", count: count / (text.utf8.count + 1) + 1).utf8.prefix(count))
  }

  static let lengths = [0, 1, 4096, 65_535, 65_536, 65_537, 200_000]

  @Test(arguments: Medium.allCases)
  func `what was stored is there after a restart and after a kill, byte by byte`(_ medium: Medium) throws {
    let ground = try Ground(medium)
    for isKilled in [false, true] {
      let first = try Warehouse(ground)
      for length in Self.lengths { first.store("/\(isKilled)/\(length)", Self.body("\(isKilled)", length)) }
      first.settle()
      if isKilled { first.kill() } else { first.stop() }
      let second = try Warehouse(ground)
      for length in Self.lengths {
        let found = try #require(second.find("/\(isKilled)/\(length)"), "\(length)")
        #expect(found.body == Self.body("\(isKilled)", length))
        #expect(found.isInFile && !found.isStale)
      }
      second.stop()
    }
    try checkAccounts(ground)
  }

  @Test(arguments: Medium.allCases)
  func `L15: variants are told apart after a restart`(_ medium: Medium) throws {
    let ground = try Ground(medium)
    let first = try Warehouse(ground)
    for language in ["de", "en", "fr"] {
      first.store("/v", Self.body(language, 100), vary: "accept-language", ["accept-language": language])
    }
    first.settle()
    first.kill()
    let second = try Warehouse(ground)
    for language in ["fr", "de", "en"] {
      #expect(second.find("/v", ["accept-language": language])?.body == Self.body(language, 100))
    }
    #expect(second.find("/v", ["accept-language": "it"]) == nil)
    second.stop()
    try checkAccounts(ground)
  }

  @Test(arguments: Medium.allCases)
  func `a 304's head is there after a kill, and the body is the old one`(_ medium: Medium) throws {
    let ground = try Ground(medium)
    var warehouse = try Warehouse(ground)
    warehouse.store("/a", Self.body("a", 70_000))
    warehouse.settle()
    for turn in 1...3 {
      #expect(warehouse.renew("/a", head: "HTTP/1.1 200 OK\r\nTurn: \(turn)\r\n"))
      warehouse.settle()
      #expect(warehouse.disk.counters.headWrites.load(ordering: .relaxed) == 1)
      warehouse.kill()
      warehouse = try Warehouse(ground)
      let found = try #require(warehouse.find("/a"))
      #expect(found.head == "HTTP/1.1 200 OK\r\nTurn: \(turn)\r\n")
      #expect(found.body == Self.body("a", 70_000))
    }
    warehouse.stop()
    try checkAccounts(ground)
  }

  @Test(arguments: Medium.allCases)
  func `L22: a purge that was answered holds after a kill, with and without checkpoint`(_ medium: Medium)
    throws
  {
    for hasCheckpoint in [false, true] {
      let ground = try Ground(medium)
      var warehouse = try Warehouse(ground)
      for name in ["/hard", "/soft", "/other"] { warehouse.store(name, Self.body(name, 5000)) }
      warehouse.settle()
      if hasCheckpoint {
        warehouse.stop()
        warehouse = try Warehouse(ground)
      }
      #expect(warehouse.purge("/hard"))
      #expect(warehouse.purge("/soft", soft: true))
      warehouse.kill()
      warehouse = try Warehouse(ground)
      #expect(warehouse.find("/hard") == nil)
      #expect(try #require(warehouse.find("/soft")).isStale)
      #expect(try !#require(warehouse.find("/other")).isStale)
      warehouse.settle()
      #expect(warehouse.find("/hard") == nil)
      warehouse.stop()
      try checkAccounts(ground)
    }
  }

  @Test(arguments: Medium.allCases)
  func `L32: size is kept, the least recently used leave, and their files with them`(_ medium: Medium) throws
  {
    let ground = try Ground(medium)
    let warehouse = try Warehouse(ground, size: 1 << 20, adjusting: { $0.memoryObject = 0 })
    for i in 0..<60 {
      warehouse.store("/\(i)", Self.body("\(i)", 30_000))
      warehouse.settle()
      let statistics = warehouse.disk.index.statistics
      #expect(statistics.bytes + statistics.reservedBytes + statistics.leavingBytes <= 1 << 20)
    }
    #expect(warehouse.disk.index.statistics.entries > 20)
    #expect(warehouse.disk.index.statistics.evictions(for: .size) > 25)
    warehouse.kill()
    let second = try Warehouse(ground, size: 1 << 20)
    #expect(second.find("/59")?.body == Self.body("59", 30_000))
    #expect(second.find("/0") == nil)
    second.stop()
    try checkAccounts(ground)
  }

  @Test(arguments: Medium.allCases)
  func `a body that was hit twice comes into memory, byte by byte`(_ medium: Medium) throws {
    let ground = try Ground(medium)
    let first = try Warehouse(ground)
    first.store("/a", Self.body("a", 150_000))
    first.settle()
    first.stop()
    let second = try Warehouse(ground)
    #expect(second.find("/a")?.isInFile == true)
    second.promote("/a")
    second.settle()
    let found = try #require(second.find("/a"))
    #expect(!found.isInFile)
    #expect(found.body == Self.body("a", 150_000))
    second.stop()
  }

  @Test(arguments: Medium.allCases)
  func `L9: a file that was altered behind our back is served to nobody, and removed`(_ medium: Medium) throws
  {
    let ground = try Ground(medium)
    let first = try Warehouse(ground)
    first.store("/a", Self.body("a", 150_000))
    first.settle()
    first.stop()
    let second = try Warehouse(ground)
    second.settle()
    // The scrub reads its first file at once, and would count what it finds as well.
    while second.disk.counters.scrubbed.value == 0 { usleep(200) }
    let entry = try #require(second.disk.index.entries(from: 0, limit: 1).entries.first)
    let file = ground.disk.open("\(ground.path)/\(second.disk.path(entry.name))", in: AT_FDCWD, flags: O_RDWR)
    #expect(file >= 0)
    #expect(ground.disk.writeFully(file, [0xff].span, at: 100_000) == 0)
    ground.disk.close(file)
    #expect(second.find("/a") == nil)
    second.settle()
    #expect(second.disk.counters.damaged.load(ordering: .relaxed) == 1)
    #expect(second.disk.index.statistics.entries == 0)
    second.stop()
    try checkAccounts(ground)
  }

  @Test(arguments: Medium.allCases)
  func `who reads a file that is evicted or purged meanwhile reads it to its end`(_ medium: Medium) throws {
    let ground = try Ground(medium)
    let first = try Warehouse(ground)
    first.store("/a", Self.body("a", 900_000))
    first.settle()
    first.stop()
    let second = try Warehouse(ground)
    second.settle()
    let found = second.find("/a") {
      second.purge("/a"); second.settle()
    }
    #expect(found?.body == Self.body("a", 900_000))
    #expect(second.find("/a") == nil)
    second.settle()
    second.stop()
    try checkAccounts(ground)
  }
}

/// What the index counts is what lies there, and nothing else does.
func checkAccounts(_ ground: Ground, _ what: String = "") throws {
  let warehouse = try Warehouse(ground)
  checkAccounts(warehouse, ground, what)
  warehouse.stop()
}

func checkAccounts(_ warehouse: Warehouse, _ ground: Ground, _ what: String) {
  warehouse.settle()
  let directory = warehouse.disk.directory
  var bytes = 0
  var entries = 0
  StoreWalk(directory.descriptor, system: ground.disk).run { item in
    switch item {
    case .file(let path, _):
      var facts = FileFacts()
      #expect(ground.disk.facts(path, in: directory.descriptor, &facts) == 0)
      bytes += facts.blocks * 512
      entries += 1
    // It is being written.
    case .temporary("index.checkpoint.new"): break
    case .temporary(let path): Issue.record("\(path) is left, \(what)")
    case .unreadable(let path, _): Issue.record("\(path) cannot be read, \(what)")
    }
    return true
  }
  let statistics = warehouse.disk.index.statistics
  #expect(statistics.entries == entries, "\(what)")
  #expect(statistics.bytes == bytes, "\(what)")
  #expect(statistics.reservedBytes == 0 && statistics.leavingBytes == 0, "\(what)")
  let verification = StoreVerification.run(directory, repairs: false) { path, finding in
    if finding != .temporary { Issue.record("\(path): \(finding), \(what)") }
  }
  #expect(verification.isClean)
}
