import Bytes
import Glibc
import TestSupport
import Testing

@testable import Storage

/// `fsync` fails as often as it is told to.
private final class FailingSync: DiskSystem, @unchecked Sendable {
  override func fsync(_ file: CInt) -> CInt { -EIO }
}

@Suite("The store's directory")
struct StoreDirectoryTests {
  private let home: TestFolder
  private var path: String { home.path + "/cache-data" }

  init() throws { home = try TestFolder() }

  private func open(
    levels: DiskLevels = .default, keyVersion: UInt32 = 1, keyTemplate: UInt64 = 5,
    system: DiskSystem = DiskSystem()
  ) throws(StoreDirectoryError) -> StoreDirectory {
    try StoreDirectory.open(
      path, levels: levels, keyVersion: keyVersion, keyTemplate: keyTemplate, system: system)
  }

  private func metaFile(_ change: (inout [UInt8]) -> Void) {
    let system = DiskSystem()
    let file = system.open(path + "/store.meta", in: AT_FDCWD, flags: O_RDWR)
    defer { system.close(file) }
    var bytes = [UInt8](repeating: 0, count: 56)
    _ = unsafe bytes.withUnsafeMutableBytes {
      unsafe system.readFully(file, into: $0.baseAddress!, count: 56, at: 0)
    }
    change(&bytes)
    let written = system.writeFully(file, bytes.span, at: 0)
    #expect(written == 0)
    #expect(system.truncate(file, to: bytes.count) == 0)
  }

  @Test func `each start has an epoch of its own, above all before it, L19`() throws {
    let first = try open().meta
    let second = try open().meta
    #expect(first.epoch == 1)
    #expect(second.epoch == 2)
    #expect(second.firstSequence == 2 << 36)
    #expect(second.seed == first.seed)
    #expect(second.identity == first.identity)
    #expect(first.seed != KeyHash(low: 0, high: 0))
  }

  @Test func `a second process is refused, with the directory's name`() throws {
    var held: StoreDirectory? = try open()
    let meta = held?.meta
    #expect(throws: StoreDirectoryError(path, .isLocked)) { try open() }
    #expect(throws: StoreDirectoryError(path, .isLocked)) { try StoreDirectory.examine(path) }
    #expect(StoreDirectoryError(path, .isLocked).message.contains(path))
    withExtendedLifetime(held) {}
    held = nil
    #expect(try StoreDirectory.examine(path).meta == meta)
  }

  @Test func `store.meta is for its owner alone`() throws {
    let directory = try open()
    var facts = FileFacts()
    #expect(directory.system.facts("store.meta", in: directory.descriptor, &facts) == 0)
    #expect(facts.permissions == 0o600)
    #expect(facts.size == 56)
  }

  @Test func `other levels are known from before, and the files stay this store's`() throws {
    let first = try open().meta
    let second = try open(levels: DiskLevels("2:2"))
    #expect(second.previous?.levels == .default)
    #expect(second.meta.levels.text == "2:2")
    #expect(second.meta.identity == first.identity)
  }

  @Test func `another key version or template makes all files foreign`() throws {
    let first = try open().meta
    #expect(try open(keyVersion: 2).meta.identity != first.identity)
    #expect(try open(keyTemplate: 6).meta.identity != first.identity)
    #expect(try open().meta.identity == first.identity)
  }

  @Test func `a store whose meta is lost begins anew: old numbers cannot be compared`() throws {
    let first = try open().meta
    for i in 0..<56 {
      metaFile { $0[i] ^= 0x10 }
      let next = try open()
      #expect(next.previous == nil, "byte \(i)")
      #expect(next.meta.identity != first.identity)
    }
    for count in 0..<56 {
      metaFile { $0.removeLast(56 - count) }
      #expect(try open().previous == nil, "\(count) bytes")
    }
  }

  @Test func `another version's store is left alone`() throws {
    _ = try open()
    metaFile { $0.replaceSubrange(8..<12, with: [2, 0, 0xfd, 0xff]) }
    #expect(throws: StoreDirectoryError(path, .unknownVersion(2))) { try open() }
  }

  @Test func `no start without its epoch on the device`() throws {
    _ = try open()
    #expect(throws: StoreDirectoryError(path, .cannot("write store.meta in", EIO))) {
      try open(system: FailingSync())
    }
    #expect(try open().meta.epoch == 2)
  }

  @Test func `a directory that cannot be is named`() throws {
    #expect(throws: StoreDirectoryError("/proc/larder", .cannot("make", ENOENT))) {
      try StoreDirectory.open("/proc/larder", levels: .default, keyVersion: 1, keyTemplate: 0)
    }
    #expect(throws: StoreDirectoryError(home.path, .noStore)) { try StoreDirectory.examine(home.path) }
  }
}
