public import Bytes

/// The few pieces from which the admin API's answers are put together.
extension OutputBuffer {
  /// A quoted JSON string. What is not UTF-8 becomes U+FFFD, so that the answer is JSON whatever a peer sent.
  public mutating func append(jsonString bytes: Span<UInt8>) {
    append(.quote)
    append(jsonEscaped: bytes)
    append(.quote)
  }

  public mutating func append(jsonString text: String) { append(jsonString: Array(text.utf8).span) }

  public mutating func append(json value: Bool) { append(value ? "true" : "false") }
}
