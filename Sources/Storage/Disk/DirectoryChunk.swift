import Glibc

/// Walks what `DiskSystem.list` has read: names without `.` and `..`.
public struct DirectoryChunk: ~Escapable {
  private let bytes: Span<UInt8>
  private var at = 0

  @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>) { self.bytes = bytes }

  public enum Kind: UInt8, Sendable {
    /// The file system does not say: ask for its facts.
    case unknown
    case directory, file, other
  }

  public struct Item: Sendable {
    public var name: String
    public var kind: Kind
    public var inode: UInt64
  }

  /// `linux_dirent64`: inode 8, offset 8, record's length 2, type 1, name ending with NUL.
  private static let nameOffset = 19

  @_lifetime(self: copy self)
  public mutating func next() -> Item? {
    while at + Self.nameOffset <= bytes.count {
      var reader = NumberReader(bytes, at: at)
      let inode = reader.next(UInt64.self)
      _ = reader.next(UInt64.self)
      let length = Int(reader.next(UInt16.self))
      let type = reader.next(UInt8.self)
      guard length > Self.nameOffset, at + length <= bytes.count else { return nil }
      let start = at + Self.nameOffset
      var end = start
      while end < at + length, bytes[end] != 0 { end += 1 }
      at += length
      let name = String(decoding: (start..<end).map { bytes[$0] }, as: UTF8.self)
      if name == "." || name == ".." { continue }
      return Item(name: name, kind: Self.kind(type), inode: inode)
    }
    return nil
  }

  private static func kind(_ type: UInt8) -> Kind {
    switch Int(type) {
    case Int(DT_UNKNOWN): .unknown
    case Int(DT_DIR): .directory
    case Int(DT_REG): .file
    default: .other
    }
  }
}
