public import Bytes

/// The few pieces from which the admin API's answers are put together.
extension OutputBuffer {
  /// A quoted JSON string. What is not UTF-8 becomes U+FFFD, so that the answer is JSON whatever a peer sent.
  public mutating func append(jsonString bytes: Span<UInt8>) {
    append(.quote)
    var i = 0
    while i < bytes.count {
      let byte = bytes[i]
      switch byte {
      case .quote: append("\\\"")
      case .backslash: append("\\\\")
      case .lineFeed: append("\\n")
      case .carriageReturn: append("\\r")
      case .tab: append("\\t")
      // DEL is allowed in JSON, but no terminal should meet it.
      case 0..<32, 127:
        append("\\u00")
        append(hexDigit(byte >> 4))
        append(hexDigit(byte & 15))
      case 32..<127: append(byte)
      default:
        let length = utf8Length(at: i, in: bytes)
        if length == 0 {
          append("\\ufffd")
        } else {
          append(bytes.extracting(i..<i + length))
          i += length - 1
        }
      }
      i += 1
    }
    append(.quote)
  }

  public mutating func append(jsonString text: String) { append(jsonString: Array(text.utf8).span) }

  public mutating func append(json value: Bool) { append(value ? "true" : "false") }
}

private func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 48 + value : 87 + value }
