public import Bytes

/// Members of a comma-separated list, RFC 9110 §5.6.1: without surrounding whitespace, empty ones left out.
/// A comma within a quoted string is part of its member; a string that is not closed reaches to the end.
public struct ListMembers: Sendable {
  private var position = 0
  /// The member last returned holds a quoted string that is not closed.
  public private(set) var isUnclosed = false

  public init() {}

  /// The next member's place in `value`, which must be the same in each call.
  public mutating func next(in value: Span<UInt8>) -> ByteRange? {
    while position < value.count {
      let start = position
      let end = memberEnd(in: value)
      position = end + 1
      let member = value.trimmed(ByteRange(start, end))
      if !member.isEmpty { return member }
    }
    return nil
  }

  private mutating func memberEnd(in value: Span<UInt8>) -> Int {
    var i = position
    var isQuoted = false
    while i < value.count {
      switch value[i] {
      case .quote: isQuoted.toggle()
      case .backslash where isQuoted: i += 1
      case .comma where !isQuoted: return i
      default: break
      }
      i += 1
    }
    isUnclosed = isQuoted
    return value.count
  }
}

/// Calls `body` with each member of a comma-separated list, see `ListMembers`.
public func forEachListMember(of value: Span<UInt8>, _ body: (Span<UInt8>) -> Void) {
  var members = ListMembers()
  while let member = members.next(in: value) { body(value.extracting(member)) }
}
