/// Classes of bytes in HTTP's grammar, one table look-up each.
enum ByteClass {
  static let token: UInt8 = 1
  /// What a registered name of an authority is made of here, see `Authority`.
  static let host: UInt8 = 2

  /// 128 bytes of class bits, for ASCII. A string and not an array, so that no access needs an
  /// initialisation check.
  private static var table: StaticString {
    """
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
    \0\u{1}\0\u{1}\u{1}\u{1}\u{1}\u{1}\0\0\u{1}\u{1}\0\u{3}\u{3}\0\
    \u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\0\0\0\0\0\0\
    \0\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\
    \u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\0\0\0\u{1}\u{3}\
    \u{1}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\
    \u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\u{3}\0\u{1}\0\u{3}\0
    """
  }

  @inline(__always) static func isToken(_ byte: UInt8) -> Bool { bits(of: byte) & token != 0 }
  @inline(__always) static func isHost(_ byte: UInt8) -> Bool { bits(of: byte) & host != 0 }

  @inline(__always) private static func bits(of byte: UInt8) -> UInt8 {
    // SAFETY: the table holds 128 bytes; bytes from 128 on are in no class.
    byte < 128 ? unsafe table.utf8Start[Int(byte)] : 0
  }
}
