import Bytes
import Glibc
import TestSupport
import Testing

@testable import Storage

/// A store's directory with files in it.
private struct Shelf {
  let home: TestFolder
  let directory: StoreDirectory
  private var system: DiskSystem { directory.system }

  init(system: DiskSystem = DiskSystem()) throws {
    home = try TestFolder()
    directory = try StoreDirectory.open(
      home.path, levels: .default, keyVersion: 1, keyTemplate: 0, system: system)
  }

  func put(_ bytes: [UInt8], at path: String) {
    var folder = ""
    for part in path.split(separator: "/").dropLast() {
      folder += "\(part)/"
      _ = system.makeDirectory(folder, in: directory.descriptor)
    }
    let file = system.open(path, in: directory.descriptor, flags: O_RDWR | O_CREAT | O_TRUNC)
    #expect(file >= 0)
    let written = system.writeFully(file, bytes.span, at: 0)
    #expect(written == 0)
    system.close(file)
  }

  func path(_ name: EntryName) -> String { directory.meta.levels.path(for: name) }

  func has(_ path: String) -> Bool {
    var facts = FileFacts()
    return system.facts(path, in: directory.descriptor, &facts) == 0
  }

  /// An entry's file of this store, and where it belongs.
  func entry(_ key: String, body: Int = 100) -> (bytes: [UInt8], path: String) {
    let key = Array(key.utf8)
    let names = EntryFile.Names(key: key.span, url: key.span)
    let head = Array("HTTP/1.1 200 OK\r\nETag: \"v1\"\r\n".utf8)
    let body = (0..<body).map { UInt8(truncatingIfNeeded: $0 / 255 + $0) }
    var output = OutputBuffer(capacity: 1024)
    let stamp = EntryFile.writeHeader(
      names, SampleEntry.facts, head: head.span, layout: EntryFile.Layout(names, headBytes: head.count)!,
      bodyLength: body.count, created: 0, store: directory.meta.identity, clock: SampleEntry.clock,
      to: &output)
    output.append(body)
    var checksums = BlockChecksums()
    checksums.append(body.span)
    checksums.finished().write(stamp: stamp, to: &output)
    return (output.bytes.array, path(names.fileName))
  }

  func vary(_ key: String) -> (bytes: [UInt8], path: String) {
    let key = Array(key.utf8)
    var output = OutputBuffer(capacity: 256)
    VaryRecord(key: key, url: key, lists: [Array("cookie".utf8)], born: 1, purgeSequence: 0, created: 0)
      .write(store: directory.meta.identity, to: &output)
    return (output.bytes.array, path(EntryName(key: key.span)))
  }

  func verify(repairs: Bool = false) -> (StoreVerification, [String: StoreVerification.Finding]) {
    var findings: [String: StoreVerification.Finding] = [:]
    let result = StoreVerification.run(directory, repairs: repairs) { findings[$0] = $1 }
    return (result, findings)
  }
}

/// A file whose blocks cannot be read.
private final class FailingRead: DiskSystem, @unchecked Sendable {
  override func read(
    _ file: CInt, into memory: UnsafeMutableRawPointer, count: Int, at offset: Int
  ) -> Int { offset == 0 ? unsafe super.read(file, into: memory, count: count, at: offset) : -Int(EIO) }
}

@Suite("Verifying a store")
struct StoreVerificationTests {
  @Test func `good files are sound, of any length, and vary records too`() throws {
    let shelf = try Shelf()
    var bytes = 0
    for length in [0, 1, 65_535, 65_536, 65_537, 300_000] {
      let entry = shelf.entry("key \(length)", body: length)
      shelf.put(entry.bytes, at: entry.path)
      bytes += entry.bytes.count
    }
    let record = shelf.vary("varies")
    shelf.put(record.bytes, at: record.path)
    var expected = StoreVerification()
    expected.files = 7
    expected.bytes = bytes + record.bytes.count
    let (result, findings) = shelf.verify()
    #expect(result == expected)
    #expect(findings.isEmpty)
    #expect(result.isClean)
  }

