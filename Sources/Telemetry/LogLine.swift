public import Bytes

/// One line while it is written, part by part. Each call writes one variable in the format's escaping.
/// Nothing allocates once the buffers have grown.
public struct LogLine: ~Copyable {
  @usableFromInline var text = OutputBuffer(capacity: 1024)
  private var decoded = OutputBuffer(capacity: 64)
  private let escaping: LogEscaping
  private let valueLimit: Int
  private var clock = LogClock()
  private var valueStart = 0
  private var valueEnd = 0

  init(_ format: LogFormat) {
    escaping = format.escaping
    valueLimit = format.valueLimit
  }

  mutating func begin(wallSeconds: Int64) {
    text.removeAll()
    clock.set(wallSeconds)
  }

  /// - Parameter source: Followed by 16 more bytes.
  @inlinable mutating func append(literal source: UnsafePointer<UInt8>, count: Int) {
    unsafe text.append(room: count + 16) { target in
      let from = unsafe UnsafeRawPointer(source)
      let to = UnsafeMutableRawPointer(target)
      var i = 0
      while i < count {
        // SAFETY: reads and writes end at most 15 bytes behind `count`.
        let block = unsafe from.loadUnaligned(fromByteOffset: i, as: SIMD16<UInt8>.self)
        unsafe to.storeBytes(of: block, toByteOffset: i, as: SIMD16<UInt8>.self)
        i &+= 16
      }
      return count
    }
  }

  /// What needs no escape: digits, letters, and what stands between them in an address.
  @inlinable public mutating func append(plain write: (inout OutputBuffer) -> Void) {
    let start = text.count
    write(&text)
    if text.count == start { appendAbsence() }
  }

  mutating func endLine() { text.append(.lineFeed) }

  /// What came from a peer, or may have.
  public mutating func append(value: Span<UInt8>) {
    beginValue()
    append(piece: value)
    endValue()
  }

  /// A word of ours: printable, without quotes and backslashes. An empty one is what is not there.
  public mutating func append(word: StaticString) {
    if word.utf8CodeUnitCount == 0 { appendAbsence() } else { text.append(word) }
  }

  public mutating func append(number: Int?) {
    guard let number else { return appendAbsentNumber() }
    text.append(decimal: number)
  }

  /// Sixteen digits; 0 is not there.
  public mutating func append(hash: UInt64) {
    if hash == 0 { appendAbsence() } else { text.append(hex: hash) }
  }

  /// Always six decimals, so that columns line up and no reader meets an integer.
  public mutating func append(seconds microseconds: Int?) {
    guard let microseconds else { return appendAbsentNumber() }
    let time = max(microseconds, 0)
    text.append(decimal: time / 1_000_000)
    text.append(.dot)
    let rest = time % 1_000_000
    text.append(twoDigits: rest / 10_000)
    text.append(twoDigits: rest / 100 % 100)
    text.append(twoDigits: rest % 100)
  }

  public mutating func appendLocalTime() { clock.appendLocal(to: &text) }

  public mutating func appendISOTime() { clock.appendISO(to: &text) }

  /// The user of `Basic` credentials, RFC 7617; nobody's name otherwise.
  public mutating func append(userOf credentials: Span<UInt8>) {
    decoded.removeAll()
    beginValue()
    if credentials.count > 6, credentials.extracting(0..<6).equalsIgnoringCase("basic ") {
      decoded.append(base64: credentials.extracting(6..<credentials.count))
    }
    if let colon = decoded.bytes.firstIndex(of: .colon) {
      decoded.truncate(to: colon)
      decoded.appendEscaped(escaping, to: &text, end: valueEnd)
    }
    endValue()
  }

  // MARK: A value in pieces

  public mutating func beginValue() {
    valueStart = text.count
    valueEnd = valueStart + valueLimit
  }

  public mutating func append(piece: Span<UInt8>) { text.append(piece, escaping, end: valueEnd) }

  /// Between the values of several lines of a field.
  public mutating func appendSeparator() { if text.count + 2 <= valueEnd { text.append(", ") } }

  /// Whether the value has had pieces.
  public var hasPieces: Bool { text.count > valueStart }

  public mutating func endValue() { if !hasPieces { appendAbsence() } }

  @usableFromInline mutating func appendAbsence() { if escaping == .hexadecimal { text.append(.dash) } }

  private mutating func appendAbsentNumber() { text.append(escaping == .json ? "null" : "-") }
}

extension OutputBuffer {
  fileprivate mutating func append(_ piece: Span<UInt8>, _ escaping: LogEscaping, end: Int) {
    switch escaping {
    case .hexadecimal: append(hexEscaped: piece, end: end)
    case .json: append(jsonEscaped: piece, end: end)
    }
  }

  fileprivate func appendEscaped(_ escaping: LogEscaping, to line: inout OutputBuffer, end: Int) {
    line.append(bytes, escaping, end: end)
  }

  /// The bytes that `text` encodes, RFC 4648 §4, up to the first character that does not belong there.
  mutating func append(base64 text: Span<UInt8>) {
    var bits: UInt32 = 0
    var count: UInt32 = 0
    for i in text.indices {
      guard let digit = base64Digit(text[i]) else { return }
      bits = bits << 6 | UInt32(digit)
      count += 6
      guard count >= 8 else { continue }
      count -= 8
      append(UInt8(truncatingIfNeeded: bits >> count))
    }
  }

  mutating func append(twoDigits value: Int) {
    append(48 + UInt8(truncatingIfNeeded: value / 10))
    append(48 + UInt8(truncatingIfNeeded: value % 10))
  }
}

private func base64Digit(_ byte: UInt8) -> UInt8? {
  if byte.isUpper { return byte - 65 }
  if byte.isLower { return byte - 71 }
  if byte.isDigit { return byte + 4 }
  if byte == UInt8(ascii: "+") { return 62 }
  return byte == .slash ? 63 : nil
}
