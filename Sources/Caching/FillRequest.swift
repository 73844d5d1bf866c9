import Bytes
public import HTTP

extension FieldSet {
  /// Request fields by which some frameworks route without the cache's knowledge (S7), and those that are
  /// orders to us. They are never forwarded.
  public static let neverForwarded = FieldSet(.xOriginalURL, .xRewriteURL, .xHost, .softPurge)

  /// Request fields that would make a response one client's: conditions, ranges, `Expect`, `TE` and cache
  /// directives (L10).
  public static let notInFills = FieldSet(
    .ifMatch, .ifNoneMatch, .ifModifiedSince, .ifUnmodifiedSince, .ifRange, .range, .expect, .te,
    .cacheControl, .pragma)
}

/// Makes a client's fields those of a shared fill, whose method is GET (L10): what it asks for is whole and
/// for anybody.
public func buildFillHead(_ head: inout Head) {
  head.remove(FieldSet(bits: FieldSet.notInFills.bits | FieldSet.neverForwarded.bits))
}

/// Makes a fill's request a revalidation: adds the stored response's own validators, RFC 9111 §4.3.1.
///
/// - Parameters:
///   - head: After `buildFillHead`.
///   - lastModified: `Last-Modified` as the origin wrote it.
public func addValidators(etag: Span<UInt8>?, lastModified: Span<UInt8>?, to head: inout Head) {
  if let etag { head.append(.ifNoneMatch, etag) }
  if let lastModified { head.append(.ifModifiedSince, lastModified) }
}
