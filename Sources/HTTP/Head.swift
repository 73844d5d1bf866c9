public import Bytes

/// One field line of a head: where its name and value are, and which known field it is.
public struct FieldLine: Sendable {
  public var name: ByteRange
  public var value: ByteRange
  public var known: KnownField
  /// The bytes are in the head's own added bytes instead of the message's.
  var isAdded: Bool
  var isMarked = false
}

/// The fields of a message as an overlay: a table of offsets over the message's immutable bytes, from which
/// lines can be removed and to which lines can be added without touching those bytes.
///
/// `req`, `bereq`, `beresp` and `resp` are such heads. One is used for many messages in turn and keeps its
/// memory. While `borrows` is true the message's bytes belong to somebody else (a receive buffer, a stored
/// entry), who keeps them in place; `persist()` makes the head their owner.
@safe public struct Head: ~Copyable {
  private var base: UnsafePointer<UInt8>?
  private var size = 0
  private var own: UnsafeMutablePointer<UInt8>?
  private var ownCapacity = 0
  private var added = OutputBuffer(capacity: 0)
  /// The lines in order of arrival; added lines come last.
  public private(set) var lines: [FieldLine] = []
  /// Which known fields are among `lines`.
  public private(set) var present = FieldSet()

  public init() {}

  deinit { unsafe own?.deallocate() }

  /// Forgets everything and starts over with a message at `base`, of which `size` bytes are there.
  public mutating func begin(base: UnsafePointer<UInt8>?, size: Int) {
    unsafe self.base = base
    self.size = size
    lines.removeAll(keepingCapacity: true)
    added.removeAll()
    present = FieldSet()
  }

  /// The same message has moved to `base`, or more of it has arrived there. Offsets stay valid.
  public mutating func rebase(to base: UnsafePointer<UInt8>?, size: Int) {
    unsafe self.base = base
    self.size = size
  }

  /// Copies the message's first `count` bytes into memory of this head, which so survives the buffer that it
  /// was parsed in.
  public mutating func persist(count: Int) {
    precondition(count <= size, "persisting more than there is")
    if count > ownCapacity {
      unsafe own?.deallocate()
      ownCapacity = max(count, 256)
      unsafe own = .allocate(capacity: ownCapacity)
    }
    // SAFETY: `base` holds `size` bytes by the contract of `begin`; `own` holds at least `count`.
    if count > 0, let own = unsafe own, let base = unsafe base, unsafe base != UnsafePointer(own) {
      unsafe own.update(from: base, count: count)
    }
    unsafe base = UnsafePointer(own)
    size = count
  }

