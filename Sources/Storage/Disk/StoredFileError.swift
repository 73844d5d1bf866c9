/// Why a file of the store cannot be used. None of them is guessed around: the entry is a miss.
public enum StoredFileError: Error, Equatable, Sendable {
  /// Written by another version of Larder: left alone.
  case unknownVersion(UInt16)
  /// Of another store: another seed, other keys. Its numbers mean nothing here, so it is removed.
  case foreign
  case damaged(FileDamage)
}

/// What was found to be wrong with a file.
public enum FileDamage: Equatable, Sendable, CaseIterable {
  /// It does not begin as a file of the store does.
  case magic
  case preamble
  /// Its parts do not add up to its size: cut short, or longer than it should be.
  case size
  case names
  /// Neither head slot is whole.
  case head
  case trailer
  case body
  case lists
  /// It lies under a name that is not its key's.
  case name

  public var text: String {
    switch self {
    case .magic: "is no file of a store"
    case .preamble: "the checksum of the preamble is wrong"
    case .size: "is not as long as it says"
    case .names: "the checksum of key and names is wrong"
    case .head: "no head is whole"
    case .trailer: "the checksum of the block table is wrong"
    case .body: "the checksum of a block of the body is wrong"
    case .lists: "the checksum of the vary lists is wrong"
    case .name: "lies under a name that is not its key's"
    }
  }
}

/// What a file of the store holds, by its first bytes.
public enum StoredFileKind: Sendable {
  case entry, varyRecord

  static let magicBytes = 8

  /// - Parameter prefix: Its first 8 bytes, or more.
  /// - Returns: `nil`: it is none.
  public init?(_ prefix: Span<UInt8>) {
    if EntryFile.magic.begins(prefix) {
      self = .entry
    } else if VaryRecord.magic.begins(prefix) {
      self = .varyRecord
    } else {
      return nil
    }
  }
}

/// The first 12 bytes of each kind of file, in all versions: 8 that name the kind, the version, and the
/// version with its bits turned, so that a rotten version is not taken for another one's.
struct FileMagic {
  let text: StaticString

  static let byteCount = 12

  func begins(_ bytes: Span<UInt8>) -> Bool {
    guard bytes.count >= StoredFileKind.magicBytes else { return false }
    for i in 0..<StoredFileKind.magicBytes where unsafe bytes[i] != text.utf8Start[i] { return false }
    return true
  }

  /// - Parameter bytes: At least 12.
  func check(_ bytes: Span<UInt8>, version: UInt16) throws(StoredFileError) {
    guard begins(bytes) else { throw .damaged(.magic) }
    var reader = NumberReader(bytes, at: StoredFileKind.magicBytes)
    let found = reader.next(UInt16.self)
    guard reader.next(UInt16.self) == ~found else { throw .damaged(.preamble) }
    guard found == version else { throw .unknownVersion(found) }
  }
}
