/// The modules that `Package.swift` declares, tests excepted, each with its line.
func modules(inManifest text: String) -> [(name: String, line: Int)] {
  let declaration = /(?:\.target|\.executableTarget|\.systemLibrary|\bmodule)\(\s*(?:name:\s*)?"([^"]+)"/
  return text.matches(of: declaration).map { match in
    (String(match.1), 1 + text[..<match.range.lowerBound].utf8.count { $0 == 10 })
  }
}

/// Modules that the document does not name between backticks.
func modulesMissing(fromDocument document: String, manifest: String) -> [Finding] {
  modules(inManifest: manifest).filter { !document.contains("`\($0.name)`") }.map {
    Finding(path: "Package.swift", line: $0.line, rule: "docs/ARCHITECTURE.md does not name `\($0.name)`")
  }
}
