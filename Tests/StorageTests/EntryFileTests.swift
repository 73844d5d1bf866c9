import Bytes
import Caching
import CLinux
import Testing

@testable import Storage

@Suite("Entry files")
struct EntryFileTests {
  @Test func `what is written is read`() throws {
    let sample = SampleEntry()
    let read = try ReadBack(sample.file())
    #expect(read.entry == sample)
    #expect(!read.isPartial)
    #expect(read.created == 1_800_000_002_500)
  }

  @Test(arguments: [UInt64(11), UInt64.random(in: 0...UInt64.max)])
  func `whatever the facts and sizes, what is written is read`(_ seed: UInt64) throws {
    print("entry files: seed \(seed)")
    var random = SeededRandom(seed)
    func text(_ limit: Int) -> String {
      String(decoding: (0..<random.below(limit)).map { _ in UInt8(97 + random.below(26)) }, as: UTF8.self)
    }
    for _ in 0..<200 {
      var sample = SampleEntry()
      sample.key = text(300)
      sample.url = text(300)
      sample.varyNames = text(40)
      sample.varyValues = text(random.below(8) == 0 ? 9000 : 200)
      sample.tags = text(100)
      sample.selecting = KeyHash(low: random.next(), high: random.next())
      if sample.varyNames.isEmpty { sample.selecting = KeyHash(low: 0, high: 0) }
      sample.head = text(4000)
      sample.body = Array(text(random.below(20) == 0 ? 150_000 : 300).utf8)
      let response = SampleEntry.now - Int64(random.below(1_000_000))
      func window() -> UInt32 { UInt32(truncatingIfNeeded: random.next()) & (1 << 31 - 1) }
      sample.facts.freshness = Freshness(
        requestTime: response - Int64(random.below(100)), responseTime: response, initialAge: window(),
        lifetime: window(), staleWhileRevalidate: window(), staleIfError: window(), grace: window(),
        source: FreshnessSource.allCases.randomElement(using: &random)!,
        rules: StaleRules(rawValue: UInt8(random.below(4))))
      sample.facts.born = random.next()
      sample.facts.keep = window()
      sample.facts.isSoftlyPurged = random.below(2) == 0
      sample.facts.lastModified = random.below(2) == 0 ? nil : Int64(random.below(2_000_000_000)) - 1000
      sample.facts.etag = sample.head.isEmpty ? nil : ByteRange(0, sample.head.utf8.count)
      let file = sample.file()
      #expect(try ReadBack(file).entry == sample)
    }
  }

  @Test func `a prefix that is too short says how much is needed, and more of it does not change that`()
    throws
  {
    var sample = SampleEntry()
    sample.tags = String(repeating: "tag ", count: 3000)
    let file = sample.file()
    func decode(_ count: Int) throws -> DecodedPrefix {
      try EntryFile.decode(
        file.span.extracting(0..<count), fileBytes: file.count, store: SampleEntry.store,
        clock: SampleEntry.clock, now: SampleEntry.now)
    }
    #expect(try decode(0) == .needs(92))
    #expect(try decode(91) == .needs(92))
    guard case .needs(let count) = try decode(92) else {
      Issue.record("a preamble is no header")
      return
    }
    #expect(count > 12_000)
    #expect(try decode(count - 1) == .needs(count))
    guard case .entry(let entry) = try decode(count) else {
      Issue.record("it is whole")
      return
    }
    #expect(entry.bodyOffset == count)
    #expect(try decode(file.count) == .entry(entry))
  }

