// HTTP: messages of HTTP/1.1 as bytes: heads, their fields as an overlay on what was received, chunked
// bodies, dates. Pure: no I/O, no clock, and no allocation but in tables that are kept. What two parsers
// could read differently is refused. It imports Bytes. The proxy parses with it; the caching rules read
// fields through it.

public import Bytes

/// Forms of a request target, RFC 9112 §3.2. The fourth, an authority alone, belongs to CONNECT, which is
/// refused.
public enum TargetForm: Sendable {
  case origin, absolute, asterisk
}

/// Ceilings for one head.
public struct HeadLimits: Equatable, Sendable {
  /// Bytes of the whole head with its empty line; at most 2³¹.
  public var headBytes: Int
  public var targetBytes: Int
  public var fieldCount: Int

  public init(headBytes: Int = 65536, targetBytes: Int = 8192, fieldCount: Int = 100) {
    self.headBytes = headBytes
    self.targetBytes = targetBytes
    self.fieldCount = fieldCount
  }
}

/// One request's head, RFC 9112 §3 and 5, parsed strictly: what two parsers could read differently is
/// refused.
///
/// All ranges are offsets into the message, `head.message`. One value serves many requests in turn and keeps
/// its memory.
public struct RequestHead: ~Copyable {
  /// The fields, over the same bytes.
  public var head = Head()
  public internal(set) var method = Method.other
  public internal(set) var methodRange = ByteRange.empty
  /// As received.
  public internal(set) var target = ByteRange.empty
  public internal(set) var targetForm = TargetForm.origin
  /// Host with port, from the target in absolute form, else from `Host`. Empty only in HTTP/1.0. It replaces
  /// `Host` where they differ (RFC 9112 §3.2.2).
  public internal(set) var authority = ByteRange.empty
  /// Byte for byte as received. In absolute form it may be empty, or begin with the question mark: the path
  /// is then `/`, but `*` for OPTIONS with an empty range (RFC 9112 §3.2.1 and 3.2.4).
  public internal(set) var pathAndQuery = ByteRange.empty
  /// 0 or 1: a higher minor version is treated as 1 (RFC 9110 §2.5).
  public internal(set) var minorVersion: UInt8 = 1
  public internal(set) var framing = BodyFraming.none
  /// The client allows another request after this one, RFC 9112 §9.3.
  public internal(set) var keepsAlive = false
  /// `Expect: 100-continue` in a request with a body, in HTTP/1.1.
  public internal(set) var expectsContinue = false
  /// Offset past the empty line.
  public internal(set) var end = 0

  var line = RequestLineParser()
  var fields = FieldParser(at: 0)
  var isInFields = false

  public init() {}

  /// Forgets the request; the next one's bytes are expected.
  public mutating func begin() {
    unsafe head.begin(base: nil, size: 0)
    line = RequestLineParser()
    isInFields = false
    // Of a head that is refused the log asks all the same.
    method = .other
    methodRange = .empty
    target = .empty
    pathAndQuery = .empty
    authority = .empty
    framing = .none
    keepsAlive = false
    expectsContinue = false
    end = 0
  }

  /// The next byte to look at; after an error the byte that is wrong, or the end of the head if the fault
  /// is in its meaning.
  public var position: Int { isInFields ? fields.position : line.position }

  /// Parses what is new. Afterwards `head` borrows the bytes, which the caller keeps in place until the next
  /// `parse`, `head.rebase`, `head.persist` or `begin`.
  ///
  /// - Parameter base: The request's first byte, with `count` bytes there. Between calls bytes may be added
  ///   and all may move, but none may change.
  /// - Returns: true when the head is complete. Bytes behind `end` are not looked at.
  /// - Throws: the same error wherever the bytes are split. Nothing may be parsed after it before `begin`.
  public mutating func parse(
    _ base: UnsafePointer<UInt8>, count: Int, limits: HeadLimits = HeadLimits()
  ) throws(RequestError) -> Bool {
    unsafe head.rebase(to: base, size: count)
    let limit = min(count, limits.headBytes)
    if !isInFields {
      guard unsafe try line.parse(base, limit: limit, targetLimit: limits.targetBytes) else {
        return try incomplete(limit, limits)
      }
      unsafe try readLine(base)
      fields = FieldParser(at: line.position)
      isInFields = true
    }
    let isComplete: Bool
    do {
      unsafe isComplete = try fields.parse(base, limit: limit, fieldLimit: limits.fieldCount, into: &head)
    } catch {
      throw .field(error)
    }
    guard isComplete else { return try incomplete(limit, limits) }
    end = fields.position
    try readFields()
    return true
  }

