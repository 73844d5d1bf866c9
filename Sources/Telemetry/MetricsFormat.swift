import Bytes

/// Prometheus' text format line by line; knows nothing of what is measured.
///
/// Source: Prometheus exposition formats, text format 0.0.4.
extension OutputBuffer {
  /// Opens a family. All of its samples must follow before the next one is opened.
  mutating func openFamily(_ name: StaticString, _ kind: MetricKind, _ help: StaticString) {
    append("# HELP ")
    append(name)
    append(.space)
    append(help)
    append("\n# TYPE ")
    append(name)
    append(.space)
    append(kind.text)
    append(.lineFeed)
  }

  /// One sample without labels.
  mutating func sample(_ name: StaticString, _ value: Int) {
    append(name)
    finishSample(value)
  }

  /// One sample with one label.
  mutating func sample(_ name: StaticString, _ label: StaticString, _ text: String, _ value: Int) {
    append(name)
    append(UInt8(ascii: "{"))
    appendLabel(label, text)
    append(UInt8(ascii: "}"))
    finishSample(value)
  }

  /// One sample with two labels.
  mutating func sample(
    _ name: StaticString, _ first: (StaticString, String), _ second: (StaticString, String), _ value: Int
  ) {
    append(name)
    append(UInt8(ascii: "{"))
    appendLabel(first.0, first.1)
    append(.comma)
    appendLabel(second.0, second.1)
    append(UInt8(ascii: "}"))
    finishSample(value)
  }

  private mutating func finishSample(_ value: Int) {
    append(.space)
    append(decimal: value)
    append(.lineFeed)
  }

  /// `label="text"`, with backslash, quote and line feed escaped; the format allows every other character.
  private mutating func appendLabel(_ label: StaticString, _ text: String) {
    append(label)
    append("=\"")
    for byte in text.utf8 {
      switch byte {
      case .backslash: append("\\\\")
      case .quote: append("\\\"")
      case .lineFeed: append("\\n")
      default: append(byte)
      }
    }
    append(.quote)
  }

  /// Microseconds as seconds, exactly: six decimals at most, no trailing zeros, never an exponent.
  mutating func append(secondsOf microseconds: Int) {
    append(decimal: microseconds / 1_000_000)
    var rest = microseconds % 1_000_000
    guard rest > 0 else { return }
    append(.dot)
    var unit = 100_000
    while rest > 0 {
      append(48 + UInt8(truncatingIfNeeded: rest / unit))
      rest %= unit
      unit /= 10
    }
  }
}
