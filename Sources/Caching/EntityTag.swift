import Bytes

/// Entity tags, RFC 9110 §8.8.3, compared as bytes. What is no entity tag by the grammar matches itself.
enum EntityTag {
  static func isWeak(_ tag: Span<UInt8>) -> Bool {
    tag.count >= 2 && tag[0] == UInt8(ascii: "W") && tag[1] == .slash
  }

  /// Weak comparison, RFC 9110 §8.8.3.2: the prefix does not count.
  static func matchesWeakly(_ one: Span<UInt8>, _ other: Span<UInt8>) -> Bool {
    opaque(one).equals(opaque(other))
  }

  /// Strong comparison, RFC 9110 §8.8.3.2: neither is weak.
  static func matchesStrongly(_ one: Span<UInt8>, _ other: Span<UInt8>) -> Bool {
    !isWeak(one) && !isWeak(other) && one.equals(other)
  }

  @_lifetime(copy tag)
  private static func opaque(_ tag: Span<UInt8>) -> Span<UInt8> {
    isWeak(tag) ? tag.extracting(2..<tag.count) : tag
  }
}

/// Walks the entity tags of a list. A backslash has no meaning in them, unlike in quoted strings
/// (RFC 9110 §8.8.3), so that they need a walk of their own.
struct EntityTagScanner {
  private var at = 0

  mutating func next(in list: Span<UInt8>) -> ByteRange? {
    while at < list.count {
      let start = at
      var isQuoted = false
      while at < list.count, isQuoted || list[at] != .comma {
        if list[at] == .quote { isQuoted.toggle() }
        at += 1
      }
      let tag = list.trimmed(ByteRange(start, at))
      at += 1
      if !tag.isEmpty { return tag }
    }
    return nil
  }
}
