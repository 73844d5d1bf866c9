public import Bytes

/// One purge as the purge log holds it: 32 bytes.
public struct PurgeRecord: Equatable, Sendable {
  /// What was born before it under this URL is purged (L19).
  public var sequence: UInt64
  /// Of the canonical URL (L7), with the store's seed.
  public var urlHash: KeyHash
  public var soft: Bool

  public init(sequence: UInt64, urlHash: KeyHash, soft: Bool) {
    self.sequence = sequence
    self.urlHash = urlHash
    self.soft = soft
  }

  static let byteCount = 32

  func write(to output: inout OutputBuffer) {
    let start = output.count
    output.append(little: sequence)
    output.append(urlHash)
    output.append(little: UInt32(soft ? 1 : 0))
    output.append(little: crc32c(output.bytes.extracting(start..<output.count)))
  }

  /// `nil`: it is damaged.
  init?(_ bytes: Span<UInt8>) {
    guard bytes.count == PurgeRecord.byteCount else { return nil }
    var reader = NumberReader(bytes, at: PurgeRecord.byteCount - 4)
    guard reader.next(UInt32.self) == crc32c(bytes.extracting(0..<PurgeRecord.byteCount - 4)) else {
      return nil
    }
    reader = NumberReader(bytes)
    sequence = reader.next()
    urlHash = reader.nextHash()
    soft = reader.next(UInt32.self) & 1 != 0
  }
}

/// The purges of the log by URL, for what a start brings back: nothing from checkpoint, scan or promotion may
/// be older than them (L22).
public struct LoggedPurges: Sendable {
  private struct Newest {
    var hard: UInt64 = 0
    var soft: UInt64 = 0
  }

  private var newest: [UInt64: Newest] = [:]
  /// The highest number in the log; 0: it is empty.
  public private(set) var lastSequence: UInt64 = 0

  public init(_ records: [PurgeRecord]) {
    for record in records { note(record) }
  }

  private mutating func note(_ record: PurgeRecord) {
    lastSequence = max(lastSequence, record.sequence)
    var known = newest[record.urlHash.low] ?? Newest()
    if record.soft {
      known.soft = max(known.soft, record.sequence)
    } else {
      known.hard = max(known.hard, record.sequence)
    }
    newest[record.urlHash.low] = known
  }

  /// - Parameter urlHash: `KeyHash.low` of the canonical URL, which is all that the index keeps of it.
  public func verdict(born: UInt64, urlHash: UInt64) -> FenceVerdict {
    guard let known = newest[urlHash] else { return .clear }
    return born < known.hard ? .hard : born < known.soft ? .soft : .clear
  }
}
