/// Request methods that Larder treats in a way of their own. Every other token is `.other`, whose text is in
/// the message.
///
/// Source: RFC 9110 §9.2 and 9.3, RFC 5789 (PATCH). `PURGE` is ours.
public enum Method: UInt8, Sendable, CaseIterable {
  case get, head, post, put, delete, options, trace, connect, patch, purge, other

  /// Asks for no change at the origin, RFC 9110 §9.2.1.
  @inlinable public var isSafe: Bool {
    switch self {
    case .get, .head, .options, .trace: true
    case .post, .put, .delete, .connect, .patch, .purge, .other: false
    }
  }

  /// Sending it twice does what sending it once does, RFC 9110 §9.2.2. Unknown methods are taken not to be.
  @inlinable public var isIdempotent: Bool {
    switch self {
    case .get, .head, .options, .trace, .put, .delete, .purge: true
    case .post, .connect, .patch, .other: false
    }
  }

  /// Content has no defined meaning: some servers leave it unread and take it for the next request
  /// (RFC 9110 §9.3.1, 9.3.2, 9.3.5 and 9.3.8).
  public var mayLeaveBodyUnread: Bool {
    switch self {
    case .get, .head, .delete, .trace: true
    case .options, .put, .purge, .post, .connect, .patch, .other: false
    }
  }

  /// As it is written in a request; empty for `.other`.
  public var text: StaticString {
    switch self {
    case .get: "GET"
    case .head: "HEAD"
    case .post: "POST"
    case .put: "PUT"
    case .delete: "DELETE"
    case .options: "OPTIONS"
    case .trace: "TRACE"
    case .connect: "CONNECT"
    case .patch: "PATCH"
    case .purge: "PURGE"
    case .other: ""
    }
  }

  /// Methods are case-sensitive: `get` is `.other`.
  static func identify(_ base: UnsafePointer<UInt8>, count: Int) -> Method {
    // SAFETY: the caller vouches for `count` bytes.
    let name = unsafe ExactWord(base, count: count)
    switch count {
    case 3:
      if name.equals("GET") { return .get }
      if name.equals("PUT") { return .put }
    case 4:
      if name.equals("HEAD") { return .head }
      if name.equals("POST") { return .post }
    case 5:
      if name.equals("PURGE") { return .purge }
      if name.equals("PATCH") { return .patch }
      if name.equals("TRACE") { return .trace }
    case 6:
      if name.equals("DELETE") { return .delete }
    case 7:
      if name.equals("OPTIONS") { return .options }
      if name.equals("CONNECT") { return .connect }
    default: break
    }
    return .other
  }
}

/// Up to 8 bytes as one word, the first in the lowest place; longer texts compare unequal to all.
private struct ExactWord {
  let bits: UInt64

  @inline(__always) init(_ base: UnsafePointer<UInt8>, count: Int) {
    var bits: UInt64 = 0
    for i in 0..<min(count, 8) { unsafe bits |= UInt64(base[i]) << UInt64(i &* 8) }
    self.bits = bits
  }

  @inline(__always) func equals(_ text: StaticString) -> Bool {
    unsafe bits == ExactWord(text.utf8Start, count: text.utf8CodeUnitCount).bits
  }
}
