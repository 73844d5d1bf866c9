import Bytes

/// Walks a stored head, which is as `writeStoredHead` wrote it: a status line, then `name: value CRLF` for
/// each field, and no empty line. Does not allocate.
struct StoredLines {
  private var at: Int
  /// The status line with its CRLF.
  let statusLine: ByteRange

  init(_ head: Span<UInt8>) {
    let end = Self.lineEnd(in: head, from: 0)
    statusLine = ByteRange(0, end)
    at = end
  }

  struct Line {
    var name: ByteRange
    var value: ByteRange
    /// All of it, with its CRLF.
    var whole: ByteRange
  }

  mutating func next(in head: Span<UInt8>) -> Line? {
    guard at < head.count else { return nil }
    let start = at
    at = Self.lineEnd(in: head, from: start)
    let nameEnd = head.firstIndex(of: .colon, from: start) ?? at
    let valueStart = min(nameEnd + 2, at)
    return Line(
      name: ByteRange(start, nameEnd), value: ByteRange(valueStart, max(valueStart, at - 2)),
      whole: ByteRange(start, at))
  }

  private static func lineEnd(in head: Span<UInt8>, from start: Int) -> Int {
    head.firstIndex(of: .lineFeed, from: start).map { $0 + 1 } ?? head.count
  }
}
