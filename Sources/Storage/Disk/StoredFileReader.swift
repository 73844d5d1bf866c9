public import Bytes
import Glibc

/// Why a file could not be read, or not be used.
public enum StoredFileFailure: Error, Equatable, Sendable {
  case unusable(StoredFileError)
  /// The `errno`.
  case system(CInt)
}

/// What one file of the store holds.
public enum StoredFileContents: Equatable, Sendable {
  case entry(DecodedEntry)
  case varyRecord(VaryRecord)
}

/// Reads an open file of the store: what stands before the body, then the block table, then blocks. For disk
/// threads; keeps its memory from file to file.
public struct StoredFileReader: ~Copyable {
  private let system: DiskSystem
  /// `StoreMeta.identity`.
  private let store: UInt64
  private let clock: StoreClock
  private var buffer: [UInt8] = []

  public init(store: UInt64, clock: StoreClock, system: DiskSystem) {
    self.store = store
    self.clock = clock
    self.system = system
  }

  /// What `contents` has read: the ranges of a `DecodedEntry` refer to it. Valid until the next call.
  public var bytes: Span<UInt8> {
    @_lifetime(borrow self)
    get { buffer.span }
  }

  /// Reads everything but the body and its table.
  ///
  /// - Parameters:
  ///   - fileBytes: The size as the system tells it.
  ///   - now: Times are never later.
  public mutating func contents(
    of file: CInt, fileBytes: Int, now: CacheSeconds
  ) throws(StoredFileFailure) -> StoredFileContents {
    try fill(from: file, at: 0, count: min(fileBytes, EntryFile.firstReadBytes))
    if StoredFileKind(buffer.span) == .varyRecord {
      guard fileBytes <= VaryRecord.sizeLimit else { throw .unusable(.damaged(.size)) }
      if fileBytes > buffer.count { try fill(from: file, at: 0, count: fileBytes) }
      do { return .varyRecord(try VaryRecord.decode(buffer.span, store: store)) } catch {
        throw .unusable(error)
      }
    }
    while true {
      let count: Int
      do {
        switch try EntryFile.decode(buffer.span, fileBytes: fileBytes, store: store, clock: clock, now: now) {
        case .entry(let entry): return .entry(entry)
        case .needs(let more): count = more
        }
      } catch {
        throw .unusable(error)
      }
      guard count > buffer.count else { throw .unusable(.damaged(.size)) }
      try fill(from: file, at: 0, count: count)
    }
  }

  /// Reads the block table; `bytes` are then the trailer's.
  public mutating func table(of entry: DecodedEntry, in file: CInt) throws(StoredFileFailure) -> BlockTable {
    try fill(from: file, at: entry.trailerOffset, count: entry.trailerBytes)
    do { return try BlockTable.decode(buffer.span, of: entry) } catch { throw .unusable(error) }
  }

  /// Reads and checks block `index`, which is present; `bytes` are then the block's.
  public mutating func readBlock(
    _ index: Int, of entry: DecodedEntry, _ table: BlockTable, in file: CInt
  ) throws(StoredFileFailure) {
    let range = table.range(index)
    try fill(from: file, at: entry.bodyOffset + range.lowerBound, count: range.count)
    guard table.matches(index, buffer.span) else { throw .unusable(.damaged(.body)) }
  }

  private mutating func fill(from file: CInt, at offset: Int, count: Int) throws(StoredFileFailure) {
    if buffer.count > count { buffer.removeLast(buffer.count - count) }
    buffer.append(contentsOf: repeatElement(0, count: count - buffer.count))
    // SAFETY: the kernel writes at most `count` bytes, which the buffer has.
    let result = unsafe buffer.withUnsafeMutableBytes {
      unsafe $0.isEmpty ? 0 : system.readFully(file, into: $0.baseAddress!, count: count, at: offset)
    }
    guard result >= 0 else { throw .system(CInt(-result)) }
    guard result == count else { throw .unusable(.damaged(.size)) }
  }
}
