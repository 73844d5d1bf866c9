public import Bytes

/// One response's head, RFC 9112 §4 and 5, parsed as strictly as a request's: an ambiguous one is an error.
///
/// All ranges are offsets into the message, `head.message`. One value serves many responses in turn and keeps
/// its memory.
public struct ResponseHead: ~Copyable {
  /// The fields, over the same bytes.
  public var head = Head()
  /// 100 through 599.
  public internal(set) var status: UInt16 = 0
  /// May be empty.
  public internal(set) var reason = ByteRange.empty
  /// 0 or 1: a higher minor version is treated as 1 (RFC 9110 §2.5).
  public internal(set) var minorVersion: UInt8 = 1
  /// The server allows another request on the connection, RFC 9112 §9.3; true says nothing if the body ends
  /// with the connection.
  public internal(set) var keepsAlive = false
  /// Offset past the empty line.
  public internal(set) var end = 0

  private var stated = StatedFraming.nothing
  private var line = StatusLineParser()
  private var fields = FieldParser(at: 0)
  private var isInFields = false

  public init() {}

  /// Forgets the response; the next one's bytes are expected.
  public mutating func begin() {
    unsafe head.begin(base: nil, size: 0)
    line = StatusLineParser()
    isInFields = false
    status = 0
    reason = .empty
    keepsAlive = false
    end = 0
    stated = .nothing
  }

  /// The next byte to look at; after an error the byte that is wrong, or the end of the head if the fault
  /// is in its meaning.
  public var position: Int { isInFields ? fields.position : line.position }

  /// Parses what is new. Afterwards `head` borrows the bytes, which the caller keeps in place until the next
  /// `parse`, `head.rebase`, `head.persist` or `begin`.
  ///
  /// - Parameter base: The response's first byte, with `count` bytes there. Between calls bytes may be added
  ///   and all may move, but none may change.
  /// - Returns: true when the head is complete. Bytes behind `end` are not looked at.
  /// - Throws: the same error wherever the bytes are split. Nothing may be parsed after it before `begin`.
  public mutating func parse(
    _ base: UnsafePointer<UInt8>, count: Int, limits: HeadLimits = HeadLimits()
  ) throws(ResponseError) -> Bool {
    unsafe head.rebase(to: base, size: count)
    let limit = min(count, limits.headBytes)
    if !isInFields {
      guard unsafe try line.parse(base, limit: limit) else { return try incomplete(limit, limits) }
      status = line.status
      reason = line.reason
      minorVersion = line.minorVersion
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

  /// How its body ends, RFC 9112 §6.3; it depends on what was asked for.
  public func framing(requestMethod: Method) -> BodyFraming {
    if requestMethod == .head || status < 200 || status == 204 || status == 304 { return .none }
    switch stated {
    case .nothing: return .untilClose
    case .length(let length): return length == 0 ? .none : .length(length)
    case .chunked: return .chunked
    }
  }

  /// The value of `Content-Length`; for HEAD and 304 it tells what the body would be.
  public var statedLength: Int? {
    if case .length(let length) = stated { return length }
    return nil
  }

  private func incomplete(_ limit: Int, _ limits: HeadLimits) throws(ResponseError) -> Bool {
    if limit == limits.headBytes { throw .headTooLarge }
    return false
  }

  private mutating func readFields() throws(ResponseError) {
    do {
      stated = try StatedFraming.read(head, repeated: fields.repeated, minorVersion: minorVersion)
    } catch {
      throw .framing(error)
    }
    if status < 200 || status == 204, stated != .nothing, stated != .length(0) { throw .bodyNotAllowed }
    guard
      let isKept = Persistence.isKept(
        head, isRepeated: fields.repeated.contains(.connection), minorVersion: minorVersion)
    else { throw .connectionOptionsTooLong }
    keepsAlive = isKept
  }
}
