import Foundation
import Testing
import TestSupport

@Suite("larder cache, with a server and without")
struct CacheListingTests {
  private typealias Outcome = (status: Int?, output: String, errors: String)

  private func cache(_ arguments: [String]) throws -> Outcome {
    let process = try LarderProcess(arguments: ["cache"] + arguments)
    let exit = try process.awaitExit()
    return (exit.status.map { Int($0) }, process.standardOutput, process.standardError)
  }

  private func admin(_ site: DiskSite) -> [String] { ["--admin", "127.0.0.1:\(site.larder.adminPort)"] }

  /// The rows below the heading, by the file that they end with.
  private func rows(_ table: String) -> [String: [String]] {
    let lines = table.split(separator: "\n").dropFirst()
    // Of a key's three parts the last is the path.
    let cells = lines.map { $0.split(separator: " ").map(String.init) }
    return Dictionary(uniqueKeysWithValues: cells.map { ($0.last ?? "", $0) })
  }

  @Test func `ls has a line for each file, from the server and from the directory`() throws {
    let origin = try storableOrigin()
    try withDisk(origin) { site in
      for target in ["/img/a", "/img/b?5000", "/text/c"] { _ = try site.larder.fetch(target) }
      try site.awaitFiles(3)
      let served = try cache(["ls", site.path] + admin(site))
      #expect(served.status == 0 && served.errors == "")
      let heading = served.output.prefix { $0 != "\n" }.split(separator: " ")
      #expect(heading == ["key", "size", "status", "age", "time", "left", "hits", "tier", "file"])
      let table = rows(served.output)
      #expect(table.keys.sorted() == site.files)
      let row = try #require(table[try site.file(with: "/img/b?5000")])
      #expect(row[0..<4] == ["http", "GET", "a.test", "/img/b?5000"])
      #expect(row[4] == "5000" && row[5] == "200" && row[9] == "memory", "\(row)")
      let pattern = try cache(["ls", "--url", "http://A.test/img/*"] + admin(site))
      #expect(Set(rows(pattern.output).values.map { $0[3] }) == ["/img/a", "/img/b?5000"])
      try site.end()
      let read = try cache(["ls", site.path])
      #expect(read.status == 0 && rows(read.output).keys.sorted() == site.files)
      #expect(rows(read.output).values.allSatisfy { $0[8] == "-" && $0[9] == "disk" })
      let one = try cache(["ls", site.path, "--url", "*c"])
      #expect(rows(one.output).values.map { $0[3] } == ["/text/c"])
    }
  }

  @Test func `a list of many pages has each entry once`() throws {
    let origin = try storableOrigin()
    try withDisk(origin) { site in
      let client = try site.larder.client()
      for number in 0..<600 { _ = try client.fetch("/\(number)") }
      try site.awaitFiles(600)
      let list = try cache(["ls", "--json"] + admin(site))
      let pages = try list.output.split(separator: "\n").map { line in
        try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
      }
      #expect(pages.count >= 3)
      let entries = pages.map { $0["entries"] as? [[String: Any]] ?? [] }
      #expect(entries.allSatisfy { $0.count <= 256 })
      let urls = entries.joined().compactMap { $0["url"] as? String }
      #expect(urls.sorted() == (0..<600).map { "a.test/\($0)" }.sorted())
      let verified = try cache(["verify"] + admin(site))
      #expect(verified.status == 0 && verified.output.hasPrefix("600 files, "), "\(verified)")
    }
  }