  private func incomplete(_ limit: Int, _ limits: HeadLimits) throws(RequestError) -> Bool {
    if limit == limits.headBytes { throw .headTooLarge }
    return false
  }

  /// Takes method, target and version from the complete line.
  private mutating func readLine(_ base: UnsafePointer<UInt8>) throws(RequestError) {
    methodRange = line.method
    target = line.target
    minorVersion = line.minorVersion
    // SAFETY: the line parser found these ranges within the bytes.
    method = unsafe Method.identify(base + methodRange.lower, count: methodRange.count)
    if method == .connect { throw .connectRefused }
    pathAndQuery = target
    if unsafe base[target.lower] == .slash {
      targetForm = .origin
    } else if target.count == 1, unsafe base[target.lower] == UInt8(ascii: "*") {
      guard method == .options else { throw .badTarget }
      targetForm = .asterisk
    } else {
      targetForm = .absolute
      authority = try RequestHead.authority(ofAbsolute: target, in: head)
      pathAndQuery = ByteRange(authority.upper, target.upper)
    }
  }

  /// `http://host[:port][path][?query]`, also with `https`: the authority's range. The rest follows it.
  private static func authority(
    ofAbsolute target: ByteRange, in head: borrowing Head
  ) throws(RequestError) -> ByteRange {
    let bytes = head.bytes(target)
    guard let colon = bytes.firstIndex(of: .colon), colon + 3 <= bytes.count,
      bytes[colon + 1] == .slash, bytes[colon + 2] == .slash
    else { throw .badTarget }
    let scheme = bytes.extracting(0..<colon)
    guard scheme.equalsIgnoringCase("http") || scheme.equalsIgnoringCase("https") else { throw .badTarget }
    let start = colon + 3
    var end = start
    while end < bytes.count, bytes[end] != .slash, bytes[end] != .question { end += 1 }
    guard Authority.isValid(bytes.extracting(start..<end)) else { throw .badAuthority }
    return ByteRange(target.lower + start, target.lower + end)
  }

  /// What the fields mean for this module: host, framing, connection, expectation.
  private mutating func readFields() throws(RequestError) {
    if fields.repeated.contains(.host) { throw .repeatedHost }
    if let host = head.first(.host) {
      guard Authority.isValid(head.value(host)) else { throw .badAuthority }
      if targetForm != .absolute { authority = host.value }
    } else if minorVersion > 0 {
      throw .missingHost
    }
    let stated: StatedFraming
    do {
      stated = try StatedFraming.read(head, repeated: fields.repeated, minorVersion: minorVersion)
    } catch {
      throw .framing(error)
    }
    switch stated {
    case .nothing: framing = .none
    case .length(let length): framing = length == 0 ? .none : .length(length)
    case .chunked: framing = .chunked
    }
    guard
      let isKept = Persistence.isKept(
        head, isRepeated: fields.repeated.contains(.connection), minorVersion: minorVersion)
    else { throw .connectionOptionsTooLong }
    keepsAlive = isKept
    // HTTP/1.0 has no expectations: RFC 9110 §10.1.1 says to ignore them there.
    if minorVersion > 0, let expectation = head.first(.expect) {
      guard !fields.repeated.contains(.expect), head.value(expectation).equalsIgnoringCase("100-continue")
      else { throw .unknownExpectation }
      expectsContinue = framing != .none
    }
  }
}
