import Bytes
import Caching
import Glibc

@testable import Storage

/// A response for the disk, in the words that tests want.
struct SampleEntry: Equatable {
  var key = "GET http://shop.example/img/a.png"
  var url = "shop.example/img/a.png"
  var varyNames = "accept-encoding,accept-language"
  var varyValues = "accept-encoding: gzip\naccept-language: de\n"
  var tags = "shop images"
  var selecting = KeyHash(low: 0x0102_0304_0506_0708, high: 0x1112_1314_1516_1718)
  var facts = Self.facts
  var head = "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nDate: Tue, 24 Nov 2026 12:00:00 GMT\r\n"
  var body = Array("the body of the response, some lines of it, so that there is something to flip".utf8)

  static let facts = EntryFile.Facts(
    born: 1 << 36 | 77, status: 200,
    freshness: Freshness(
      requestTime: 1_800_000_000, responseTime: 1_800_000_002, initialAge: 3, lifetime: 600,
      staleWhileRevalidate: 30, staleIfError: 86400, grace: 10, source: .sMaxAge, rules: .mustRevalidate),
    graceSource: .flag, keep: 3600, keepSource: .policy, isSoftlyPurged: false, etag: ByteRange(23, 27),
    lastModified: 1_700_000_000)

  static let store: UInt64 = 0x5107_e1de_0000_0001
  /// A process that started a while ago on a machine that booted before.
  static let clock = StoreClock(cacheOffset: 1_799_000_000_123, wallOffset: 1_799_000_000_123, boot: 99)
  static let now: CacheSeconds = 1_800_000_050

  /// The file's bytes.
  func file(partial present: [Int]? = nil) -> [UInt8] {
    let names = (Array(key.utf8), Array(url.utf8), Array(varyNames.utf8), Array(varyValues.utf8))
    let tags = Array(tags.utf8)
    let head = Array(head.utf8)
    let all = EntryFile.Names(
      key: names.0.span, url: names.1.span, varyNames: names.2.span, varyValues: names.3.span,
      tags: tags.span, selecting: selecting)
    let layout = EntryFile.Layout(all, headBytes: head.count)!
    var output = OutputBuffer(capacity: 4096)
    let stamp = EntryFile.writeHeader(
      all, facts, head: head.span, layout: layout, bodyLength: body.count, isPartial: present != nil,
      created: 1_800_000_002_500, store: Self.store, clock: Self.clock, to: &output)
    output.append(body)
    table(partial: present).write(stamp: stamp, to: &output)
    return output.bytes.array
  }

  func table(partial present: [Int]? = nil) -> BlockTable {
    if let present {
      var table = BlockTable(bodyLength: body.count)
      for i in present { table.set(i, to: body.span.extracting(table.range(i))) }
      return table
    }
    var checksums = BlockChecksums()
    checksums.append(body.span)
    return checksums.finished()
  }

  var name: EntryName {
    let parts = (Array(key.utf8), Array(varyNames.utf8))
    return EntryName(key: parts.0.span, varyNames: parts.1.span, selecting: selecting)
  }
}

/// Everything that can be served from a file, read as the store reads it.
struct ReadBack: Equatable {
  var entry = SampleEntry()
  var isPartial = false
  var created: Int64 = 0
  var freeSlot = SlotPlace(offset: 0, capacity: 0, sequence: 0, stamp: 0)
  var bodyOffset = 0

  init(
    _ file: [UInt8], clock: StoreClock = SampleEntry.clock, now: CacheSeconds = SampleEntry.now
  ) throws(StoredFileFailure) {
    var reader = StoredFileReader(store: SampleEntry.store, clock: clock, system: MemoryFile(file))
    guard case .entry(let entry) = try reader.contents(of: 0, fileBytes: file.count, now: now) else {
      throw .unusable(.damaged(.magic))
    }
    let bytes = reader.bytes.array
    func text(_ range: ByteRange) -> String {
      String(decoding: bytes[range.lower..<range.upper], as: UTF8.self)
    }
    self.entry = SampleEntry(
      key: text(entry.key), url: text(entry.url), varyNames: text(entry.varyNames),
      varyValues: text(entry.varyValues), tags: text(entry.tags), selecting: entry.selecting,
      facts: entry.facts, head: text(entry.head), body: [])
    isPartial = entry.isPartial
    created = entry.created
    freeSlot = entry.freeSlot
    bodyOffset = entry.bodyOffset
    let table = try reader.table(of: entry, in: 0)
    for i in 0..<table.blockCount where table.isPresent(i) {
      try reader.readBlock(i, of: entry, table, in: 0)
      self.entry.body += reader.bytes.array
    }
  }
}

/// One file, whatever its descriptor, in memory.
final class MemoryFile: DiskSystem, @unchecked Sendable {
  let bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  override func read(
    _ file: CInt, into memory: UnsafeMutableRawPointer, count: Int, at offset: Int
  ) -> Int {
    let part = bytes[min(offset, bytes.count)..<min(offset + count, bytes.count)]
    unsafe memory.copyMemory(from: Array(part), byteCount: part.count)
    return part.count
  }
}
