import Foundation

/// A text file of the tree, as rules see it.
struct SourceFile {
  /// From the root, `Sources/Bytes/ASCII.swift`.
  var path: String
  /// As written, without line ends.
  var lines: [Substring]
  /// The code alone; empty for languages that are not masked.
  var code: [UInt8]
  /// Identifiers and keywords of the code, in order.
  var words: [Word]

  struct Word {
    var text: String
    var line: Int
    /// Of its first byte in `code`.
    var offset: Int
  }

  var isSwift: Bool { path.hasSuffix(".swift") }
  var isC: Bool { path.hasSuffix(".c") || path.hasSuffix(".h") }
  var name: String { path.split(separator: "/").last.map(String.init) ?? path }

  init(path: String, text: String) {
    self.path = path
    // By bytes: a carriage return and a line feed are one `Character`.
    lines = text.utf8.split(separator: 10, omittingEmptySubsequences: false).map { Substring($0) }
    if lines.last == "" { lines.removeLast() }
    code = []
    words = []
    guard isSwift || isC else { return }
    code = CodeMask(Array(text.utf8), isSwift ? .swift : .c).bytes
    words = SourceFile.words(in: code)
  }

  private static func words(in code: [UInt8]) -> [Word] {
    var words: [Word] = []
    var line = 1
    var start: Int?
    for offset in 0...code.count {
      let byte = offset < code.count ? code[offset] : 0
      if isWordByte(byte) {
        start = start ?? offset
      } else if let first = start {
        words.append(
          Word(text: String(decoding: code[first..<offset], as: UTF8.self), line: line, offset: first))
        start = nil
      }
      if byte == UInt8(ascii: "\n") { line += 1 }
    }
    return words
  }

  private static func isWordByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...:
      true
    default: false
    }
  }

  func finding(_ line: Int, _ rule: String) -> Finding { Finding(path: path, line: line, rule: rule) }
}

/// The project's files, found from this one.
enum Tree {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  /// Every source text below `Sources`, `Tests`, `bench` and `fuzz`. Corpora and other data are not style.
  static let files: [SourceFile] = ["Sources", "Tests", "bench", "fuzz"].flatMap(files(below:))

  private static let extensions: Set<String> = [
    "swift", "c", "h", "modulemap", "py", "sh", "lua", "vcl", "conf", "cfg", "mk",
  ]

  private static func files(below folder: String) -> [SourceFile] {
    let start = root.appendingPathComponent(folder).path
    let names = FileManager.default.enumerator(atPath: start)?.compactMap { $0 as? String } ?? []
    return names.sorted().compactMap { name in
      guard extensions.contains((name as NSString).pathExtension), !name.hasPrefix("out/") else { return nil }
      return text("\(folder)/\(name)").map { SourceFile(path: "\(folder)/\(name)", text: $0) }
    }
  }

  static func text(_ path: String) -> String? {
    try? String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
  }
}
