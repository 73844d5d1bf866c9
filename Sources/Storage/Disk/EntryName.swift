/// Stands in for the real one until it is merged.
public struct EntryName: Hashable, Sendable, BitwiseCopyable {
  public let words: InlineWords

  public struct InlineWords: Hashable, Sendable, BitwiseCopyable {
    public var w0, w1, w2, w3: UInt64
  }

  public static let byteCount = 32

  public init?(digest: Span<UInt8>) {
    guard digest.count == Self.byteCount else { return nil }
    var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    for i in 0..<8 {
      words.0 = words.0 << 8 | UInt64(digest[i])
      words.1 = words.1 << 8 | UInt64(digest[8 + i])
      words.2 = words.2 << 8 | UInt64(digest[16 + i])
      words.3 = words.3 << 8 | UInt64(digest[24 + i])
    }
    self.words = InlineWords(w0: words.0, w1: words.1, w2: words.2, w3: words.3)
  }
}
