import Bytes

/// Why field lines were refused, in a head or in trailers.
public enum FieldFault: Error, Equatable, CaseIterable, Sendable {
  /// A line without a name: it begins with a colon or is no field line at all.
  case emptyName
  /// A byte that is no token byte in a name.
  case badNameByte
  /// Whitespace between name and colon, RFC 9112 §5.1.
  case spaceBeforeColon
  /// A line that begins with whitespace, RFC 9112 §5.2.
  case foldedLine
  /// NUL, another control byte, or DEL in a value.
  case badValueByte
  /// LF without CR before it, RFC 9112 §2.2.
  case bareLineFeed
  /// CR without LF after it, RFC 9112 §2.2.
  case bareCarriageReturn
  case tooManyFields

  public var text: StaticString {
    switch self {
    case .emptyName: "empty field name"
    case .badNameByte: "bad byte in a field name"
    case .spaceBeforeColon: "whitespace before the colon of a field"
    case .foldedLine: "folded field line"
    case .badValueByte: "control byte in a field value"
    case .bareLineFeed: "line ends with a bare LF"
    case .bareCarriageReturn: "bare CR"
    case .tooManyFields: "too many fields"
    }
  }
}

/// Field lines up to the empty line, RFC 9112 §5, resumable at any byte: each byte is looked at once, but for
/// one CR at the end of what has arrived.
struct FieldParser {
  private enum Phase {
    /// → name, lastLineFeed
    case lineStart
    /// → whitespace
    case name
    /// → value
    case whitespace
    /// → lineStart
    case value
    case lastLineFeed
  }

  private var phase = Phase.lineStart
  /// The next byte to look at; after an error the byte that is wrong.
  private(set) var position: Int
  private var nameStart = 0
  private var nameEnd = 0
  private var valueStart = 0
  private var known = KnownField.other
  /// Known fields that have more than one line.
  private(set) var repeated = FieldSet()

  init(at position: Int) { self.position = position }

  /// Parses what there is before `limit` and adds complete lines to `head`.
  ///
  /// - Returns: true when the empty line is complete; `position` is then behind it.
  mutating func parse(
    _ base: UnsafePointer<UInt8>, limit: Int, fieldLimit: Int, into head: inout Head
  ) throws(FieldFault) -> Bool {
    while true {
      switch phase {
      case .lineStart:
        unsafe parseWholeLines(base, limit, fieldLimit, &head)
        guard position < limit else { return false }
        // SAFETY: all reads are before `limit`, up to which the caller vouches for the bytes.
        let byte = unsafe base[position]
        if byte == .carriageReturn {
          position &+= 1
          phase = .lastLineFeed
        } else {
          if byte == .space || byte == .tab { throw .foldedLine }
          nameStart = position
          phase = .name
        }
      case .name:
        guard unsafe try scanName(base, limit) else { return false }
        position &+= 1
        phase = .whitespace
      case .whitespace:
        while position < limit, unsafe base[position] == .space || base[position] == .tab { position &+= 1 }
        guard position < limit else { return false }
        valueStart = position
        phase = .value
      case .value:
        guard unsafe try scanValue(base, limit) else { return false }
        if head.lines.count >= fieldLimit { throw .tooManyFields }
        let end = unsafe valueEnd(base, from: valueStart, to: position)
        add(ByteRange(nameStart, nameEnd), ByteRange(valueStart, end), known, &head)
        position &+= 2
        phase = .lineStart
      case .lastLineFeed:
        guard position < limit else { return false }
        guard unsafe base[position] == .lineFeed else { throw .bareCarriageReturn }
        position &+= 1
        return true
      }
    }
  }

  /// The quick way for most lines: those that have arrived whole, with a name of at most 32 bytes and without
  /// tabs in the value. It stops before a line that is anything else, faults included, and leaves it to the
  /// machine; so it does not change what is accepted.
  @inline(__always)
  private mutating func parseWholeLines(
    _ base: UnsafePointer<UInt8>, _ limit: Int, _ fieldLimit: Int, _ head: inout Head
  ) {
    var start = position
    // SAFETY: all reads are before `limit`.
    while let colon = unsafe ByteScan.firstColon(base, from: start, limit: limit), colon &+ 1 < limit,
      head.lines.count < fieldLimit
    {
      let known = unsafe KnownField.identify(base + start, count: colon &- start)
      if known == .other, unsafe !isName(base, from: start, to: colon) { break }
      var value = colon &+ 1
      while value < limit, unsafe base[value] == .space { value &+= 1 }
      let end = unsafe ByteScan.firstControl(base, from: value, limit: limit)
      guard end &+ 1 < limit, unsafe base[end] == .carriageReturn && base[end &+ 1] == .lineFeed else {
        break
      }
      let trimmed = unsafe valueEnd(base, from: value, to: end)
      add(ByteRange(start, colon), ByteRange(value, trimmed), known, &head)
      start = end &+ 2
    }
    position = start
  }

  @inline(__always)
  private func isName(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Bool {
    var i = start
    while i < end, unsafe ByteClass.isToken(base[i]) { i &+= 1 }
    return i == end && end > start
  }

  @inline(__always)
  private func valueEnd(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
    var end = end
    while end > start, unsafe base[end &- 1] == .space || base[end &- 1] == .tab { end &-= 1 }
    return end
  }

  @inline(__always)
  private mutating func add(_ name: ByteRange, _ value: ByteRange, _ known: KnownField, _ head: inout Head) {
    if known != .other, head.present.contains(known) { repeated.insert(known) }
    head.add(line: name, value: value, known: known)
  }

  /// Moves `position` to the colon behind the name. False: not there yet.
  @inline(__always)
  private mutating func scanName(_ base: UnsafePointer<UInt8>, _ limit: Int) throws(FieldFault) -> Bool {
    while position < limit, unsafe ByteClass.isToken(base[position]) { position &+= 1 }
    guard position < limit else { return false }
    guard unsafe base[position] == .colon else { throw unsafe nameFault(base[position]) }
    guard position > nameStart else { throw .emptyName }
    nameEnd = position
    unsafe known = KnownField.identify(base + nameStart, count: nameEnd &- nameStart)
    return true
  }

  private func nameFault(_ byte: UInt8) -> FieldFault {
    switch byte {
    case .space, .tab: .spaceBeforeColon
    case .lineFeed: .bareLineFeed
    case .carriageReturn: position == nameStart ? .emptyName : .badNameByte
    default: .badNameByte
    }
  }

  /// Moves `position` to the CR LF behind the value. False: not there yet.
  @inline(__always)
  private mutating func scanValue(_ base: UnsafePointer<UInt8>, _ limit: Int) throws(FieldFault) -> Bool {
    while true {
      unsafe position = ByteScan.firstControl(base, from: position, limit: limit)
      guard position < limit else { return false }
      switch unsafe base[position] {
      case .tab: position &+= 1
      case .carriageReturn:
        guard position &+ 1 < limit else { return false }
        guard unsafe base[position &+ 1] == .lineFeed else { throw .bareCarriageReturn }
        return true
      case .lineFeed: throw .bareLineFeed
      default: throw .badValueByte
      }
    }
  }
}