  /// The message's bytes.
  public var message: Span<UInt8> {
    @_lifetime(borrow self)
    get {
      // SAFETY: `base` holds `size` bytes as long as this head is used for the message.
      let span = unsafe Span<UInt8>(_unsafeStart: base ?? Head.nothing, count: base == nil ? 0 : size)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  private static var nothing: UnsafePointer<UInt8> {
    // SAFETY: never read: it is the address of an empty span.
    unsafe UnsafePointer(bitPattern: 8)!
  }

  /// Bytes of the message, by the offsets of a parse.
  @_lifetime(borrow self)
  public func bytes(_ range: ByteRange) -> Span<UInt8> {
    let span = message.extracting(range)
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  @_lifetime(borrow self)
  public func name(_ line: FieldLine) -> Span<UInt8> {
    let span = line.isAdded ? added.bytes.extracting(line.name) : message.extracting(line.name)
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  @_lifetime(borrow self)
  public func value(_ line: FieldLine) -> Span<UInt8> {
    let span = line.isAdded ? added.bytes.extracting(line.value) : message.extracting(line.value)
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  /// Calls `body` with bytes of the message. For a head that is stored in an object, from which no span may
  /// be taken out.
  public func withBytes<Result>(_ range: ByteRange, _ body: (Span<UInt8>) -> Result) -> Result {
    body(message.extracting(range))
  }

  /// Calls `body` with the value of a known field's first line; `nil` when there is none.
  public func withValue<Result>(of field: KnownField, _ body: (Span<UInt8>) -> Result) -> Result? {
    guard let line = first(field) else { return nil }
    return body(value(line))
  }

  @inlinable public func has(_ field: KnownField) -> Bool { present.contains(field) }

  /// The first line of a known field.
  public func first(_ field: KnownField) -> FieldLine? {
    guard present.contains(field) else { return nil }
    for line in lines where line.known == field { return line }
    return nil
  }

  /// The value of a known field's first line.
  @_lifetime(borrow self)
  public func value(of field: KnownField) -> Span<UInt8>? {
    guard let line = first(field) else { return nil }
    return unsafe _overrideLifetime(value(line), borrowing: self)
  }

  /// The same, empty when the field is absent.
  @_lifetime(borrow self)
  public func valueOrNothing(of field: KnownField) -> Span<UInt8> {
    guard let line = first(field) else { return Span() }
    return unsafe _overrideLifetime(value(line), borrowing: self)
  }

  /// How many lines a known field has.
  public func count(of field: KnownField) -> Int {
    guard present.contains(field) else { return 0 }
    var count = 0
    for line in lines where line.known == field { count += 1 }
    return count
  }

  /// Calls `body` with the value of each line whose name equals `name`, case ignored, in order.
  public func forEachValue(named name: Span<UInt8>, _ body: (Span<UInt8>) -> Void) {
    for line in lines where self.name(line).equalsIgnoringCase(name) { body(value(line)) }
  }

  /// Takes the fields of another head, with a copy of its message.
  public mutating func copy(from other: borrowing Head) {
    unsafe begin(base: other.base, size: other.size)
    lines.append(contentsOf: other.lines)
    added.append(other.added.bytes)
    present = other.present
    persist(count: size)
  }

  /// Used by the parsers of this module: a line of the message.
  mutating func add(line name: ByteRange, value: ByteRange, known: KnownField) {
    lines.append(FieldLine(name: name, value: value, known: known, isAdded: false))
    present.insert(known)
  }

  /// Adds a line of ours. The caller vouches that the value holds no CR, LF or NUL.
  public mutating func append(_ field: KnownField, _ value: Span<UInt8>) {
    let start = added.count
    added.append(field.name)
    let middle = added.count
    added.append(value)
    addedLine(field, start, middle)
  }

  public mutating func append(_ field: KnownField, _ value: StaticString) {
    let start = added.count
    added.append(field.name)
    let middle = added.count
    added.append(value)
    addedLine(field, start, middle)
  }

  public mutating func append(name: Span<UInt8>, value: Span<UInt8>) {
    let start = added.count
    added.append(name)
    let middle = added.count
    added.append(value)
    addedLine(KnownField.identify(name), start, middle)
  }

  private mutating func addedLine(_ known: KnownField, _ start: Int, _ middle: Int) {
    lines.append(
      FieldLine(
        name: ByteRange(start, middle), value: ByteRange(middle, added.count), known: known, isAdded: true))
    present.insert(known)
  }

  /// Removes all lines of a known field.
  public mutating func remove(_ field: KnownField) {
    guard present.contains(field) else { return }
    lines.removeAll { $0.known == field }
    present.remove(field)
  }

  /// Removes all lines of the known fields in `fields`.
  public mutating func remove(_ fields: FieldSet) {
    guard present.intersects(fields) else { return }
    lines.removeAll { fields.contains($0.known) }
    present.bits &= ~fields.bits
  }

  /// Removes all lines whose name equals `name`, case ignored.
  public mutating func remove(named name: Span<UInt8>) {
    var kept = 0
    present = FieldSet()
    for i in lines.indices {
      if self.name(lines[i]).equalsIgnoringCase(name) { continue }
      present.insert(lines[i].known)
      lines[kept] = lines[i]
      kept += 1
    }
    lines.removeLast(lines.count - kept)
  }

  /// Removes the lines of fields that are not known ones and whose names are unwanted.
  public mutating func removeOthers(where isUnwanted: (Span<UInt8>) -> Bool) {
    guard present.contains(.other) else { return }
    removeLines { head, line in line.known == .other && isUnwanted(head.name(line)) }
  }

  /// Removes the lines that are unwanted, while all of them are still there to be looked at.
  mutating func removeLines(where isUnwanted: (borrowing Head, FieldLine) -> Bool) {
    for i in lines.indices { lines[i].isMarked = isUnwanted(self, lines[i]) }
    lines.removeAll { $0.isMarked }
    present = FieldSet()
    for line in lines { present.insert(line.known) }
  }

  /// Writes `name: value CRLF` for each line.
  public func write(to output: inout OutputBuffer) {
    for line in lines {
      output.append(name(line))
      output.append(": ")
      output.append(value(line))
      output.append("\r\n")
    }
  }
}
