import Testing

@Suite("Style of the tree")
struct StyleTests {
  @Test(arguments: Rule.all)
  func `every file keeps the rule`(_ rule: Rule) {
    for finding in Tree.files.flatMap(rule.check) { Issue.record("\(finding)") }
  }

  @Test func `the architecture page names every module`() throws {
    let manifest = try #require(Tree.text("Package.swift"))
    let document = Tree.text("docs/ARCHITECTURE.md") ?? ""
    for finding in modulesMissing(fromDocument: document, manifest: manifest) { Issue.record("\(finding)") }
  }

  /// A walk that found nothing would let everything pass.
  @Test func `the walk finds the tree, this file included`() {
    let paths = Tree.files.map(\.path)
    #expect(paths.contains("Tests/StyleTests/StyleTests.swift"))
    #expect(paths.contains("Sources/CLinux/CLinux.c"))
    #expect(paths.count { $0.hasPrefix("Sources/") } > 20)
    #expect(Tree.files.contains { $0.functions.count > 5 })
  }
}
