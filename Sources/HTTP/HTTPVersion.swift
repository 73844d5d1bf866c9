import Bytes

/// `HTTP/1.x`, RFC 9112 §2.3: case-sensitive, one digit on each side of the dot.
enum HTTPVersion {
  static let length = 8

  enum Fault: Error {
    case malformed
    /// Well formed, but not major version 1.
    case unsupported
  }

  /// Looks at the bytes of a version that begins at `start`, from `position` on, and moves `position` over
  /// what is right. `minor` becomes 0 or 1 with the last byte: a higher one counts as 1 (RFC 9110 §2.5).
  static func scan(
    _ base: UnsafePointer<UInt8>, from start: Int, position: inout Int, limit: Int, minor: inout UInt8
  ) throws(Fault) {
    let pattern: StaticString = "HTTP/1.x"
    if position == start, start &+ length <= limit {
      // SAFETY: 8 bytes before `limit`, and the 8 of the pattern. `HTTP/1.1` is nearly every version.
      let word = unsafe UnsafeRawPointer(base).loadUnaligned(fromByteOffset: start, as: UInt64.self)
      if word == 0x312e_312f_5054_5448 {
        minor = 1
        position &+= length
        return
      }
    }
    while position < limit, position &- start < length {
      let i = position &- start
      // SAFETY: before `limit`, for which the caller vouches; `i` is below the pattern's length.
      let byte = unsafe base[position]
      switch i {
      case 5:
        guard byte.isDigit else { throw .malformed }
        if byte != UInt8(ascii: "1") { throw .unsupported }
      case 7:
        guard byte.isDigit else { throw .malformed }
        minor = byte == UInt8(ascii: "0") ? 0 : 1
      default:
        guard unsafe byte == pattern.utf8Start[i] else { throw .malformed }
      }
      position &+= 1
    }
  }
}
