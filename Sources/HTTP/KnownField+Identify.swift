import Bytes

extension KnownField {
  /// The known field that `name` is, case ignored; `.other` for any other name.
  public static func identify(_ name: Span<UInt8>) -> KnownField {
    unsafe name.withUnsafeBufferPointer { bytes in
      // SAFETY: the buffer holds `count` bytes, and has an address if that is not 0.
      bytes.count < 2 ? .other : unsafe identify(bytes.baseAddress!, count: bytes.count)
    }
  }

  /// The same for `count` bytes at `base`: a switch on the length, then a comparison or a few of whole words.
  static func identify(_ base: UnsafePointer<UInt8>, count: Int) -> KnownField {
    guard count >= 2, count <= 19 else { return .other }
    // SAFETY: the caller vouches for `count` bytes, and `NameWords` gets a count that it allows.
    let name = unsafe NameWords(base, count: count)
    switch count {
    case 2...5: return identifyShortest(name, count)
    case 6...9: return identifyShort(name, count)
    case 10...13: return identifyLong(name, count)
    default: return identifyLongest(name, count)
    }
  }

  @inline(__always)
  private static func identifyShortest(_ name: NameWords, _ count: Int) -> KnownField {
    switch count {
    case 2:
      if name.matches("te") { return .te }
    case 3:
      if name.matches("age") { return .age }
      if name.matches("via") { return .via }
    case 4:
      if name.matches("host") { return .host }
      if name.matches("date") { return .date }
      if name.matches("etag") { return .etag }
      if name.matches("vary") { return .vary }
    default:
      if name.matches("range") { return .range }
    }
    return .other
  }

  @inline(__always)
  private static func identifyShort(_ name: NameWords, _ count: Int) -> KnownField {
    switch count {
    case 6:
      if name.matches("accept") { return .accept }
      if name.matches("cookie") { return .cookie }
      if name.matches("server") { return .server }
      if name.matches("pragma") { return .pragma }
      if name.matches("expect") { return .expect }
      if name.matches("x-host") { return .xHost }
    case 7:
      if name.matches("referer") { return .referer }
      if name.matches("expires") { return .expires }
      if name.matches("upgrade") { return .upgrade }
      if name.matches("trailer") { return .trailer }
      if name.matches("warning") { return .warning }
    case 8:
      if name.matches("location") { return .location }
      if name.matches("if-range") { return .ifRange }
      if name.matches("if-match") { return .ifMatch }
      if name.matches("cdn-loop") { return .cdnLoop }
    default:
      if name.matches("forwarded") { return .forwarded }
    }
    return .other
  }

  @inline(__always)
  private static func identifyLong(_ name: NameWords, _ count: Int) -> KnownField {
    switch count {
    case 10:
      if name.matches("connection") { return .connection }
      if name.matches("user-agent") { return .userAgent }
      if name.matches("set-cookie") { return .setCookie }
      if name.matches("keep-alive") { return .keepAlive }
      if name.matches("soft-purge") { return .softPurge }
    case 11:
      if name.matches("retry-after") { return .retryAfter }
    case 12:
      if name.matches("content-type") { return .contentType }
      if name.matches("cache-status") { return .cacheStatus }
      if name.matches("max-forwards") { return .maxForwards }
      if name.matches("x-request-id") { return .xRequestID }
    default:
      if name.matches("cache-control") { return .cacheControl }
      if name.matches("last-modified") { return .lastModified }
      if name.matches("if-none-match") { return .ifNoneMatch }
      if name.matches("authorization") { return .authorization }
      if name.matches("accept-ranges") { return .acceptRanges }
      if name.matches("content-range") { return .contentRange }
      if name.matches("x-rewrite-url") { return .xRewriteURL }
    }
    return .other
  }

  @inline(__always)
  private static func identifyLongest(_ name: NameWords, _ count: Int) -> KnownField {
    switch count {
    case 14:
      if name.matches("content-length") { return .contentLength }
      if name.matches("http2-settings") { return .http2Settings }
      if name.matches("x-cache-status") { return .xCacheStatus }
      if name.matches("x-original-url") { return .xOriginalURL }
    case 15:
      if name.matches("accept-encoding") { return .acceptEncoding }
      if name.matches("accept-language") { return .acceptLanguage }
      if name.matches("x-forwarded-for") { return .xForwardedFor }
    case 16:
      if name.matches("content-encoding") { return .contentEncoding }
      if name.matches("content-location") { return .contentLocation }
      if name.matches("proxy-connection") { return .proxyConnection }
      if name.matches("x-forwarded-host") { return .xForwardedHost }
    case 17:
      if name.matches("if-modified-since") { return .ifModifiedSince }
      if name.matches("transfer-encoding") { return .transferEncoding }
      if name.matches("x-forwarded-proto") { return .xForwardedProto }
    case 18:
      if name.matches("proxy-authenticate") { return .proxyAuthenticate }
    default:
      if name.matches("if-unmodified-since") { return .ifUnmodifiedSince }
      if name.matches("proxy-authorization") { return .proxyAuthorization }
    }
    return .other
  }
}
