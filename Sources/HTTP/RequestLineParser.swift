import Bytes

/// `method SP request-target SP HTTP/1.x CRLF`, RFC 9112 §3, after at most one empty line (§2.2: some clients
/// send one behind a body). Resumable at any byte.
struct RequestLineParser {
  private enum Phase {
    /// → method, emptyLineEnd
    case start
    /// → method
    case emptyLineEnd
    /// → target
    case method
    /// → version
    case target
    case version
  }

  /// Longer methods than this are unknown to everybody, RFC 9112 §3.
  static let methodLimit = 32

  private var phase = Phase.start
  /// The next byte to look at; after an error the byte that is wrong.
  private(set) var position = 0
  private var start = 0
  private(set) var method = ByteRange.empty
  private(set) var target = ByteRange.empty
  private(set) var minorVersion: UInt8 = 1

  /// True: complete, and `position` is behind its CRLF.
  mutating func parse(
    _ base: UnsafePointer<UInt8>, limit: Int, targetLimit: Int
  ) throws(RequestError) -> Bool {
    while true {
      switch phase {
      case .start:
        guard position < limit else { return false }
        // SAFETY: all reads are before `limit`, up to which the caller vouches for the bytes.
        if unsafe base[position] == .carriageReturn {
          position &+= 1
          phase = .emptyLineEnd
        } else {
          phase = .method
        }
      case .emptyLineEnd:
        guard position < limit else { return false }
        guard unsafe base[position] == .lineFeed else { throw .badMethod }
        position &+= 1
        start = position
        phase = .method
      case .method:
        guard unsafe try scanMethod(base, limit) else { return false }
        phase = .target
      case .target:
        guard unsafe try scanTarget(base, limit, targetLimit) else { return false }
        phase = .version
      case .version:
        return unsafe try scanVersion(base, limit)
      }
    }
  }

  private mutating func scanMethod(_ base: UnsafePointer<UInt8>, _ limit: Int) throws(RequestError) -> Bool {
    while position < limit, unsafe ByteClass.isToken(base[position]) {
      if position &- start == RequestLineParser.methodLimit { throw .methodTooLong }
      position &+= 1
    }
    guard position < limit else { return false }
    guard position > start, unsafe base[position] == .space else { throw .badMethod }
    method = ByteRange(start, position)
    position &+= 1
    start = position
    return true
  }

  private mutating func scanTarget(
    _ base: UnsafePointer<UInt8>, _ limit: Int, _ targetLimit: Int
  ) throws(RequestError) -> Bool {
    let stop = min(limit, start &+ targetLimit &+ 1)
    unsafe position = ByteScan.firstNonTarget(base, from: position, limit: stop)
    if position == stop {
      if stop &- start > targetLimit { throw .targetTooLong }
      return false
    }
    guard position > start, unsafe base[position] == .space else { throw .badTarget }
    target = ByteRange(start, position)
    position &+= 1
    start = position
    return true
  }

  /// The place of each byte is fixed: `HTTP/1.x` CR LF from `start` on.
  private mutating func scanVersion(_ base: UnsafePointer<UInt8>, _ limit: Int) throws(RequestError) -> Bool {
    do {
      unsafe try HTTPVersion.scan(base, from: start, position: &position, limit: limit, minor: &minorVersion)
    } catch {
      switch error {
      case .malformed: throw .badVersion
      case .unsupported: throw .unsupportedVersion
      }
    }
    guard position &- start >= HTTPVersion.length else { return false }
    while position < limit {
      let wanted: UInt8 = position &- start == HTTPVersion.length ? .carriageReturn : .lineFeed
      guard unsafe base[position] == wanted else { throw .badVersion }
      position &+= 1
      if wanted == .lineFeed { return true }
    }
    return false
  }
}
