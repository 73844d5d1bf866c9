public import Bytes

/// Which blocks of a body are there, and the checksum of each: the trailer of an entry's file. 64 KiB of body
/// are a block; the last may be shorter.
public struct BlockTable: Equatable, Sendable {
  public let bodyLength: Int
  /// One for each block; 0 where it is missing.
  private var checksums: [UInt32]
  /// One bit for each block, from the lowest of the first byte on.
  private var map: [UInt8]

  /// Of a body of which nothing is there yet.
  public init(bodyLength: Int) {
    self.bodyLength = bodyLength
    checksums = Array(repeating: 0, count: Self.blockCount(bodyLength))
    map = Array(repeating: 0, count: (checksums.count + 7) / 8)
  }

  /// Of a body of which everything is there.
  init(bodyLength: Int, checksums: [UInt32]) {
    self.init(bodyLength: bodyLength)
    precondition(checksums.count == self.checksums.count, "one checksum a block")
    self.checksums = checksums
    for i in checksums.indices { map[i / 8] |= 1 << UInt8(i % 8) }
  }

  static func blockCount(_ bodyLength: Int) -> Int {
    bodyLength / EntryFile.blockBytes + (bodyLength % EntryFile.blockBytes == 0 ? 0 : 1)
  }

  public static func trailerBytes(bodyLength: Int) -> Int {
    let blocks = blockCount(bodyLength)
    return blocks / 8 + (blocks % 8 == 0 ? 0 : 1) + 4 * blocks + 4
  }

  public var blockCount: Int { checksums.count }
  public var isWhole: Bool { checksums.indices.allSatisfy { isPresent($0) } }

  /// - Parameter index: Less than `blockCount`.
  public func isPresent(_ index: Int) -> Bool { map[index / 8] & 1 << UInt8(index % 8) != 0 }

  /// The bytes of the body that block `index` holds.
  public func range(_ index: Int) -> Range<Int> {
    let start = index * EntryFile.blockBytes
    return start..<min(start + EntryFile.blockBytes, bodyLength)
  }

  /// Notes that block `index` is there.
  ///
  /// - Parameter bytes: All of the block's.
  public mutating func set(_ index: Int, to bytes: Span<UInt8>) {
    precondition(bytes.count == range(index).count, "a block is written whole")
    checksums[index] = crc32c(bytes)
    map[index / 8] |= 1 << UInt8(index % 8)
  }

  /// The block is there, and these are its bytes.
  public func matches(_ index: Int, _ bytes: Span<UInt8>) -> Bool {
    isPresent(index) && bytes.count == range(index).count && crc32c(bytes) == checksums[index]
  }

  /// Writes the trailer.
  ///
  /// - Parameter stamp: As `EntryFile.writeHeader` gave it, or `DecodedEntry` has it.
  public func write(stamp: UInt32, to output: inout OutputBuffer) {
    let start = output.count
    output.append(map)
    for checksum in checksums { output.append(little: checksum) }
    output.append(little: crc32c(output.bytes.extracting(start..<output.count), continuing: stamp))
  }

  /// - Parameter bytes: `entry.trailerBytes` from `entry.trailerOffset` on; any other number is damage.
  public static func decode(
    _ bytes: Span<UInt8>, of entry: DecodedEntry
  ) throws(StoredFileError) -> BlockTable {
    var table = BlockTable(bodyLength: entry.bodyLength)
    let end = bytes.count - 4
    guard bytes.count == entry.trailerBytes else { throw .damaged(.size) }
    var reader = NumberReader(bytes, at: end)
    guard reader.next(UInt32.self) == crc32c(bytes.extracting(0..<end), continuing: entry.stamp) else {
      throw .damaged(.trailer)
    }
    for i in table.map.indices { table.map[i] = bytes[i] }
    reader = NumberReader(bytes, at: table.map.count)
    for i in table.checksums.indices { table.checksums[i] = reader.next() }
    let unused = table.map.count * 8 - table.blockCount
    if let last = table.map.last, last.leadingZeroBitCount < unused { throw .damaged(.trailer) }
    guard entry.isPartial || table.isWhole else { throw .damaged(.trailer) }
    return table
  }
}

/// Checksums of a body as it comes, in pieces of any size.
public struct BlockChecksums: Sendable {
  private var done: [UInt32] = []
  private var current: UInt32 = 0
  /// Bytes of the body so far.
  public private(set) var count = 0

  public init() {}

  public mutating func append(_ bytes: Span<UInt8>) {
    var at = 0
    while at < bytes.count {
      let room = EntryFile.blockBytes - count % EntryFile.blockBytes
      let end = min(at + room, bytes.count)
      current = crc32c(bytes.extracting(at..<end), continuing: current)
      count += end - at
      at = end
      if count % EntryFile.blockBytes == 0 {
        done.append(current)
        current = 0
      }
    }
  }

  /// The table of the body, which is now whole.
  public func finished() -> BlockTable {
    let rest = count % EntryFile.blockBytes == 0 ? [] : [current]
    return BlockTable(bodyLength: count, checksums: done + rest)
  }
}
