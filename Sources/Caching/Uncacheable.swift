/// Why a response is not stored.
public enum Uncacheable: UInt8, Sendable, CaseIterable {
  /// Only answers to GET are stored, RFC 9111 §3.
  case method
  /// The request had a body, which is not part of the key.
  case requestBody
  /// The request says `no-store`, RFC 9111 §5.2.1.5.
  case requestNoStore
  /// The request has `Authorization`, and the response does not allow its reuse, RFC 9111 §3.5.
  case authorization
  /// The request has `Cookie` or `Authorization`, and the freshness would be a guess (L17).
  case credentials
  /// 206, 304, 416 or 1xx: not whole responses on their own, RFC 9111 §3.3.
  case partial
  /// A 5xx that is not shareable or does not state its freshness.
  case serverError
  /// `no-store`, RFC 9111 §5.2.2.5.
  case noStore
  /// `private`, RFC 9111 §5.2.2.7.
  case privateResponse
  /// `Set-Cookie`, in the default profile (L17).
  case setCookie
  /// `Vary: *`, or a list that cannot be read, RFC 9111 §4.1.
  case varyStar
  /// A 304 varies by a field that its stored response did not vary by: the index would not know.
  case varyChanged
  /// `must-understand` with a status that we do not know, RFC 9111 §5.2.2.3.
  case mustUnderstand
  /// Never fresh, nothing to ask the origin with, and no leave to serve it stale.
  case noFreshness
  /// Larger than the largest object kept.
  case tooLarge
  /// The policy's word.
  case policy

  /// Whether this says something about the next requests too, so that the key gets a hit-for-miss mark (L14):
  /// they would wait for each other in vain. What lies in one request, or passes like an error, does not.
  public var setsMark: Bool {
    switch self {
    case .noStore, .privateResponse, .setCookie, .varyStar, .mustUnderstand, .noFreshness, .tooLarge: true
    case .method, .requestBody, .requestNoStore, .authorization, .credentials, .partial, .serverError,
      .varyChanged, .policy:
      false
    }
  }

  /// For `detail` of `Cache-Status`, logs and metrics: a token of RFC 8941.
  public var text: StaticString {
    switch self {
    case .method: "method"
    case .requestBody: "request-body"
    case .requestNoStore: "request-no-store"
    case .authorization: "authorization"
    case .credentials: "credentials"
    case .partial: "partial"
    case .serverError: "server-error"
    case .noStore: "no-store"
    case .privateResponse: "private"
    case .setCookie: "set-cookie"
    case .varyStar: "vary-star"
    case .varyChanged: "vary-changed"
    case .mustUnderstand: "must-understand"
    case .noFreshness: "no-freshness"
    case .tooLarge: "too-large"
    case .policy: "policy"
    }
  }
}

/// Whether a response may be stored for others.
public enum Storability: Equatable, Sendable {
  case storable(Freshness)
  case not(Uncacheable)
}
