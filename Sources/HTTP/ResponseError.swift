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
}
