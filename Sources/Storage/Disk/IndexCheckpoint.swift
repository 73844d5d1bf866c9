public import Bytes
import Glibc

/// The file `index.checkpoint`: what the index knew a while ago, so that a start need not read the head of
/// every file. It is a hint: each entry's file is verified before it is served, and the scan corrects the
/// rest. docs/store-format.md has every byte.
///
/// Pages of 4096 bytes, each with its own checksum: the header, then records from the least to the most
/// recently used. A bad header or a wrong length: no checkpoint. A bad page: its records are left to the
/// scan.
public struct IndexCheckpoint: Sendable {
  public static let name = "index.checkpoint"
  public static let version: UInt16 = 1
  static let magic = FileMagic(text: "LarderI\n")
  static let pageBytes = 4096
  static let recordBytes = 72
  static let recordsPerPage = 56
  /// Pages read or written by one call.
  static let pagesPerCall = 16

  public let header: Header

  public struct Header: Equatable, Sendable {
    /// `StoreMeta.identity`: names and URL hashes of another store mean nothing here.
    public var identity: UInt64
    /// `StoreMeta.epoch` of the process that wrote it.
    public var epoch: UInt64
    public var count = 0
    /// What the entries' files took.
    public var bytes = 0
    /// When it was written, by the clock of the process that wrote it, as are the records' times, and what
    /// `StoreClock` makes of that in another process.
    public var time: CacheSeconds
    public var wall: Int64
    public var monotonic: Milliseconds
    public var boot: UInt64

    var pageCount: Int {
      (count + IndexCheckpoint.recordsPerPage - 1) / IndexCheckpoint.recordsPerPage
    }
  }

  public enum Failure: Error, Equatable, Sendable {
    case missing
    /// An `errno`.
    case cannotRead(CInt)
    case unusable(StoredFileError)
  }
}

/// What a checkpoint has brought.
public struct RestoredCheckpoint: Equatable, Sendable {
  /// Records that were read.
  public var records = 0
  public var damagedPages = 0
  /// The `errno` that ended it early; 0: none.
  public var failure: CInt = 0
}

/// One page in the making, or being read.
enum CheckpointPage {
  static let checkedBytes = IndexCheckpoint.pageBytes - 4

  /// Fills the page that began at `start` with zeros and its checksum.
  static func seal(_ pages: inout OutputBuffer, from start: Int) {
    while pages.count < start + checkedBytes { pages.append(UInt8(0)) }
    pages.append(little: crc32c(pages.bytes.extracting(start..<start + checkedBytes)))
  }

  static func isWhole(_ page: Span<UInt8>) -> Bool {
    var reader = NumberReader(page, at: checkedBytes)
    return reader.next(UInt32.self) == crc32c(page.extracting(0..<checkedBytes))
  }

  /// - Parameter number: 1 for the first behind the header.
  static func append(_ entries: ArraySlice<DiskEntry>, number: Int, to pages: inout OutputBuffer) {
    let start = pages.count
    pages.append(little: UInt32(clamping: number))
    pages.append(little: UInt32(entries.count))
    for entry in entries {
      entry.name.write(to: &pages)
      pages.append(little: entry.urlHash)
      pages.append(little: entry.born)
      pages.append(little: entry.blocks)
      pages.append(little: UInt32(clamping: entry.lastUse))
      pages.append(little: UInt32(clamping: entry.usefulUntil))
      pages.append(little: entry.hits)
      pages.append(little: UInt64(entry.flags.rawValue))
    }
    seal(&pages, from: start)
  }

  /// The page's records, the last one first; `nil`: it is damaged.
  static func entries(_ page: Span<UInt8>, number: Int, count: Int) -> [DiskEntry]? {
    guard isWhole(page) else { return nil }
    var reader = NumberReader(page)
    guard reader.next(UInt32.self) == UInt32(clamping: number), reader.next(UInt32.self) == count else {
      return nil
    }
    var entries: [DiskEntry] = []
    entries.reserveCapacity(count)
    for i in (0..<count).reversed() {
      let start = 8 + i * IndexCheckpoint.recordBytes
      guard let name = EntryName(digest: page.extracting(start..<start + EntryName.byteCount)) else {
        return nil
      }
      reader = NumberReader(page, at: start + EntryName.byteCount)
      entries.append(
        DiskEntry(
          name: name, urlHash: reader.next(), born: reader.next(), blocks: reader.next(),
          lastUse: CacheSeconds(reader.next(UInt32.self)),
          usefulUntil: CacheSeconds(reader.next(UInt32.self)), hits: reader.next(),
          flags: DiskEntry.Flags(rawValue: reader.next())))
    }
    return entries
  }
}

extension IndexCheckpoint.Header {
  func write(to pages: inout OutputBuffer) {
    let start = pages.count
    pages.append(IndexCheckpoint.magic.text)
    pages.append(little: IndexCheckpoint.version)
    pages.append(little: ~IndexCheckpoint.version)
    pages.append(little: UInt32(IndexCheckpoint.recordBytes))
    pages.append(little: identity)
    pages.append(little: epoch)
    pages.append(little: UInt64(count))
    pages.append(little: UInt64(bytes))
    pages.append(little: time)
    pages.append(little: wall)
    pages.append(little: monotonic)
    pages.append(little: boot)
    CheckpointPage.seal(&pages, from: start)
  }

  init(_ page: Span<UInt8>) throws(StoredFileError) {
    try IndexCheckpoint.magic.check(page, version: IndexCheckpoint.version)
    guard CheckpointPage.isWhole(page) else { throw .damaged(.preamble) }
    var reader = NumberReader(page, at: FileMagic.byteCount)
    guard reader.next(UInt32.self) == IndexCheckpoint.recordBytes else { throw .damaged(.preamble) }
    identity = reader.next()
    epoch = reader.next()
    count = Int(clamping: reader.next(UInt64.self))
    bytes = Int(clamping: reader.next(UInt64.self))
    time = reader.next()
    wall = reader.next()
    monotonic = reader.next()
    boot = reader.next()
    guard count <= UInt32.max else { throw .damaged(.preamble) }
  }
}
