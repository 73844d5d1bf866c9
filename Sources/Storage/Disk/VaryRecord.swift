public import Bytes
import Caching

/// What the responses under one key vary on, as a file under the key's own name, without a body.
/// docs/store-format.md has every byte.
public struct VaryRecord: Equatable, Sendable {
  public var key: [UInt8]
  /// Canonical URL (L7).
  public var url: [UInt8]
  /// Lower-case, sorted, joined with commas; the empty one is that of the response without `Vary`. Newest
  /// first, 1 to 4.
  public var lists: [[UInt8]]
  /// Of the response that brought the newest list (L19).
  public var born: UInt64
  /// The last purge that the lists have been through.
  public var purgeSequence: UInt64
  /// Milliseconds since 1970.
  public var created: Int64

  public init(
    key: [UInt8], url: [UInt8], lists: [[UInt8]], born: UInt64, purgeSequence: UInt64, created: Int64
  ) {
    self.key = key
    self.url = url
    self.lists = lists
    self.born = born
    self.purgeSequence = purgeSequence
    self.created = created
  }

  static let magic = FileMagic(text: "LarderV\n")
  public static let version: UInt16 = 1
  static let fixedBytes = 68
  public static let sizeLimit = 1 << 20

  /// The most that a record takes whose key has so many bytes.
  static func mostBytes(key: Int) -> Int { fixedBytes + key + VaryLists.limit * (VaryList.byteLimit + 1) }

  public func write(store: UInt64, to output: inout OutputBuffer) {
    precondition((1...VaryLists.limit).contains(lists.count), "1 to 4 lists")
    let start = output.count
    let text = Array(lists.joined(separator: [UInt8.lineFeed]))
    output.append(Self.magic.text)
    output.append(little: Self.version)
    output.append(little: ~Self.version)
    output.append(little: UInt32(key.count))
    output.append(little: UInt32(url.count))
    output.append(little: UInt32(text.count))
    output.append(little: store)
    output.append(little: born)
    output.append(little: purgeSequence)
    output.append(little: created)
    output.append(little: UInt32(lists.count))
    output.append(little: crc32c(text.span, continuing: crc32c(url.span, continuing: crc32c(key.span))))
    output.append(little: crc32c(output.bytes.extracting(start..<output.count)))
    output.append(key)
    output.append(url)
    output.append(text)
  }

  /// - Parameters:
  ///   - file: All of its bytes.
  ///   - store: `StoreMeta.identity`.
  public static func decode(
    _ file: Span<UInt8>, store: UInt64
  ) throws(StoredFileError) -> VaryRecord {
    guard file.count >= FileMagic.byteCount else { throw .damaged(.size) }
    try magic.check(file, version: version)
    guard file.count >= fixedBytes, file.count <= sizeLimit else { throw .damaged(.size) }
    var reader = NumberReader(file, at: fixedBytes - 4)
    guard reader.next(UInt32.self) == crc32c(file.extracting(0..<fixedBytes - 4)) else {
      throw .damaged(.preamble)
    }
    reader = NumberReader(file, at: FileMagic.byteCount)
    let keyBytes = Int(reader.next(UInt32.self))
    let urlBytes = Int(reader.next(UInt32.self))
    let textBytes = Int(reader.next(UInt32.self))
    guard reader.next(UInt64.self) == store else { throw .foreign }
    guard file.count == fixedBytes + keyBytes + urlBytes + textBytes else { throw .damaged(.size) }
    var record = VaryRecord(
      key: [], url: [], lists: [], born: reader.next(), purgeSequence: reader.next(), created: reader.next())
    let count = reader.next(UInt32.self)
    guard reader.next(UInt32.self) == crc32c(file.extracting(fixedBytes..<file.count)) else {
      throw .damaged(.lists)
    }
    let urlStart = fixedBytes + keyBytes
    record.key = octets(file, fixedBytes..<urlStart)
    record.url = octets(file, urlStart..<urlStart + urlBytes)
    record.lists = octets(file, urlStart + urlBytes..<file.count)
      .split(separator: UInt8.lineFeed, omittingEmptySubsequences: false).map(Array.init)
    guard (1...VaryLists.limit).contains(record.lists.count), record.lists.count == count else {
      throw .damaged(.lists)
    }
    return record
  }

  private static func octets(_ bytes: Span<UInt8>, _ range: Range<Int>) -> [UInt8] { range.map { bytes[$0] } }
}
