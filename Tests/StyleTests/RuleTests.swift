import Testing

/// Lines at which a rule finds fault with `text`.
private func lines(_ rule: Rule, _ text: String, path: String = "Tests/A/B.swift") -> [Int] {
  rule.check(SourceFile(path: path, text: text)).map(\.line)
}

private func repeated(_ line: String, _ count: Int) -> String { String(repeating: line + "\n", count: count) }

@Suite("Rules of style, each with what it must and must not find")
struct RuleTests {
  @Test func `a file may have 600 lines, not 601`() {
    #expect(lines(.fileLength, repeated("a", 600)) == [])
    #expect(lines(.fileLength, repeated("a", 601)) == [601])
  }

  @Test func `a line may have 110 columns, not 111, whatever its bytes`() {
    #expect(lines(.lineLength, "a\n" + String(repeating: "é", count: 110) + "\n") == [])
    #expect(lines(.lineLength, "a\n" + String(repeating: "a", count: 111) + "\n") == [2])
  }

  @Test(arguments: [
    "func f() {", "init?(a: Int) {", "deinit {", "subscript(i: Int) -> Int {", "var a: Int {",
    "func f(\n_ a: [Int] = [1].map { $0 }\n) throws(E)\n-> Int\nwhere T: P\n{",
  ])
  func `a function may have 60 lines, not 61`(_ opening: String) {
    let openingLines = opening.split(separator: "\n").count
    let body = repeated("  a()", 59 - openingLines)
    #expect(lines(.functionLength, "\n\(opening)\n\(body)}\n") == [])
    #expect(lines(.functionLength, "\n\(opening)\n\(body)  b()\n}\n") == [2])
  }

  @Test func `what only looks like a long function is none`() {
    let filler = repeated("  let a = 1", 80)
    #expect(lines(.functionLength, "struct A {\n  var a = 1\n\(filler)}\n") == [])  // a type is no function
    #expect(lines(.functionLength, "protocol P {\n  func f()\n}\nenum E {\n\(filler)}\n") == [])
    #expect(lines(.functionLength, "func f() { a.init(\"{\") }\nenum E {\n\(filler)}\n") == [])
    #expect(lines(.functionLength, "func f() { let a = \"\\(b(\"}{\"))\" }\nenum E {\n\(filler)}\n") == [])
    #expect(lines(.functionLength, "func `{`() { let r = /{\"/ }\nenum E {\n\(filler)}\n") == [])
    #expect(lines(.functionLength, "func f() { /* { /* { */ */ } // {\nenum E {\n\(filler)}\n") == [])
    #expect(lines(.functionLength, "let s = #\"\"\"\n{ \" \\( \"\"\"\n\"\"\"#\nenum E {\n\(filler)}\n") == [])
  }

  @Test func `a function of C is measured too`() {
    let body = repeated("  a();", 70)
    #expect(lines(.functionLength, "\nint f(void) {\n\(body)}\n", path: "Sources/C/c.c") == [2])
    #expect(lines(.functionLength, "struct s {\n\(body)};\nchar q = '\"';\n", path: "Sources/C/c.h") == [])
  }

  @Test func `open marks are found in comments and strings, as words`() {
    for mark in ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"] {
      #expect(lines(.openMarks, "a\n// \(mark): b\n") == [2])
      #expect(lines(.openMarks, "let a = \"\(mark)\"\n") == [1])
      #expect(lines(.openMarks, "let a = \"\(mark)S \(mark)X \(mark.lowercased())\"\n") == [])
    }
  }

  @Test func `names that say nothing are found in files and types`() {
    #expect(lines(.emptyNames, "", path: "Sources/A/PathUtils.swift") == [0])
    #expect(lines(.emptyNames, "", path: "Sources/A/Misc+B.swift") == [0])
    #expect(lines(.emptyNames, "a\nfinal class PoolManager {}\n") == [2])
    #expect(lines(.emptyNames, "struct HelperB {}\nenum Common {}\ntypealias Utility = A\n") == [1, 2])
    #expect(lines(.emptyNames, "let a = FileManager.default\nstruct Commonwealth {}\n// struct Misc\n") == [])
  }

  @Test func `package access is found, the word alone is not`() {
    #expect(lines(.packageAccess, "package func f() {}\n  package(set) var a = 1\n") == [1, 2])
    #expect(lines(.packageAccess, "let package = Package(a)\n// package func\nf(package: a)\n") == [])
  }

  @Test func `white space at the end of a line is found`() {
    #expect(lines(.trailingSpace, "a\nb \nc\t\nd\r\n\n") == [2, 3, 4])
  }

  @Test func `Foundation is found in Sources only`() {
    #expect(
      lines(.foundationInSources, "import Bytes\npublic import Foundation\n", path: "Sources/A/B.swift") == [
        2
      ])
    #expect(lines(.foundationInSources, "import FoundationEssentials\n", path: "Sources/A/B.swift") == [1])
    #expect(lines(.foundationInSources, "// import Foundation\n", path: "Sources/A/B.swift") == [])
    #expect(lines(.foundationInSources, "import Foundation\n") == [])
  }

  @Test func `tests that are switched off are found`() {
    let attribute = "@Te" + "st"
    #expect(lines(.disabledTests, "\(attribute)(.disabled(\"a\")) func f() {}\n") == [1])
    #expect(lines(.disabledTests, "throw XCTSkip(\"a\")\nwithKnownIssue(\"b\") {}\n") == [1, 2])
    #expect(lines(.disabledTests, "a\n  // \(attribute) func f() {}\n") == [2])
    #expect(lines(.disabledTests, "#if false\nf()\n#endif\n") == [1])
    #expect(lines(.disabledTests, "\(attribute) func disabled() { if false {} }\n") == [])
    #expect(lines(.disabledTests, "button.disabled(true)\n", path: "Sources/A/B.swift") == [])
  }

  @Test func `a module missing from the page is found with its line in the manifest`() {
    let manifest = """
      targets: [
        .target(name: "CLinux"),
        module("Bytes", []),
        .executableTarget(
          name: "larder", dependencies: ["Bytes"]),
        tests("BytesTests", ["Bytes"]),
      ]
      """
    let found = modulesMissing(fromDocument: "`CLinux` and Bytes, `larders`", manifest: manifest)
    #expect(found.map(\.line) == [3, 4])
    #expect(found.first?.description == "Package.swift:3: docs/ARCHITECTURE.md does not name `Bytes`")
  }
}
