import Bytes

/// How the end of a message's body is found, RFC 9112 §6.3.
public enum BodyFraming: Equatable, Sendable {
  case none
  /// This many bytes, at most 2⁶².
  case length(Int)
  case chunked
  /// Until the connection ends; responses only.
  case untilClose
}

/// Why two parsers might find different ends of a body.
public enum FramingFault: Error, Equatable, CaseIterable, Sendable {
  /// No plain decimal number up to 2⁶²: a list, a sign, a leading zero, nothing.
  case badContentLength
  /// Several lines, equal ones too: RFC 9112 §6.3 allows to refuse them.
  case repeatedContentLength
  case lengthAndCoding
  /// `Transfer-Encoding` in HTTP/1.0, RFC 9112 §6.1.
  case codingInHTTP10
  /// No list of codings, an empty member, `chunked` with parameters, twice, or not last.
  case badTransferCoding
  /// A list that ends in `chunked` or lacks it, with a coding that is not implemented.
  case unknownTransferCoding

  public var text: StaticString {
    switch self {
    case .badContentLength: "bad Content-Length"
    case .repeatedContentLength: "more than one Content-Length"
    case .lengthAndCoding: "both Content-Length and Transfer-Encoding"
    case .codingInHTTP10: "Transfer-Encoding in HTTP/1.0"
    case .badTransferCoding: "bad Transfer-Encoding"
    case .unknownTransferCoding: "unknown transfer coding"
    }
  }
}

/// What a head's own fields say about the end of the body.
enum StatedFraming: Equatable {
  case nothing
  case length(Int)
  case chunked

  /// Largest length taken: sums of it with offsets and head sizes cannot overflow.
  static let largestLength = 1 << 62

  /// - Parameter repeated: The known fields with more than one line.
  static func read(
    _ head: borrowing Head, repeated: FieldSet, minorVersion: UInt8
  ) throws(FramingFault) -> StatedFraming {
    guard head.has(.transferEncoding) else {
      guard let value = head.value(of: .contentLength) else { return .nothing }
      if repeated.contains(.contentLength) { throw .repeatedContentLength }
      guard let length = value.decimal, length <= largestLength,
        value.count == 1 || value[0] != UInt8(ascii: "0")
      else { throw .badContentLength }
      return .length(length)
    }
    if minorVersion == 0 { throw .codingInHTTP10 }
    if head.has(.contentLength) { throw .lengthAndCoding }
    try TransferCodings.check(head)
    return .chunked
  }
}

/// The list of codings over all `Transfer-Encoding` lines; only plain `chunked` is implemented.
private struct TransferCodings {
  private var sawChunked = false
  private var sawUnknown = false

  static func check(_ head: borrowing Head) throws(FramingFault) {
    var codings = TransferCodings()
    for line in head.lines where line.known == .transferEncoding {
      try codings.read(head.value(line))
    }
    if codings.sawUnknown { throw .unknownTransferCoding }
  }

  /// Unlike other lists this one may have no empty members: parsers are known to differ about `chunked,`.
  private mutating func read(_ value: Span<UInt8>) throws(FramingFault) {
    var start = 0
    repeat {
      let end = value.firstIndex(of: .comma, from: start) ?? value.count
      try readMember(value.extracting(value.trimmed(ByteRange(start, end))))
      start = end + 1
    } while start <= value.count
  }

  private mutating func readMember(_ member: Span<UInt8>) throws(FramingFault) {
    if sawChunked { throw .badTransferCoding }
    var nameEnd = 0
    while nameEnd < member.count, ByteClass.isToken(member[nameEnd]) { nameEnd += 1 }
    guard nameEnd > 0 else { throw .badTransferCoding }
    if member.extracting(0..<nameEnd).equalsIgnoringCase("chunked") {
      guard nameEnd == member.count else { throw .badTransferCoding }
      sawChunked = true
      return
    }
    let rest = member.trimmed(ByteRange(nameEnd, member.count))
    guard rest.isEmpty || member[rest.lower] == .semicolon else { throw .badTransferCoding }
    sawUnknown = true
  }
}

/// What `Connection` says about the connection itself, RFC 9112 §9.3 and 9.6.
enum Persistence {
  /// Bytes of all `Connection` values. Each other field is looked up in them before a message is forwarded:
  /// without a ceiling one head could ask for millions of comparisons.
  static let optionBytes = 1024

  /// - Parameter isRepeated: There is more than one `Connection` line.
  /// - Returns: `nil` for more options than the ceiling.
  static func isKept(_ head: borrowing Head, isRepeated: Bool, minorVersion: UInt8) -> Bool? {
    guard let first = head.value(of: .connection) else { return minorVersion > 0 }
    if !isRepeated {
      if NameWords.areEqual(first, "keep-alive") { return true }
      if NameWords.areEqual(first, "close") { return false }
    }
    return isKeptByList(head, minorVersion: minorVersion)
  }

  private static func isKeptByList(_ head: borrowing Head, minorVersion: UInt8) -> Bool? {
    var closes = false
    var keeps = false
    var left = optionBytes
    for line in head.lines where line.known == .connection {
      let value = head.value(line)
      left -= value.count
      if left < 0 { return nil }
      var members = ListMembers()
      while let member = members.next(in: value) {
        let option = value.extracting(member)
        if NameWords.areEqual(option, "close") { closes = true }
        if NameWords.areEqual(option, "keep-alive") { keeps = true }
      }
    }
    return !closes && (keeps || minorVersion > 0)
  }
}