  @Test func `show has every variant with its head, what it varies on, and its checksums`() throws {
    let origin = try MisbehavingOrigin { exchange in
      let language = exchange.request.fields["Accept-Language"] ?? "none"
      try exchange.respond(
        200, ["Cache-Control": "max-age=600", "Vary": "Accept-Language", "X-For": language], "in \(language)")
    }
    try withDisk(origin) { site in
      for language in ["de", "fr"] {
        _ = try site.larder.fetch("/page", fields: ["Accept-Language": language])
      }
      try site.awaitFiles(3)
      let served = try cache(["show", "http://a.test/page"] + admin(site))
      #expect(served.status == 0 && served.errors == "")
      try site.end()
      let read = try cache(["show", "a.test/page", site.path])
      #expect(read.status == 0)
      for text in [served.output, read.output] {
        for language in ["de", "fr"] {
          #expect(text.contains("  X-For: \(language)\n"), "\(text)")
          #expect(text.contains("asked with  accept-language: \(language)\n"), "\(text)")
        }
        #expect(text.components(separatedBy: "checksums    all are sound\n").count == 3, "\(text)")
        #expect(text.components(separatedBy: "varies on    accept-language\n").count == 3, "\(text)")
        #expect(text.contains("s of 600s (max-age)\n"))
      }
      let none = try cache(["show", "a.test/other", site.path])
      #expect(none.status == 1 && none.output == "")
      #expect(none.errors == "larder: nothing is stored for 'a.test/other'\n")
    }
  }

  @Test func `a flipped byte of the body: show tells it, verify removes it, and the next answer is good`()
    throws
  {
    let origin = try storableOrigin()
    try withDisk(origin) { site in
      for target in ["/good", "/bad?5000"] { _ = try site.larder.fetch(target) }
      try site.awaitFiles(2)
      try site.restart()
      // The scrub reads a file at once and the next after days: it must not come upon this one first.
      try site.awaitMetric("larder_disk_scrubbed_files_total", 1)
      let file = try site.file(with: "/bad?5000")
      try site.flip(file, at: try site.bytes(of: file).count - 100)
      let shown = try cache(["show", "a.test/bad?5000"] + admin(site))
      #expect(shown.output.contains("checksums    the checksum of a block of the body is wrong\n"))
      let verified = try cache(["verify", site.path] + admin(site))
      #expect(verified.status == 0, "\(verified)")
      #expect(
        verified.output.hasPrefix(
          "\(file): the checksum of a block of the body is wrong\n\(file): removed\n2 files, "))
      #expect(verified.output.hasSuffix(" 0 bad, 1 removed\n"))
      #expect(site.files == [try site.file(with: "/good")])
      #expect(try site.larder.fetch("/bad?5000").body == page("/bad?5000"))
    }
  }

  @Test func `L26 what shows keys wants loopback as Host, and what changes something a content type too`()
    throws
  {
    let origin = try storableOrigin()
    try withDisk(origin) { site in
      for (method, target) in [
        ("GET", "/cache"), ("GET", "/cache/entry?url=a.test/"), ("POST", "/cache/verify"),
      ] {
        let json: Fields = ["Content-Type": "application/json"]
        let body = method == "POST" ? "{}" : nil
        let foreign = try site.larder.admin(
          target, method: method, host: "evil.example", fields: json, body: body)
        #expect(foreign.status == 403, "\(target)")
        let plain = try site.larder.admin(target, method: method, body: body)
        #expect(plain.status == (method == "GET" ? 200 : 403), "\(target)")
        #expect(try site.larder.admin(target, method: method, fields: json, body: body).status == 200)
        #expect(try site.larder.admin(target, method: "DELETE", fields: json).status == 405)
      }
      for target in ["/cache?cursor=x", "/cache?url=", "/cache/entry", "/cache/entry?url=%20"] {
        #expect(try site.larder.admin(target).status == 400, "\(target)")
      }
    }
    try withDisk(origin, flags: ["--admin-token", "s3cret"]) { site in
      #expect(try site.larder.admin("/cache").status == 403)
      #expect(try site.larder.admin("/cache", fields: ["Authorization": "Bearer s3cret"]).status == 200)
      let refused = try cache(["ls"] + admin(site))
      #expect(refused.status == 1 && refused.errors.hasPrefix("larder: --admin "))
      #expect(try cache(["ls", "--admin-token", "s3cret"] + admin(site)).status == 0)
    }
  }

  @Test func `a server without a disk says so`() throws {
    try withLarder(before: [try storableOrigin()]) { larder in
      let answer = try larder.admin("/cache")
      #expect(answer.status == 404 && answer.text.contains("--disk"))
    }
  }
}
