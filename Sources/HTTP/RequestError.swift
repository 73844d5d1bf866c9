/// Why a request was refused. After any of these the connection's framing is in doubt: it must be closed.
public enum RequestError: Error, Equatable, Sendable {
  /// No token followed by one space.
  case badMethod
  /// Longer than any method that is known; RFC 9112 §3 asks for 501.
  case methodTooLong
  /// A tunnel was asked for.
  case connectRefused
  case badTarget
  case targetTooLong
  /// What follows the target is no HTTP version and line end.
  case badVersion
  /// HTTP/2 (its preface too) and any other major version.
  case unsupportedVersion
  case missingHost
  case repeatedHost
  /// `Host`, or the target's authority, is no host with or without a port; see `Authority`.
  case badAuthority
  /// `Expect` with anything but `100-continue`.
  case unknownExpectation
  /// More than 1024 bytes of `Connection`.
  case connectionOptionsTooLong
  case headTooLarge
  case field(FieldFault)
  case framing(FramingFault)

  /// The reply it earns.
  public var status: UInt16 {
    switch self {
    case .badMethod, .badTarget, .badVersion, .missingHost, .repeatedHost, .badAuthority: 400
    case .targetTooLong: 414
    case .unknownExpectation: 417
    case .connectionOptionsTooLong, .headTooLarge, .field(.tooManyFields): 431
    case .methodTooLong, .connectRefused, .framing(.unknownTransferCoding): 501
    case .unsupportedVersion: 505
    case .field, .framing: 400
    }
  }

  /// The reason in a few words, for the reply.
  public var text: StaticString {
    switch self {
    case .badMethod: "bad method"
    case .methodTooLong: "method too long"
    case .connectRefused: "CONNECT is not served"
    case .badTarget: "bad request target"
    case .targetTooLong: "request target too long"
    case .badVersion: "bad HTTP version"
    case .unsupportedVersion: "unsupported HTTP version"
    case .missingHost: "no Host"
    case .repeatedHost: "more than one Host"
    case .badAuthority: "bad host or port"
    case .unknownExpectation: "unknown expectation"
    case .connectionOptionsTooLong: "Connection too long"
    case .headTooLarge: "head too large"
    case .field(let fault): fault.text
    case .framing(let fault): fault.text
    }
  }
}
