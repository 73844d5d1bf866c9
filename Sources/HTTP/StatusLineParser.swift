import Bytes

/// `HTTP/1.x SP 3DIGIT SP [reason] CRLF`, RFC 9112 §4, resumable at any byte. The space before an absent
/// reason may be missing too, as with many servers: that leaves nothing in doubt.
struct StatusLineParser {
  private enum Phase {
    /// → status
    case version
    /// → reason, lineEnd
    case status
    /// → lineEnd
    case reason
    case lineEnd
  }

  private var phase = Phase.version
  /// The next byte to look at; after an error the byte that is wrong.
  private(set) var position = 0
  private(set) var status: UInt16 = 0
  private(set) var reason = ByteRange.empty
  private(set) var minorVersion: UInt8 = 1

  private static let statusStart = HTTPVersion.length + 1
  private static let statusEnd = statusStart + 3

  /// True: complete, and `position` is behind its CRLF.
  mutating func parse(_ base: UnsafePointer<UInt8>, limit: Int) throws(ResponseError) -> Bool {
    while true {
      switch phase {
      case .version:
        guard unsafe try scanVersion(base, limit) else { return false }
        phase = .status
      case .status:
        guard unsafe try scanStatus(base, limit) else { return false }
        // SAFETY: `scanStatus` stopped at a byte before `limit`.
        phase = unsafe base[position] == .space ? .reason : .lineEnd
        reason = ByteRange(position, position)
        if phase == .reason { position &+= 1 }
      case .reason:
        guard unsafe try scanReason(base, limit) else { return false }
        reason = ByteRange(StatusLineParser.statusEnd + 1, position)
        phase = .lineEnd
      case .lineEnd:
        guard position &+ 1 < limit else { return false }
        guard unsafe base[position &+ 1] == .lineFeed else { throw .field(.bareCarriageReturn) }
        position &+= 2
        return true
      }
    }
  }

  private mutating func scanVersion(_ base: UnsafePointer<UInt8>, _ limit: Int) throws(ResponseError) -> Bool
  {
    do {
      unsafe try HTTPVersion.scan(base, from: 0, position: &position, limit: limit, minor: &minorVersion)
    } catch {
      switch error {
      case .malformed: throw .badVersion
      case .unsupported: throw .unsupportedVersion
      }
    }
    guard position == HTTPVersion.length, position < limit else { return false }
    guard unsafe base[position] == .space else { throw .badVersion }
    position &+= 1
    return true
  }

  /// Stops at the space or CR behind the digits.
  private mutating func scanStatus(_ base: UnsafePointer<UInt8>, _ limit: Int) throws(ResponseError) -> Bool {
    while position < limit, position < StatusLineParser.statusEnd {
      let byte = unsafe base[position]
      guard byte.isDigit else { throw .badStatus }
      let isFirst = position == StatusLineParser.statusStart
      if isFirst, byte < UInt8(ascii: "1") || byte > UInt8(ascii: "5") { throw .badStatus }
      status = status &* 10 &+ UInt16(byte &- 48)
      position &+= 1
    }
    guard position < limit else { return false }
    switch unsafe base[position] {
    case .space, .carriageReturn: return true
    case .lineFeed: throw .field(.bareLineFeed)
    default: throw .badStatus
    }
  }

  /// Stops at the CR behind the reason.
  private mutating func scanReason(_ base: UnsafePointer<UInt8>, _ limit: Int) throws(ResponseError) -> Bool {
    while true {
      unsafe position = ByteScan.firstControl(base, from: position, limit: limit)
      guard position < limit else { return false }
      switch unsafe base[position] {
      case .tab: position &+= 1
      case .carriageReturn: return true
      case .lineFeed: throw .field(.bareLineFeed)
      default: throw .badReason
      }
    }
  }
}
