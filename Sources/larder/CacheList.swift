import Proxy
import Storage

/// A table with a line for each entry, or with `--json` a line for each page.
func list(_ cache: CacheArguments) throws(CommandError) {
  var table = EntryTable()
  var notes = PageNotes()
  func take(_ page: ReportedPage, _ json: [UInt8]) {
    notes.add(page)
    if cache.isJSON { return Output.standard.write(String(decoding: json, as: UTF8.self)) }
    for entry in page.entries { table.add(entry) }
  }
  switch try CacheSource(cache) {
  case .server(let server):
    let query = cache.pattern.map { "url=\(percentEncoded($0))&" } ?? ""
    try server.pages("GET", "/cache", query: query, take: take)
  case .directory(let directory):
    CacheReport.list(directory, pattern: cache.pattern, take: take)
  }
  if !cache.isJSON { table.end() }
  notes.write()
}

/// Every variant under a URL, each with all that its file says.
func show(_ cache: CacheArguments) throws(CommandError) {
  var notes = PageNotes()
  var count = 0
  func take(_ page: ReportedPage, _ json: [UInt8]) {
    notes.add(page)
    if cache.isJSON { Output.standard.write(String(decoding: json, as: UTF8.self)) }
    for entry in page.entries {
      count += 1
      if !cache.isJSON { Output.standard.write((count > 1 ? "\n" : "") + description(of: entry)) }
    }
    if page.next != nil { warn("there are more than are shown") }
  }
  switch try CacheSource(cache) {
  case .server(let server):
    let (page, json) = try server.page("GET", "/cache/entry?url=\(percentEncoded(cache.url))")
    take(page, json)
  case .directory(let directory): CacheReport.describe(directory, url: cache.url, take: take)
  }
  notes.write()
  guard count > 0 else { throw .nothingStored(url: cache.url) }
}

/// What is to be said of pages besides what is in them.
private struct PageNotes {
  private var unusable = 0
  private var isComplete = true

  mutating func add(_ page: ReportedPage) {
    unusable += page.unusable
    isComplete = page.isComplete
  }

  func write() {
    if unusable > 0 { warn("\(unusable) files cannot be used; larder cache verify says why") }
    if !isComplete { warnOfScan() }
  }
}

/// Rows are held back until there are some, so that their columns can be aligned.
private struct EntryTable {
  private var rows: [[String]] = []
  private var hasHeading = false

  private static let heading = ["key", "size", "status", "age", "time left", "hits", "tier", "file"]
  private static let heldRows = 256
  /// Longer ones stand out, so that the others stay in line.
  private static let widest = 80

  mutating func add(_ entry: ReportedEntry) {
    let hits = entry["hits"].isEmpty ? "-" : entry["hits"]
    rows.append([
      keyText(of: entry), entry["size"], entry["status"], entry["age"] + "s", entry["timeLeft"] + "s", hits,
      entry["tier"], entry["file"],
    ])
    if rows.count == Self.heldRows { write() }
  }

  /// There is a heading even where nothing was listed.
  mutating func end() { if !rows.isEmpty || !hasHeading { write() } }

  private mutating func write() {
    if !hasHeading { rows.insert(Self.heading, at: 0) }
    hasHeading = true
    let widths = Self.heading.indices.map { column in
      min(rows.map { $0[column].utf8.count }.max() ?? 0, Self.widest)
    }
    var text = ""
    for row in rows {
      var line = ""
      for (column, cell) in row.enumerated() {
        let padding = String(repeating: " ", count: max(0, widths[column] - cell.utf8.count))
        // Numbers are on the right, and nothing is behind the last column.
        line += (1...5).contains(column) ? padding + cell : column == row.count - 1 ? cell : cell + padding
        if column < row.count - 1 { line += "  " }
      }
      text += line + "\n"
    }
    Output.standard.write(text)
    rows = []
  }
}

private func description(of entry: ReportedEntry) -> String {
  let hits = entry["hits"].isEmpty ? "not known" : entry["hits"]
  let isSoft = entry["softlyPurged"] == "true"
  var lines = [
    ("key", keyText(of: entry)), ("url", shown(entry["url"])), ("file", entry["file"]),
    ("tier", entry["tier"]), ("size", "\(entry["size"]) bytes, \(entry["diskBytes"]) on disk"),
    ("hits", hits), ("born", entry["born"]),
    ("made", seconds(entry["createdMilliseconds"]).map(CacheReport.time) ?? ""),
    ("requested", Int64(entry["requested"]).map(CacheReport.time) ?? ""),
    ("received", Int64(entry["received"]).map(CacheReport.time) ?? ""),
    ("fresh until", Int64(entry["expires"]).map(CacheReport.time) ?? ""),
    ("age", entry["age"] + "s"),
    ("time left", entry["timeLeft"] + "s of \(entry["lifetime"])s (\(entry["lifetimeSource"]))"),
    ("stale use", staleUse(of: entry)),
    ("purged", isSoft ? "softly: not used as fresh" : "no"),
    ("checksums", entry["checksums"]),
  ]
  if !entry["tags"].isEmpty { lines.append(("tags", shown(entry["tags"]))) }
  if !entry["varyNames"].isEmpty { lines.append(("varies on", shown(entry["varyNames"]))) }
  var text = lines.map { name, value in
    name + String(repeating: " ", count: 13 - name.utf8.count) + value + "\n"
  }.joined()
  for line in entry["varyValues"].split(whereSeparator: \.isNewline) {
    text += "  asked with  \(shown(line))\n"
  }
  text += "\n"
  for line in entry["head"].split(whereSeparator: \.isNewline) { text += "  \(shown(line))\n" }
  return text
}

private func staleUse(of entry: ReportedEntry) -> String {
  let windows = [
    ("staleWhileRevalidate", "while revalidated"), ("grace", "grace"), ("staleIfError", "on errors"),
    ("keep", "kept for its validators"),
  ].filter { !["", "0"].contains(entry[$0.0]) }
  return windows.isEmpty ? "none" : windows.map { "\(entry[$0.0])s \($0.1)" }.joined(separator: ", ")
}

private func seconds(_ milliseconds: String) -> Int64? { Int64(milliseconds).map { $0 / 1000 } }

/// The parts of a key end with a zero byte each.
private func keyText(of entry: ReportedEntry) -> String {
  shown(entry["key"].split(separator: "\0").joined(separator: " "))
}

/// Without what a terminal would take for orders.
private func shown(_ text: some StringProtocol) -> String {
  String(quoted(String(text)).dropFirst().dropLast())
}
