import Bytes
import Caching
public import Storage
import Telemetry

/// What `larder cache` shows, as JSON: written by the server, or by the command when there is none.
public enum CacheReport {
  /// One line.
  ///
  /// - Parameter showsHeads: All there is to say of each entry, and not only what a list has.
  public static func json(
    _ page: EntryPage, of directory: StoreDirectory, showsHeads: Bool
  ) -> [UInt8] {
    var out = OutputBuffer(capacity: 512 * (page.entries.count + 1))
    out.append("{\"directory\": ")
    out.append(jsonString: directory.location)
    out.append(", \"entries\": [")
    for (index, entry) in page.entries.enumerated() {
      if index > 0 { out.append(", ") }
      write(entry, to: &out)
      if showsHeads { writeDetails(of: entry, to: &out) }
      out.append("}")
    }
    out.append("], \"unusable\": ")
    out.append(decimal: page.unusable)
    writeEnd(next: page.next, isComplete: page.isComplete, to: &out)
    return out.bytes.array
  }

  /// One line.
  public static func json(_ page: VerificationPage, of directory: StoreDirectory) -> [UInt8] {
    var out = OutputBuffer(capacity: 1024)
    out.append("{\"directory\": ")
    out.append(jsonString: directory.location)
    for (name, field) in VerifiedFiles.counts {
      out.append(", ")
      out.append(jsonString: name)
      out.append(": ")
      out.append(decimal: page.result[keyPath: field])
    }
    out.append(", \"findings\": [")
    for (index, (path, finding)) in page.findings.enumerated() {
      out.append(index > 0 ? ", {\"file\": " : "{\"file\": ")
      out.append(jsonString: path)
      out.append(", \"text\": ")
      out.append(jsonString: finding.text)
      out.append("}")
    }
    out.append("]")
    writeEnd(next: page.next, isComplete: page.isComplete, to: &out)
    return out.bytes.array
  }

  private static func writeEnd(next: UInt32?, isComplete: Bool, to out: inout OutputBuffer) {
    out.append(", \"complete\": ")
    out.append(json: isComplete)
    out.append(", \"next\": ")
    if let next { out.append(decimal: Int(next)) } else { out.append("null") }
    out.append("}\n")
  }

  /// Without the brace at the end.
  private static func write(_ entry: StoredEntry, to out: inout OutputBuffer) {
    out.append("{\"key\": ")
    out.append(jsonString: entry.key.span)
    out.append(", \"url\": ")
    out.append(jsonString: entry.url.span)
    write("size", entry.bodyBytes, to: &out)
    write("status", Int(entry.facts.status), to: &out)
    write("age", Int(entry.age), to: &out)
    write("timeLeft", Int(entry.timeLeft), to: &out)
    if let hits = entry.hits { write("hits", Int(hits), to: &out) }
    write("tier", entry.isInMemory ? "memory" : "disk", to: &out)
    write("file", entry.path, to: &out)
  }

  private static func writeDetails(of entry: StoredEntry, to out: inout OutputBuffer) {
    write("varyNames", entry.varyNames, to: &out)
    write("varyValues", entry.varyValues, to: &out)
    write("tags", entry.tags, to: &out)
    write("head", entry.head, to: &out)
    write("born", Int(truncatingIfNeeded: entry.facts.born), to: &out)
    write("requested", Int(entry.requested), to: &out)
    write("received", Int(entry.received), to: &out)
    write("expires", Int(entry.expires), to: &out)
    write("createdMilliseconds", Int(entry.created), to: &out)
    let life = entry.facts.freshness
    write("lifetime", Int(life.lifetime), to: &out)
    write("lifetimeSource", life.source.text, to: &out)
    write("staleWhileRevalidate", Int(life.staleWhileRevalidate), to: &out)
    write("staleIfError", Int(life.staleIfError), to: &out)
    write("grace", Int(life.grace), to: &out)
    write("keep", Int(entry.facts.keep), to: &out)
    out.append(", \"softlyPurged\": ")
    out.append(json: entry.facts.isSoftlyPurged)
    write("diskBytes", entry.diskBytes, to: &out)
    write("checksums", entry.check.text, to: &out)
  }

  private static func write(_ name: StaticString, _ value: Int, to out: inout OutputBuffer) {
    writeName(name, to: &out)
    out.append(decimal: value)
  }

  private static func write(_ name: StaticString, _ value: [UInt8], to out: inout OutputBuffer) {
    writeName(name, to: &out)
    out.append(jsonString: value.span)
  }

  private static func write(_ name: StaticString, _ value: String, to out: inout OutputBuffer) {
    writeName(name, to: &out)
    out.append(jsonString: value)
  }

  private static func writeName(_ name: StaticString, to out: inout OutputBuffer) {
    out.append(", \"")
    out.append(name)
    out.append("\": ")
  }
}

extension FreshnessSource {
  /// Where a lifetime comes from, for people.
  var text: String {
    switch self {
    case .none: "none"
    case .sMaxAge: "s-maxage"
    case .maxAge: "max-age"
    case .expires: "Expires"
    case .heuristic: "heuristic"
    case .defaultTTL: "--default-ttl"
    }
  }
}

extension StoredEntry.Check {
  var text: String {
    switch self {
    case .head: "names and head are sound, the body was not read"
    case .whole: "all are sound"
    case .bad(let error): error.text
    case .unreadable(let code): "the body cannot be read: \(errorText(code))"
    }
  }
}

/// What is counted of verified files, by its name in JSON.
enum VerifiedFiles {
  static let counts: [(String, WritableKeyPath<StoreVerification, Int> & Sendable)] = [
    ("files", \.files), ("bytes", \.bytes), ("bad", \.bad), ("unreadable", \.unreadable),
    ("unknownVersion", \.unknownVersion), ("misplaced", \.misplaced), ("temporary", \.temporary),
    ("removed", \.removed),
  ]
}
