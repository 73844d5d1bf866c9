import Bytes

/// Extensions, RFC 9112 §7.1.1: `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`.
extension ChunkedDecoder {
  mutating func extensionByte(_ byte: UInt8) throws(ChunkedError) {
    try countExtensionByte()
    if byte == .lineFeed { throw .bareLineFeed }
    let isBlank = byte == .space || byte == .tab
    switch state {
    case .beforeSemicolon:
      if isBlank { return }
      guard byte == .semicolon else { throw .badExtension }
      state = .extensionStart
    case .extensionStart:
      if isBlank { return }
      guard ByteClass.isToken(byte) else { throw .badExtension }
      state = .extensionName
    case .extensionName:
      if ByteClass.isToken(byte) { return }
      if isBlank {
        state = .afterName
      } else if byte == .equals {
        state = .valueStart
      } else {
        try endOfExtensionPart(byte)
      }
    case .afterName:
      if isBlank { return }
      switch byte {
      case .equals: state = .valueStart
      case .semicolon: state = .extensionStart
      default: throw .badExtension
      }
    case .valueStart:
      if isBlank { return }
      guard byte == .quote || ByteClass.isToken(byte) else { throw .badExtension }
      state = byte == .quote ? .quotedValue : .tokenValue
    case .tokenValue:
      if !ByteClass.isToken(byte) { try endOfExtensionPart(byte) }
    case .afterQuoted: try endOfExtensionPart(byte)
    default: try quotedByte(byte)
    }
  }

  /// Text and escapes of a quoted string, RFC 9110 §5.6.4.
  private mutating func quotedByte(_ byte: UInt8) throws(ChunkedError) {
    guard byte >= 32 || byte == .tab, byte != 127 else { throw .badExtension }
    if state == .quotedPair {
      state = .quotedValue
    } else if byte == .backslash {
      state = .quotedPair
    } else if byte == .quote {
      state = .afterQuoted
    }
  }

  /// What may follow a size, a name or a value.
  mutating func endOfExtensionPart(_ byte: UInt8) throws(ChunkedError) {
    if state == .size { try countExtensionByte() }
    switch byte {
    case .carriageReturn: state = .sizeLineFeed
    case .semicolon: state = .extensionStart
    case .space, .tab: state = .beforeSemicolon
    default: throw .badExtension
    }
  }

  private mutating func countExtensionByte() throws(ChunkedError) {
    extensionBytes += 1
    if extensionBytes > ChunkedDecoder.extensionLimit { throw .extensionsTooLong }
  }
}

/// Trailers, RFC 9112 §7.1.2: field lines as strict as a head's, with the same faults.
extension ChunkedDecoder {
  mutating func trailerByte(_ byte: UInt8) throws(ChunkedError) {
    trailerBytes += 1
    if trailerBytes > ChunkedDecoder.trailerLimit { throw .trailersTooLong }
    switch state {
    case .trailerStart:
      switch byte {
      case .carriageReturn: state = .lastLineFeed
      case .space, .tab: throw .trailer(.foldedLine)
      case .colon: throw .trailer(.emptyName)
      default:
        state = .trailerName
        try trailerNameByte(byte)
      }
    case .trailerName: try trailerNameByte(byte)
    case .trailerValue:
      switch byte {
      case .carriageReturn: state = .trailerLineFeed
      case .lineFeed: throw .trailer(.bareLineFeed)
      case .tab: break
      default: if byte < 32 || byte == 127 { throw .trailer(.badValueByte) }
      }
    default:
      guard byte == .lineFeed else { throw .trailer(.bareCarriageReturn) }
      state = state == .lastLineFeed ? .ended : .trailerStart
    }
  }

  private mutating func trailerNameByte(_ byte: UInt8) throws(ChunkedError) {
    if ByteClass.isToken(byte) { return }
    switch byte {
    case .colon: state = .trailerValue
    case .space, .tab: throw .trailer(.spaceBeforeColon)
    case .lineFeed: throw .trailer(.bareLineFeed)
    default: throw .trailer(.badNameByte)
    }
  }
}
