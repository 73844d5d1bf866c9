/// Text with nginx's variables in it, `$name` or `${name}`, as it is configured for cache keys and for the
/// access log. What the names mean is for the reader to say.
public enum VariableText: Equatable, Sendable {
  case literal([UInt8])
  /// Its name: letters, digits and underscores, at least one.
  case variable([UInt8])

  /// Neither is empty, and literals do not follow each other. There is no way to write a dollar sign, as in
  /// nginx.
  public static func parts(of text: String) throws(VariableTextError) -> [VariableText] {
    var reader = VariableReader(text: Array(text.utf8))
    return try reader.parts()
  }
}

public enum VariableTextError: Error, Equatable {
  /// `${` without `}`, or `$` without a name.
  case malformedVariable
  case controlCharacter
}

private struct VariableReader {
  let text: [UInt8]
  var at = 0

  init(text: [UInt8]) { self.text = text }

  mutating func parts() throws(VariableTextError) -> [VariableText] {
    var parts: [VariableText] = []
    var literal: [UInt8] = []
    while at < text.count {
      let byte = text[at]
      at += 1
      if byte != UInt8(ascii: "$") {
        guard byte >= .space, byte != 127 else { throw .controlCharacter }
        literal.append(byte)
        continue
      }
      if !literal.isEmpty { parts.append(.literal(literal)) }
      literal = []
      parts.append(.variable(try name()))
    }
    if !literal.isEmpty { parts.append(.literal(literal)) }
    return parts
  }

  /// The name behind a `$`, with or without braces.
  private mutating func name() throws(VariableTextError) -> [UInt8] {
    let isBraced = at < text.count && text[at] == UInt8(ascii: "{")
    if isBraced { at += 1 }
    let start = at
    while at < text.count, Self.isNameByte(text[at]) { at += 1 }
    let name = Array(text[start..<at])
    if name.isEmpty { throw .malformedVariable }
    if isBraced {
      guard at < text.count, text[at] == UInt8(ascii: "}") else { throw .malformedVariable }
      at += 1
    }
    return name
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    byte.isDigit || byte.isUpper || byte.isLower || byte == UInt8(ascii: "_")
  }
}
