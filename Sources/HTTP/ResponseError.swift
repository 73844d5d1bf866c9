/// Why a response was refused. It is never forwarded, and its connection must be closed.
public enum ResponseError: Error, Equatable, Sendable {
  case badVersion
  /// Not major version 1.
  case unsupportedVersion
  /// No three digits from 100 through 599.
  case badStatus
  /// A control byte in the reason phrase.
  case badReason
  /// A coding, or a length other than 0, in a status that has no body (1xx, 204; RFC 9112 §6.1, RFC 9110
  /// §8.6).
  case bodyNotAllowed
  /// More than 1024 bytes of `Connection`.
  case connectionOptionsTooLong
  case headTooLarge
  case field(FieldFault)
  case framing(FramingFault)

  /// The reason in a few words, for the log.
  public var text: StaticString {
    switch self {
    case .badVersion: "bad HTTP version"
    case .unsupportedVersion: "unsupported HTTP version"
    case .badStatus: "bad status"
    case .badReason: "bad reason phrase"
    case .bodyNotAllowed: "a body where the status allows none"
    case .connectionOptionsTooLong: "Connection too long"
    case .headTooLarge: "head too large"
    case .field(let fault): fault.text
    case .framing(let fault): fault.text
    }
  }
}
