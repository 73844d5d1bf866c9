/// A function, initialiser, subscript or computed property with its length.
struct Function: Equatable {
  /// Where it is declared.
  var line: Int
  /// From there to its closing brace, both included.
  var lines: Int
}

extension SourceFile {
  private static let keywords: Set<String> = ["func", "init", "deinit", "subscript", "var"]

  /// Words that carry on a declaration whose line has ended.
  private static let continuations: Set<String> = ["throws", "async", "rethrows", "where"]

  var functions: [Function] {
    if isC { return functionsOfC }
    return words.compactMap { word in
      guard SourceFile.keywords.contains(word.text), !isMember(word) else { return nil }
      guard let brace = bodyStart(after: word.offset + word.text.utf8.count) else { return nil }
      return Function(line: word.line, lines: lineCount(from: word.offset, to: closing(brace)))
    }
  }

  /// In C everything with a body at the top level is one, if a parenthesis stands before the brace.
  private var functionsOfC: [Function] {
    var functions: [Function] = []
    var at = 0
    var last: UInt8 = 0
    while at < code.count {
      if code[at] == UInt8(ascii: "{") {
        let end = closing(at)
        if last == UInt8(ascii: ")") {
          functions.append(Function(line: lineCount(from: 0, to: at), lines: lineCount(from: at, to: end)))
        }
        at = end
      }
      if at < code.count, code[at] > 32 { last = code[at] }
      at += 1
    }
    return functions
  }

  /// The brace that opens the body of the declaration whose keyword ends at `start`; `nil` for a requirement
  /// or a stored property.
  private func bodyStart(after start: Int) -> Int? {
    var depth = 0
    var at = start
    while at < code.count {
      switch code[at] {
      case UInt8(ascii: "("), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: ")"), UInt8(ascii: "]"):
        depth -= 1
        if depth < 0 { return nil }
      case UInt8(ascii: "{") where depth == 0: return at
      case UInt8(ascii: "{"): at = closing(at)
      case UInt8(ascii: "}"): return nil
      case UInt8(ascii: "\n") where depth == 0 && !goesOn(after: at): return nil
      default: break
      }
      at += 1
    }
    return nil
  }

  private func goesOn(after lineEnd: Int) -> Bool {
    let rest = code[lineEnd...].drop { $0 <= 32 }.prefix(16)
    let text = String(decoding: rest, as: UTF8.self)
    return text.hasPrefix("{") || text.hasPrefix("->")
      || SourceFile.continuations.contains { text.hasPrefix($0) }
  }

  /// The brace that closes the one at `open`, or the end of the file.
  private func closing(_ open: Int) -> Int {
    var depth = 0
    for at in open..<code.count {
      if code[at] == UInt8(ascii: "{") { depth += 1 }
      if code[at] == UInt8(ascii: "}") {
        depth -= 1
        if depth == 0 { return at }
      }
    }
    return code.count
  }

  private func lineCount(from start: Int, to end: Int) -> Int {
    1 + code[start..<end].reduce(0) { $0 + ($1 == UInt8(ascii: "\n") ? 1 : 0) }
  }
}