  @Test func `the header stands where the layout says, before the body's length is known`() {
    let key = Array("k".utf8)
    let names = EntryFile.Names(key: key.span, url: key.span)
    let layout = EntryFile.Layout(names, headBytes: 100)!
    var output = OutputBuffer(capacity: 1024)
    let head = [UInt8](repeating: 104, count: 100)
    _ = EntryFile.writeHeader(
      names, SampleEntry.facts, head: head.span, layout: layout, bodyLength: 10 << 30, created: 0, store: 1,
      clock: SampleEntry.clock, to: &output)
    let count = output.count
    #expect(count == layout.bodyOffset)
    // 92 of preamble, 2 of names, two slots of 112 + 100 and at least 256 of room.
    #expect(layout.bodyOffset == 92 + 2 + 2 * (112 + 100 + 256))
    // 163,840 blocks: a bit and four bytes each, and the checksum.
    #expect(layout.fileBytes(bodyLength: 10 << 30) == layout.bodyOffset + 10 << 30 + 20_480 + 655_360 + 4)
    let tooLong = EntryFile.Layout(names, headBytes: 1 << 20)
    #expect(tooLong == nil)
  }

  @Test func `a body has a checksum for each 64 KiB, in whatever pieces it comes`() {
    let body = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
    var pieces = BlockChecksums()
    var at = 0
    var size = 1
    while at < body.count {
      let end = min(at + size, body.count)
      pieces.append(body.span.extracting(at..<end))
      at = end
      size = size * 3 % 70_001
    }
    let table = pieces.finished()
    func matches(_ index: Int, _ range: Range<Int>) -> Bool {
      table.matches(index, body.span.extracting(range))
    }
    #expect(table.blockCount == 4)
    #expect(table.range(3) == 196_608..<200_000)
    for i in 0..<4 { #expect(matches(i, table.range(i))) }
    #expect(!matches(0, 1..<65_537))
    var sample = SampleEntry()
    sample.body = body
    #expect(table == sample.table())
    sample.body = []
    #expect(sample.table().blockCount == 0)
    #expect(sample.table().isWhole)
  }

  @Test func `a partial body has those blocks that its map names`() throws {
    var sample = SampleEntry()
    sample.body = (0..<(10 * 65_536 + 5)).map { UInt8(truncatingIfNeeded: $0 / 97) }
    let file = sample.file(partial: [0, 3, 10])
    let read = try ReadBack(file)
    #expect(read.isPartial)
    let expected = Array(sample.body[0..<65_536] + sample.body[196_608..<262_144] + sample.body[655_360...])
    #expect(read.entry.body == expected)
    let table = sample.table(partial: [0, 3, 10])
    #expect((0..<11).filter { table.isPresent($0) } == [0, 3, 10])
    #expect(!table.isWhole)
    #expect(sample.table(partial: Array(0..<11)).isWhole)
  }

  @Test func `a whole entry's map has every block`() throws {
    var sample = SampleEntry()
    sample.body = [UInt8](repeating: 1, count: 70_000)
    let file = sample.file()
    let start = try ReadBack(file).bodyOffset
    var output = OutputBuffer(capacity: 64)
    guard
      case .entry(let entry) = try EntryFile.decode(
        file.span, fileBytes: file.count, store: SampleEntry.store, clock: SampleEntry.clock, now: 0)
    else { return }
    sample.table(partial: [0]).write(stamp: entry.stamp, to: &output)
    let altered = file[..<(start + 70_000)] + output.bytes.array
    #expect(throws: StoredFileFailure.unusable(.damaged(.trailer))) { try ReadBack(Array(altered)) }
  }

  @Test func `a file of another store, version or kind is told apart from a damaged one`() throws {
    let file = SampleEntry().file()
    func failure(_ file: [UInt8], store: UInt64 = SampleEntry.store) -> StoredFileError? {
      do throws(StoredFileError) {
        _ = try EntryFile.decode(
          file.span, fileBytes: file.count, store: store, clock: SampleEntry.clock, now: 0)
        return nil
      } catch {
        return error
      }
    }
    #expect(failure(file) == nil)
    #expect(failure(file, store: 1) == .foreign)
    var later = file
    later.replaceSubrange(8..<12, with: [2, 0, 0xfd, 0xff])
    #expect(failure(later) == .unknownVersion(2))
    later[10] = 0xfe
    #expect(failure(later) == .damaged(.preamble), "a rotten version is no other version")
    #expect(failure(Array("an image that somebody has put here".utf8)) == .damaged(.magic))
    #expect(failure([]) == .damaged(.size))
  }
}