  @Test func `each kind of defect is found, and repairing leaves what is good`() throws {
    let shelf = try Shelf()
    let good = shelf.entry("good", body: 70_000)
    shelf.put(good.bytes, at: good.path)
    var rotten = shelf.entry("rotten", body: 200_000)
    rotten.bytes[150_000] ^= 4
    shelf.put(rotten.bytes, at: rotten.path)
    let short = shelf.entry("short")
    shelf.put(short.bytes.dropLast(), at: short.path)
    let empty = shelf.entry("empty").path
    shelf.put([], at: empty)
    let wrong = shelf.path(EntryName(key: Array("another".utf8).span))
    shelf.put(good.bytes, at: wrong)
    let alien = shelf.path(SampleEntry().name)
    shelf.put(SampleEntry().file(), at: alien)
    var later = shelf.entry("later")
    later.bytes.replaceSubrange(8..<12, with: [2, 0, 0xfd, 0xff])
    shelf.put(later.bytes, at: later.path)
    let moved = shelf.entry("moved")
    let elsewhere = "00/" + moved.path.suffix(64)
    shelf.put(moved.bytes, at: elsewhere)
    shelf.put([1], at: "tmp/17")
    shelf.put([1], at: "store.meta.new")
    shelf.put([1], at: "a/a note of the operator's")

    let (found, findings) = shelf.verify()
    let bad: [String: StoreVerification.Finding] = [
      rotten.path: .bad(.damaged(.body)), short.path: .bad(.damaged(.size)), empty: .bad(.damaged(.size)),
      wrong: .bad(.damaged(.name)), alien: .bad(.foreign),
    ]
    var expected = StoreVerification()
    expected.files = 8
    expected.bytes = good.bytes.count + moved.bytes.count
    expected.bad = 5
    expected.unknownVersion = 1
    expected.misplaced = 1
    expected.temporary = 2
    #expect(found == expected)
    #expect(findings == bad.merging(["tmp/17": .temporary, "store.meta.new": .temporary]) { one, _ in one })
    #expect(!found.isClean)

    expected.bad = 0
    expected.temporary = 0
    expected.removed = 7
    #expect(shelf.verify(repairs: true).0 == expected)
    expected.files = 3
    expected.removed = 0
    #expect(shelf.verify().0 == expected)
    #expect(shelf.has(good.path) && shelf.has(later.path) && shelf.has(elsewhere))
    #expect(shelf.has("a/a note of the operator's") && shelf.has("store.meta"))
  }

  @Test func `a file that cannot be read is not called bad, nor removed`() throws {
    let shelf = try Shelf(system: FailingRead())
    let entry = shelf.entry("k")
    shelf.put(entry.bytes, at: entry.path)
    let (result, findings) = shelf.verify(repairs: true)
    #expect(findings == [entry.path: .unreadable(EIO)])
    #expect(result.unreadable == 1 && result.bad == 0 && result.removed == 0)
    #expect(!result.isClean)
    #expect(shelf.has(entry.path))
  }

  @Test func `verifying can be paced and ended, and tells which version of the file it has seen`() throws {
    let shelf = try Shelf()
    let entry = shelf.entry("k", body: 200_000)
    shelf.put(entry.bytes, at: entry.path)
    let name = EntryName(key: Array("k".utf8).span)
    var verifier = FileVerifier(
      shelf.directory.descriptor, store: shelf.directory.meta.identity, clock: SampleEntry.clock,
      system: shelf.directory.system)
    var reads: [Int] = []
    let verdict = verifier.verify(entry.path, name: name) { count in
      reads.append(count)
      return true
    }
    var facts = FileFacts()
    _ = shelf.directory.system.facts(entry.path, in: shelf.directory.descriptor, &facts)
    #expect(verdict == .sound(facts.version))
    #expect(reads == [65_536, 65_536, 65_536, 3392])
    #expect(verifier.verify(entry.path, name: name) { _ in false } == .interrupted)
    #expect(verifier.verify("0/00/none", name: name) == .gone)
  }

  @Test func `a file that changes while it is read is looked at again`() throws {
    let shelf = try Shelf()
    let entry = shelf.entry("k", body: 100_000)
    var rotten = entry.bytes
    rotten[rotten.count - 20_000] ^= 1
    shelf.put(rotten, at: entry.path)
    var verifier = FileVerifier(
      shelf.directory.descriptor, store: shelf.directory.meta.identity, clock: SampleEntry.clock,
      system: shelf.directory.system)
    var isFirst = true
    let verdict = verifier.verify(entry.path, name: EntryName(key: Array("k".utf8).span)) { _ in
      // The first block is read; the second, which is bad, is made good with another length of the file.
      if isFirst { shelf.put(Array(rotten.dropLast()), at: entry.path) }
      isFirst = false
      return true
    }
    #expect(verdict == .unusable(.damaged(.size)))
  }

  @Test func `the walk goes through the levels only, and can be ended`() throws {
    let shelf = try Shelf()
    let name = String(decoding: SampleEntry().name.hex, as: UTF8.self)
    for path in [
      name, "a/\(name)", "0f/1/\(name)", "1/2/3/\(name)", "1/2/3/4/\(name)", "xy/\(name)", "a/b c",
    ] {
      shelf.put([1], at: path)
    }
    var seen: Set<String> = []
    let walk = StoreWalk(shelf.directory.descriptor, system: shelf.directory.system)
    let isWhole = walk.run {
      if case .file(let path, _) = $0 { seen.insert(path) }
      return true
    }
    #expect(isWhole)
    #expect(seen == ["a/\(name)", "0f/1/\(name)", "1/2/3/\(name)"])
    var visits = 0
    let isEnded = !walk.run { _ in
      visits += 1
      return visits < 2
    }
    #expect(isEnded && visits == 2)
  }
}
