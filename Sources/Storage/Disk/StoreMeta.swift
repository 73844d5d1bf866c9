public import Bytes

/// What holds for a whole store: the file `store.meta`, of 56 bytes. docs/store-format.md has every byte.
public struct StoreMeta: Equatable, Sendable {
  /// Of `KeyHash` and so of the selecting hashes, from which variants are named: random, made once.
  public var seed: KeyHash
  public var levels: DiskLevels
  /// Of the way in which keys are made (L6).
  public var keyVersion: UInt32
  /// Of the key template's text: other templates make other keys.
  public var keyTemplate: UInt64
  /// Goes up with each start (L19): the numbers of a start begin at `firstSequence`, above all earlier ones.
  public var epoch: UInt64

  public init(seed: KeyHash, levels: DiskLevels, keyVersion: UInt32, keyTemplate: UInt64, epoch: UInt64) {
    self.seed = seed
    self.levels = levels
    self.keyVersion = keyVersion
    self.keyTemplate = keyTemplate
    self.epoch = epoch
  }

  /// Bits of the sequence that are one start's.
  public static let sequenceBits = 36

  public var firstSequence: UInt64 { epoch << UInt64(Self.sequenceBits) }

  /// What each file says whose it is: files of another seed, key version or template are foreign. A store
  /// whose `store.meta` is lost begins anew, for its old files' numbers cannot be compared with new ones.
  public var identity: UInt64 {
    var text = OutputBuffer(capacity: 16)
    text.append(little: UInt64(keyVersion))
    text.append(little: keyTemplate)
    return HashSeed(seed.low, seed.high).hash(text.bytes).low
  }

  static let magic = FileMagic(text: "LarderM\n")
  public static let version: UInt16 = 1
  static let byteCount = 56

  func write(to output: inout OutputBuffer) {
    let start = output.count
    output.append(Self.magic.text)
    output.append(little: Self.version)
    output.append(little: ~Self.version)
    output.append(seed)
    for i in 0..<4 { output.append(i < levels.digits.count ? levels.digits[i] : 0) }
    output.append(little: keyVersion)
    output.append(little: keyTemplate)
    output.append(little: epoch)
    output.append(little: crc32c(output.bytes.extracting(start..<output.count)))
  }

  static func decode(_ bytes: Span<UInt8>) throws(StoredFileError) -> StoreMeta {
    guard bytes.count >= FileMagic.byteCount else { throw .damaged(.size) }
    try magic.check(bytes, version: version)
    guard bytes.count == byteCount else { throw .damaged(.size) }
    var reader = NumberReader(bytes, at: byteCount - 4)
    guard reader.next(UInt32.self) == crc32c(bytes.extracting(0..<byteCount - 4)) else {
      throw .damaged(.preamble)
    }
    reader = NumberReader(bytes, at: FileMagic.byteCount)
    let seed = reader.nextHash()
    var digits: [UInt8] = []
    for _ in 0..<4 { digits.append(reader.next()) }
    guard let levels = DiskLevels(digits: digits.filter { $0 != 0 }) else { throw .damaged(.preamble) }
    return StoreMeta(
      seed: seed, levels: levels, keyVersion: reader.next(), keyTemplate: reader.next(), epoch: reader.next())
  }
}
