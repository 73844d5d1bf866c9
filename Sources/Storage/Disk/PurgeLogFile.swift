import Bytes
import Glibc

/// The file `purge.log` and what it must hold. Belongs to the log's thread.
///
/// Records are appended and made durable together. After a failure nothing is known of what the device has,
/// so the next attempt writes a whole new file, from memory; the same way shortens it.
@safe struct PurgeLogFile: ~Copyable {
  static let name = "purge.log"
  static let magic = FileMagic(text: "LarderP\n")
  static let version: UInt16 = 1
  static let headerBytes = 32
  /// Records that the log may have before it is looked through for those that are needed no more.
  static let leastLimit = 16_384

  private let directory: CInt
  private let system: DiskSystem
  private let identity: UInt64
  /// -1: to be written anew.
  private var file: CInt = -1
  private var end = 0
  /// All that the file must hold, in the order in which it came.
  private(set) var records: [PurgeRecord]
  private var limit: Int
  private(set) var syncs = 0

  init(directory: CInt, system: DiskSystem, identity: UInt64, records: [PurgeRecord]) {
    self.directory = directory
    self.system = system
    self.identity = identity
    self.records = records
    limit = max(PurgeLogFile.leastLimit, 2 * records.count)
  }

  deinit { if file >= 0 { system.close(file) } }

  var isWritten: Bool { file >= 0 }

  /// Adds records and makes them durable: 0, or `-errno`; they are written with the next ones then.
  ///
  /// - Parameter needless: Purges up to this number are needed no more.
  mutating func append(_ added: [PurgeRecord], needless: UInt64) -> CInt {
    records.append(contentsOf: added)
    if records.count > limit { shorten(needless: needless) }
    guard file >= 0 else { return rewrite() }
    if added.isEmpty { return 0 }
    var bytes = OutputBuffer(capacity: added.count * PurgeRecord.byteCount)
    for record in added { record.write(to: &bytes) }
    var result = system.writeFully(file, bytes.bytes, at: end)
    if result == 0 { result = system.fdatasync(file) }
    syncs += 1
    if result == 0 { end += bytes.count } else { closeFile() }
    return result
  }

  /// Opens the file to append at `end`, or writes it anew: `nil`. 0, or `-errno`.
  mutating func begin(at end: Int?) -> CInt {
    guard let end else { return rewrite() }
    let opened = system.open(PurgeLogFile.name, in: directory, flags: O_WRONLY)
    guard opened >= 0 else { return opened }
    file = opened
    self.end = end
    return 0
  }

  private mutating func rewrite() -> CInt {
    closeFile()
    var bytes = OutputBuffer(capacity: PurgeLogFile.headerBytes + records.count * PurgeRecord.byteCount)
    writeHeader(to: &bytes)
    for record in records { record.write(to: &bytes) }
    syncs += 1
    let result = system.replace(PurgeLogFile.name, in: directory, with: bytes.bytes)
    guard result == 0 else { return result }
    return begin(at: bytes.count)
  }

  /// What was written is gone: the next attempt writes all of it.
  mutating func closeFile() {
    if file >= 0 { system.close(file) }
    file = -1
  }

  /// Forgets what is needed no more, or said again by a later purge of the same URL.
  private mutating func shorten(needless: UInt64) {
    var later: [KeyHash: (hard: UInt64, soft: UInt64)] = [:]
    for record in records {
      let known = later[record.urlHash] ?? (0, 0)
      later[record.urlHash] =
        record.soft
        ? (known.hard, max(known.soft, record.sequence)) : (max(known.hard, record.sequence), known.soft)
    }
    records.removeAll { record in
      let newest = later[record.urlHash] ?? (0, 0)
      return record.sequence <= needless || record.sequence < newest.hard
        || record.soft && record.sequence < newest.soft
    }
    limit = max(PurgeLogFile.leastLimit, 2 * records.count)
    closeFile()
  }

  private func writeHeader(to output: inout OutputBuffer) {
    output.append(PurgeLogFile.magic.text)
    output.append(little: PurgeLogFile.version)
    output.append(little: ~PurgeLogFile.version)
    output.append(little: UInt32(PurgeRecord.byteCount))
    output.append(little: identity)
    output.append(little: UInt32(0))
    output.append(little: crc32c(output.bytes))
  }
}

/// What a log was found to hold.
struct PurgeLogContents {
  var records: [PurgeRecord] = []
  /// Records within the log that cannot be read: purges that may be lost.
  var damaged = 0
  /// The file is as this version leaves it, so that records can be appended.
  var end: Int?

  /// - Parameter bytes: The whole file.
  init(_ bytes: Span<UInt8>, identity: UInt64) throws(StoredFileError) {
    let isHeaderWhole = try PurgeLogContents.checkHeader(bytes, identity: identity)
    var offset = PurgeLogFile.headerBytes
    var damagedSince = 0
    while offset + PurgeRecord.byteCount <= bytes.count {
      if let record = PurgeRecord(bytes.extracting(offset..<offset + PurgeRecord.byteCount)) {
        records.append(record)
        damaged += damagedSince
        damagedSince = 0
      } else {
        damagedSince += 1
      }
      offset += PurgeRecord.byteCount
    }
    let isClean = isHeaderWhole && damaged == 0 && damagedSince == 0 && offset == bytes.count
    end = isClean ? offset : nil
  }

  /// False: it is damaged, which does no harm to the records.
  private static func checkHeader(_ bytes: Span<UInt8>, identity: UInt64) throws(StoredFileError) -> Bool {
    guard bytes.count >= PurgeLogFile.headerBytes else { return false }
    do throws(StoredFileError) {
      try PurgeLogFile.magic.check(bytes, version: PurgeLogFile.version)
    } catch .damaged {
      return false
    }
    var reader = NumberReader(bytes, at: PurgeLogFile.headerBytes - 4)
    let sum = reader.next(UInt32.self)
    guard sum == crc32c(bytes.extracting(0..<PurgeLogFile.headerBytes - 4)) else { return false }
    reader = NumberReader(bytes, at: FileMagic.byteCount + 4)
    guard reader.next(UInt64.self) == identity else { throw .foreign }
    return true
  }
}
