/// Field names that Larder acts upon, recognised once when a head is parsed. Every other name is `.other`.
/// At most 64, so that the set of names present in a head is one word.
public enum KnownField: UInt8, CaseIterable, Sendable {
  case other
  // Framing and connection, RFC 9110 §7 and 10, RFC 9112
  case host, connection, contentLength, transferEncoding, te, trailer, upgrade, expect, keepAlive
  case proxyConnection, proxyAuthenticate, proxyAuthorization
  // Caching, RFC 9111
  case cacheControl, pragma, expires, date, age, warning
  // Validators, conditions and ranges, RFC 9110 §8.8, 13 and 14
  case etag, lastModified, ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince, ifRange, range
  case acceptRanges, contentRange
  // Selection and representation
  case vary, accept, acceptEncoding, acceptLanguage, contentType, contentEncoding, contentLocation, location
  case userAgent, referer, server, retryAfter
  // Who asks
  case authorization, cookie, setCookie
  // The path of the message
  case maxForwards, via, forwarded, xForwardedFor, xForwardedProto, xForwardedHost, cdnLoop, xRequestID
  // Said by us, or aimed at us
  case cacheStatus, xCacheStatus, xOriginalURL, xRewriteURL, xHost, softPurge
  // Beside an offer of HTTP/2, RFC 7540 §3.2.1
  case http2Settings

  /// The name as we write it.
  public var name: StaticString {
    switch self {
    case .other: ""
    case .host: "Host"
    case .connection: "Connection"
    case .contentLength: "Content-Length"
    case .transferEncoding: "Transfer-Encoding"
    case .te: "TE"
    case .trailer: "Trailer"
    case .upgrade: "Upgrade"
    case .expect: "Expect"
    case .keepAlive: "Keep-Alive"
    case .proxyConnection: "Proxy-Connection"
    case .proxyAuthenticate: "Proxy-Authenticate"
    case .proxyAuthorization: "Proxy-Authorization"
    case .http2Settings: "HTTP2-Settings"
    case .cacheControl: "Cache-Control"
    case .pragma: "Pragma"
    case .expires: "Expires"
    case .date: "Date"
    case .age: "Age"
    case .warning: "Warning"
    case .etag: "ETag"
    case .lastModified: "Last-Modified"
    case .ifMatch: "If-Match"
    case .ifNoneMatch: "If-None-Match"
    case .ifModifiedSince: "If-Modified-Since"
    case .ifUnmodifiedSince: "If-Unmodified-Since"
    case .ifRange: "If-Range"
    case .range: "Range"
    case .acceptRanges: "Accept-Ranges"
    case .contentRange: "Content-Range"
    case .vary: "Vary"
    case .accept: "Accept"
    case .acceptEncoding: "Accept-Encoding"
    case .acceptLanguage: "Accept-Language"
    case .contentType: "Content-Type"
    case .contentEncoding: "Content-Encoding"
    case .contentLocation: "Content-Location"
    case .location: "Location"
    case .userAgent: "User-Agent"
    case .referer: "Referer"
    case .server: "Server"
    case .retryAfter: "Retry-After"
    case .authorization: "Authorization"
    case .cookie: "Cookie"
    case .setCookie: "Set-Cookie"
    case .maxForwards: "Max-Forwards"
    case .via: "Via"
    case .forwarded: "Forwarded"
    case .xForwardedFor: "X-Forwarded-For"
    case .xForwardedProto: "X-Forwarded-Proto"
    case .xForwardedHost: "X-Forwarded-Host"
    case .cdnLoop: "CDN-Loop"
    case .xRequestID: "X-Request-Id"
    case .cacheStatus, .xCacheStatus, .xOriginalURL, .xRewriteURL, .xHost, .softPurge: ownName
    }
  }

  /// Names of the last group.
  private var ownName: StaticString {
    switch self {
    case .cacheStatus: "Cache-Status"
    case .xCacheStatus: "X-Cache-Status"
    case .xOriginalURL: "X-Original-URL"
    case .xRewriteURL: "X-Rewrite-URL"
    case .xHost: "X-Host"
    case .softPurge: "Soft-Purge"
    default: ""
    }
  }

  @inlinable public var bit: UInt64 { 1 &<< UInt64(rawValue) }
}

/// A set of known fields, one word.
public struct FieldSet: Equatable, Sendable {
  public var bits: UInt64

  @inlinable public init(bits: UInt64 = 0) { self.bits = bits }

  public init(_ fields: KnownField...) {
    bits = 0
    for field in fields { bits |= field.bit }
  }

  @inlinable public func contains(_ field: KnownField) -> Bool { bits & field.bit != 0 }
  @inlinable public func intersects(_ other: FieldSet) -> Bool { bits & other.bits != 0 }
  @inlinable public mutating func insert(_ field: KnownField) { bits |= field.bit }
  @inlinable public mutating func remove(_ field: KnownField) { bits &= ~field.bit }
}
