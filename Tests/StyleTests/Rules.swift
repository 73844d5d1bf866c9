import Testing

/// What every file must keep. The numbers are the project's; a rule says in its finding what was expected.
struct Rule: CustomTestStringConvertible, Sendable {
  var name: String
  var check: @Sendable (SourceFile) -> [Finding]

  var testDescription: String { name }

  static let all = [
    fileLength, lineLength, functionLength, openMarks, emptyNames, packageAccess, trailingSpace,
    foundationInSources, disabledTests,
  ]
}

// MARK: - Sizes

extension Rule {
  static let fileLines = 600
  static let lineColumns = 110
  static let functionLines = 60

  static let fileLength = Rule(name: "files have at most \(fileLines) lines") { file in
    guard file.lines.count > fileLines else { return [] }
    return [file.finding(fileLines + 1, "file of \(file.lines.count) lines; at most \(fileLines)")]
  }

  static let lineLength = Rule(name: "lines have at most \(lineColumns) columns") { file in
    file.lines.enumerated().compactMap { index, line in
      // Counting bytes first is cheap; a column is a character, however many bytes it has.
      guard line.utf8.count > lineColumns, line.count > lineColumns else { return nil }
      return file.finding(index + 1, "line of \(line.count) columns; at most \(lineColumns)")
    }
  }

  static let functionLength = Rule(name: "functions have at most \(functionLines) lines") { file in
    file.functions.compactMap { function in
      guard function.lines > functionLines else { return nil }
      return file.finding(function.line, "function of \(function.lines) lines; at most \(functionLines)")
    }
  }
}

// MARK: - Words

extension Rule {
  /// Spelt in halves, since this file is checked too.
  private static let marks: Set<String> = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]

  static let openMarks = Rule(name: "nothing is left open") { file in
    file.lines.enumerated().compactMap { index, line in
      guard line.utf8.contains(where: { $0 >= 65 && $0 <= 90 }) else { return nil }
      let words = line.split { !$0.isLetter && !$0.isNumber && $0 != "_" }
      guard let mark = words.first(where: { marks.contains(String($0)) }) else { return nil }
      return file.finding(index + 1, "\(mark) does not get merged")
    }
  }

  private static let emptyWords = ["Util", "Helper", "Common", "Manager", "Misc"]
  private static let typeKeywords: Set<String> = [
    "struct", "class", "enum", "protocol", "actor", "typealias",
  ]

  /// The word stands in the name as a part of its own: `PathUtils`, not `Commonwealth`.
  private static func emptyWord(in name: String) -> String? {
    emptyWords.first { word in
      guard let found = name.range(of: word) else { return false }
      let rest = name[found.upperBound...]
      return rest.first?.isLowercase != true || rest.hasPrefix("s") || rest.hasPrefix("ities")
    }
  }

  static let emptyNames = Rule(name: "files and types are named for their subject") { file in
    var findings: [Finding] = []
    if let word = emptyWord(in: file.name) { findings.append(file.finding(0, "\(word) says nothing")) }
    for (word, next) in zip(file.words, file.words.dropFirst()) where typeKeywords.contains(word.text) {
      if let empty = emptyWord(in: next.text) {
        findings.append(file.finding(next.line, "\(next.text): \(empty) says nothing"))
      }
    }
    return findings
  }

  static let packageAccess = Rule(name: "access is public, not package") { file in
    guard file.isSwift else { return [] }
    return zip(file.words, file.words.dropFirst()).compactMap { word, next in
      guard word.text == "package", next.line == word.line else { return nil }
      let between = file.code[word.offset + 7..<next.offset]
      let isModifier = between.allSatisfy { $0 == UInt8(ascii: " ") } || between.first == UInt8(ascii: "(")
      return isModifier ? file.finding(word.line, "package access is never inlined; write public") : nil
    }
  }

  static let trailingSpace = Rule(name: "no line ends in white space") { file in
    file.lines.enumerated().compactMap { index, line in
      guard let last = line.utf8.last, last == 32 || last == 9 || last == 13 else { return nil }
      return file.finding(index + 1, "white space at the end of the line")
    }
  }

  static let foundationInSources = Rule(name: "Foundation stays out of Sources") { file in
    guard file.path.hasPrefix("Sources/") else { return [] }
    return zip(file.words, file.words.dropFirst()).compactMap { word, next in
      guard word.text == "import", next.text.hasPrefix("Foundation") else { return nil }
      return file.finding(word.line, "\(next.text) is not imported in Sources")
    }
  }

  private static let skips: Set<String> = [
    "disabled", "XCTSkip", "XCTSkipIf", "XCTSkipUnless", "withKnownIssue",
  ]

  static let disabledTests = Rule(name: "no test is switched off") { file in
    guard file.isSwift, file.path.hasPrefix("Tests/") else { return [] }
    let switchedOff = file.words.filter { word in
      // A trait or a call, not a name declared or a label.
      skips.contains(word.text) && file.isCalled(word) && (word.text != "disabled" || file.isMember(word))
    }.map { file.finding($0.line, "\($0.text) switches a test off") }
    let commentedOut = file.lines.enumerated().filter {
      $0.element.drop { $0 == " " }.hasPrefix("//") && $0.element.contains("@Te" + "st")
    }.map { file.finding($0.offset + 1, "a test is commented out") }
    let conditionFalse = zip(file.words, file.words.dropFirst()).filter {
      ($0.text == "if" && $1.text == "false" && file.isDirective($0))
    }.map { word, _ in file.finding(word.line, "#if false switches code off") }
    return switchedOff + commentedOut + conditionFalse
  }
}

extension SourceFile {
  func isCalled(_ word: Word) -> Bool {
    let end = word.offset + word.text.utf8.count
    return end < code.count && code[end] == UInt8(ascii: "(")
  }

  func isMember(_ word: Word) -> Bool { word.offset > 0 && code[word.offset - 1] == UInt8(ascii: ".") }

  func isDirective(_ word: Word) -> Bool { word.offset > 0 && code[word.offset - 1] == UInt8(ascii: "#") }
}
