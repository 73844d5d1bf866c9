public import Bytes
import HTTP

/// What a stored head says that requests are compared with, found once when it is stored. Ranges are offsets
/// into the head; of a field that is there twice the first counts.
public struct HeadFacts: Equatable, Sendable {
  public var etag: ByteRange?
  /// As the origin wrote it: what `If-Modified-Since` repeats.
  public var lastModifiedText: ByteRange?
  /// Seconds since 1970; `nil` when it cannot be read.
  public var lastModified: Int64?
  public var date: Int64?
  public var contentType: ByteRange?

  /// - Parameter stored: As `writeStoredHead` or `mergedHead` wrote it.
  public init(_ stored: Span<UInt8>) {
    var lines = StoredLines(stored)
    while let line = lines.next(in: stored) {
      switch KnownField.identify(stored.extracting(line.name)) {
      case .etag where etag == nil: etag = line.value
      case .lastModified where lastModifiedText == nil:
        lastModifiedText = line.value
        lastModified = HTTPDate.parse(stored.extracting(line.value))
      case .date where date == nil: date = HTTPDate.parse(stored.extracting(line.value))
      case .contentType where contentType == nil: contentType = line.value
      default: break
      }
    }
  }

  /// What `If-Modified-Since` is compared with, RFC 9111 §4.3.2: `Last-Modified`, or else `Date`.
  public var modified: Int64? { lastModified ?? date }

  /// There is something to ask the origin with.
  public var hasValidator: Bool { etag != nil || lastModifiedText != nil }
}
