/// Source text in which everything that is not code (comments, the insides of strings, regular expressions
/// and quoted identifiers) is blank, so that rules about code do not trip over text. Offsets and lines stay
/// as they are.
struct CodeMask {
  enum Language { case swift, c }

  private enum Mode {
    /// Of a file, or of an interpolation, which ends with the parenthesis that closes it.
    case code(openParentheses: Int)
    case string(hashes: Int, quotes: Int)
  }

  private(set) var bytes: [UInt8]
  private let language: Language
  private var at = 0
  private var modes: [Mode] = [.code(openParentheses: 0)]

  init(_ text: [UInt8], _ language: Language) {
    bytes = text
    self.language = language
    while at < bytes.count {
      switch modes.last {
      case .string(let hashes, let quotes): stepString(hashes, quotes)
      case .code(let open): stepCode(open)
      case nil: return
      }
    }
  }

  private func byte(_ offset: Int) -> UInt8 { at + offset < bytes.count ? bytes[at + offset] : 0 }

  private func has(_ text: String, at offset: Int = 0) -> Bool {
    for (i, expected) in text.utf8.enumerated() where byte(offset + i) != expected { return false }
    return true
  }

  /// Blanks `count` bytes and goes on after them; line ends stay.
  private mutating func blank(_ count: Int) {
    for _ in 0..<count where at < bytes.count {
      if bytes[at] != UInt8(ascii: "\n") { bytes[at] = UInt8(ascii: " ") }
      at += 1
    }
  }

  private mutating func blankLine() {
    while at < bytes.count, bytes[at] != UInt8(ascii: "\n") { blank(1) }
  }
}

// MARK: - Code

extension CodeMask {
  private mutating func stepCode(_ open: Int) {
    if has("//") { return blankLine() }
    if has("/*") { return blankComment() }
    switch byte(0) {
    case UInt8(ascii: "`"): blankDelimited(UInt8(ascii: "`"))
    case UInt8(ascii: "'") where language == .c: blankDelimited(UInt8(ascii: "'"))
    case UInt8(ascii: "\""), UInt8(ascii: "#"): if !openString() { at += 1 }
    case UInt8(ascii: "/"): if !blankRegex() { at += 1 }
    case UInt8(ascii: "("):
      modes[modes.count - 1] = .code(openParentheses: open + 1)
      at += 1
    case UInt8(ascii: ")"):
      if open == 0, modes.count > 1 {
        modes.removeLast()
      } else {
        modes[modes.count - 1] = .code(openParentheses: open - 1)
      }
      at += 1
    default: at += 1
    }
  }

  /// Swift's comments nest, C's do not.
  private mutating func blankComment() {
    var depth = 0
    repeat {
      if has("/*"), language == .swift || depth == 0 {
        depth += 1
        blank(2)
      } else if has("*/") {
        depth -= 1
        blank(2)
      } else {
        blank(1)
      }
    } while depth > 0 && at < bytes.count
  }

  /// A quoted identifier or a C character; neither spans lines.
  private mutating func blankDelimited(_ end: UInt8) {
    blank(1)
    while at < bytes.count, byte(0) != end, byte(0) != UInt8(ascii: "\n") {
      blank(language == .c && byte(0) == UInt8(ascii: "\\") ? 2 : 1)
    }
    blank(1)
  }

  /// At a quote, or at a `#` that may open a raw string or regular expression. False: neither.
  private mutating func openString() -> Bool {
    var hashes = 0
    while byte(hashes) == UInt8(ascii: "#") { hashes += 1 }
    if hashes > 0, byte(hashes) == UInt8(ascii: "/") { return blankRawRegex(hashes) }
    guard byte(hashes) == UInt8(ascii: "\"") else { return false }
    let quotes = language == .swift && has("\"\"\"", at: hashes) ? 3 : 1
    blank(hashes + quotes)
    modes.append(.string(hashes: hashes, quotes: quotes))
    return true
  }

  private mutating func blankRawRegex(_ hashes: Int) -> Bool {
    let end = "/" + String(repeating: "#", count: hashes)
    blank(hashes + 1)
    while at < bytes.count, !has(end) { blank(byte(0) == UInt8(ascii: "\\") ? 2 : 1) }
    blank(hashes + 1)
    return true
  }

  /// A slash opens a regular expression where an operand must come and when another slash follows on its
  /// line.
  private mutating func blankRegex() -> Bool {
    guard language == .swift, byte(1) != UInt8(ascii: " ") else { return false }
    var before = at - 1
    while before >= 0, bytes[before] == UInt8(ascii: " ") { before -= 1 }
    guard before >= 0, "(,=:[{\n".utf8.contains(bytes[before]) else { return false }
    var length = 1
    while byte(length) != UInt8(ascii: "/") {
      if byte(length) == UInt8(ascii: "\n") || at + length >= bytes.count { return false }
      length += byte(length) == UInt8(ascii: "\\") ? 2 : 1
    }
    blank(length + 1)
    return true
  }
}

// MARK: - Strings

extension CodeMask {
  private mutating func stepString(_ hashes: Int, _ quotes: Int) {
    let raw = String(repeating: "#", count: hashes)
    if has("\\" + raw) {
      blank(1 + hashes)
      guard byte(0) == UInt8(ascii: "("), language == .swift else { return blank(1) }
      blank(1)
      modes.append(.code(openParentheses: 0))
    } else if has(String(repeating: "\"", count: quotes) + raw) {
      blank(quotes + hashes)
      modes.removeLast()
    } else if quotes == 1, byte(0) == UInt8(ascii: "\n") {
      // No string of one line goes on here: better one string misread than the rest of the file.
      modes.removeLast()
    } else {
      blank(1)
    }
  }
}
