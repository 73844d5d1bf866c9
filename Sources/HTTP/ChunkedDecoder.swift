public import Bytes

/// Why a chunked body was refused. Nothing behind it on the connection can be trusted.
public enum ChunkedError: Error, Equatable, Sendable {
  /// No hexadecimal number, or something else than an extension or CRLF behind it.
  case badSize
  /// More than 16 digits, or above 2⁶².
  case sizeTooLarge
  /// Not of the form `;name`, `;name=token` or `;name="string"`.
  case badExtension
  case extensionsTooLong
  case bareLineFeed
  /// CR without LF behind a size or extension.
  case bareCarriageReturn
  /// A chunk's data is not followed by CRLF.
  case badDataEnd
  case trailer(FieldFault)
  case trailersTooLong

  /// The reason in a few words, for the reply.
  public var text: StaticString {
    switch self {
    case .badSize: "bad chunk size"
    case .sizeTooLarge: "chunk size too large"
    case .badExtension: "bad chunk extension"
    case .extensionsTooLong: "chunk extensions too long"
    case .bareLineFeed: "chunk size line ends with a bare LF"
    case .bareCarriageReturn: "bare CR in a chunk size line"
    case .badDataEnd: "chunk data without CRLF behind it"
    case .trailer(let fault): fault.text
    case .trailersTooLong: "trailers too long"
    }
  }
}

/// What the decoder found. All offsets are into the bytes of the call.
public enum ChunkedStep: Equatable, Sendable {
  /// Body bytes are in this range, and all before its end is consumed.
  case data(ByteRange)
  /// All bytes are consumed, and the body goes on.
  case needMore(consumed: Int)
  /// The body is complete; what follows belongs to the next message.
  case end(consumed: Int)
}

/// Decodes a chunked body, RFC 9112 §7.1, resumable at any byte: strict in every line, since a chunk that
/// two parsers measure differently is how requests are smuggled. Extensions are checked and dropped,
/// trailers too.
public struct ChunkedDecoder: Sendable {
  /// Extension bytes in the whole body.
  public static let extensionLimit = 4096
  /// Bytes of trailer lines.
  public static let trailerLimit = 8192
  /// Largest chunk: sums of it with offsets cannot overflow.
  static let largestChunk: UInt64 = 1 << 62

  enum State {
    case size, sizeLineFeed
    case beforeSemicolon, extensionStart, extensionName, afterName
    case valueStart, tokenValue, quotedValue, quotedPair, afterQuoted
    case data, dataEnd, dataLineFeed
    case trailerStart, trailerName, trailerValue, trailerLineFeed, lastLineFeed
    case ended
  }

  var state = State.size
  var digits = 0
  var remaining: UInt64 = 0
  var extensionBytes = 0
  var trailerBytes = 0

  public init() {}

  /// Takes the next step in `bytes` from offset `start` on. Called again with the same bytes, behind what was
  /// consumed, until it needs more or is at the end.
  ///
  /// - Parameter bytes: At most 2³² - 1.
  /// - Throws: Final: the decoder must not be used after it.
  public mutating func next(_ bytes: Span<UInt8>, from start: Int) throws(ChunkedError) -> ChunkedStep {
    var i = start
    while state != .ended, i < bytes.count {
      if state == .data {
        let size = Int(min(remaining, UInt64(bytes.count - i)))
        remaining -= UInt64(size)
        if remaining == 0 { state = .dataEnd }
        return .data(ByteRange(i, i + size))
      }
      try step(bytes[i])
      i += 1
    }
    return state == .ended ? .end(consumed: i) : .needMore(consumed: i)
  }

  private mutating func step(_ byte: UInt8) throws(ChunkedError) {
    switch state {
    case .size: try size(byte)
    case .sizeLineFeed:
      guard byte == .lineFeed else { throw .bareCarriageReturn }
      state = remaining == 0 ? .trailerStart : .data
      digits = 0
    case .beforeSemicolon, .extensionStart, .extensionName, .afterName, .valueStart, .tokenValue,
      .quotedValue,
      .quotedPair, .afterQuoted:
      try extensionByte(byte)
    case .dataEnd:
      guard byte == .carriageReturn else { throw .badDataEnd }
      state = .dataLineFeed
    case .dataLineFeed:
      guard byte == .lineFeed else { throw .badDataEnd }
      state = .size
    case .trailerStart, .trailerName, .trailerValue, .trailerLineFeed, .lastLineFeed:
      try trailerByte(byte)
    case .data, .ended: break
    }
  }

  private mutating func size(_ byte: UInt8) throws(ChunkedError) {
    if let digit = byte.hexValue {
      if digits == 16 { throw .sizeTooLarge }
      digits += 1
      remaining = remaining << 4 | UInt64(digit)
      if remaining > ChunkedDecoder.largestChunk { throw .sizeTooLarge }
      return
    }
    if byte == .lineFeed { throw .bareLineFeed }
    guard digits > 0 else { throw .badSize }
    switch byte {
    case .carriageReturn: state = .sizeLineFeed
    case .semicolon, .space, .tab: try endOfExtensionPart(byte)
    default: throw .badSize
    }
  }
}
