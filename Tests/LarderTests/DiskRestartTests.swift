import Foundation
import Testing
import TestSupport

@Suite("The disk tier over a restart, R1")
struct DiskRestartTests {
  @Test(arguments: [SIGTERM, SIGKILL])
  func `R1 what was stored is a HIT after a restart, with the same bytes, fields and a true Age`(
    _ signal: CInt
  ) throws {
    let origin = try storableOrigin(["ETag": "\"e\"", "Content-Type": "text/plain"])
    try withDisk(origin) { site in
      for target in ["/a", "/b?5000", "/c?0"] {
        #expect(try site.larder.fetch(target).cacheStatus == "MISS")
      }
      try site.awaitFiles(3)
      try site.restart(by: signal)
      for target in ["/a", "/b?5000", "/c?0", "/a"] {
        let hit = try site.larder.fetch(target)
        #expect(hit.cacheStatus == "HIT" && hit.body == page(target) && hit.isWhole, "\(target): \(hit)")
        #expect(hit.fields["X-Page"] == target && hit.fields["Content-Type"] == "text/plain")
        #expect((0...20).contains(hit.age ?? -1))
      }
      #expect(origin.requests.count == 3)
    }
  }

  @Test func `the Age counts on over a restart`() throws {
    let origin = try MisbehavingOrigin {
      try $0.respond(200, ["Cache-Control": "max-age=600", "Age": "100"], "old")
    }
    try withDisk(origin) { site in
      _ = try site.larder.fetch("/")
      try site.awaitFiles(1)
      try site.restart(by: SIGKILL)
      let hit = try site.larder.fetch("/")
      #expect(hit.cacheStatus == "HIT" && (100...120).contains(hit.age ?? -1))
    }
  }

  @Test func `the index that was written down and a new scan find the same`() throws {
    let origin = try storableOrigin()
    try withDisk(origin) { site in
      for number in 0..<20 { _ = try site.larder.fetch("/\(number)") }
      try site.awaitFiles(20)
      try site.restart()
      try site.awaitMetric("larder_disk_scan_complete", 1)
      let (entries, bytes) = (
        try site.metric("larder_disk_entries"), try site.metric("larder_disk_used_bytes")
      )
      #expect(entries == 20 && bytes == site.usedBytes)
      try site.end(by: SIGKILL)
      try FileManager.default.removeItem(atPath: "\(site.path)/index.checkpoint")
      try site.start()
      try site.awaitMetric("larder_disk_scan_complete", 1)
      #expect(try site.metric("larder_disk_entries") == 20)
      #expect(try site.metric("larder_disk_used_bytes") == bytes)
      #expect(try site.metric("larder_disk_scanned_files_total") == 20)
    }
  }

  @Test func `a second process on the directory refuses, and says why`() throws {
    let origin = try storableOrigin()
    try withDisk(origin) { site in
      _ = try site.larder.fetch("/a")
      let second = try LarderProcess(arguments: [
        "serve", "--listen", "127.0.0.1:0", "--admin", "off", "--backend", origin.address, "--disk",
        site.path,
      ])
      let exit = try second.awaitExit()
      #expect(exit.signal == nil && exit.status != 0)
      let line = "the cache directory \(site.path) is in use by another process"
      #expect(second.standardError.contains(line), "\(second.standardError)")
      #expect(second.standardError.split(separator: "\n").count == 1, "\(second.standardError)")
      #expect(try site.larder.fetch("/a").cacheStatus == "HIT")
    }
  }

  @Test(arguments: [SIGTERM, SIGKILL])
  func `L8 after a restart each of four variants is served to who asks for it`(_ signal: CInt) throws {
    let origin = try MisbehavingOrigin { exchange in
      let encoding = exchange.request.fields["Accept-Encoding"] ?? "none"
      try exchange.respond(
        200, ["Cache-Control": "max-age=600", "Vary": "Accept-Encoding"], "as \(encoding)")
    }
    let encodings = ["gzip", "br", "zstd", nil]
    func fetch(_ larder: Larder, _ encoding: String?) throws -> Response {
      try larder.fetch("/v", fields: encoding.map { ["Accept-Encoding": $0] } ?? [:])
    }
    try withDisk(origin) { site in
      for encoding in encodings { #expect(try fetch(site.larder, encoding).cacheStatus == "MISS") }
      let met = origin.requests.count
      // Each variant, and the record of what they vary on.
      try site.awaitFiles(5)
      try site.restart(by: signal)
      for encoding in encodings {
        let hit = try fetch(site.larder, encoding)
        #expect(hit.cacheStatus == "HIT" && hit.text == "as \(encoding ?? "none")", "\(hit)")
      }
      #expect(origin.requests.count == met)
    }
  }

  @Test(arguments: [SIGTERM, SIGKILL])
  func `a 304's new head is there after a restart, and the file is the same`(_ signal: CInt) throws {
    let origin = try MisbehavingOrigin { exchange in
      let fields: Fields = [
        "Cache-Control": exchange.visit == 0 ? "max-age=0" : "max-age=600", "ETag": "\"v\"",
        "X-Visit": "\(exchange.visit)",
      ]
      if exchange.visit == 0 {
        try exchange.respond(200, fields, pattern(200_000))
      } else {
        try exchange.respond(304, fields)
      }
    }
    try withDisk(origin) { site in
      _ = try site.larder.fetch("/")
      try site.awaitFiles(1)
      let file = site.files[0]
      let before = try site.facts(of: file)
      let refreshed = try site.larder.fetch("/")
      #expect(refreshed.cacheStatus == "REVALIDATED" && refreshed.body == pattern(200_000))
      try site.awaitMetric("larder_disk_head_writes_total", 1)
      try site.restart(by: signal)
      let after = try site.facts(of: file)
      #expect(after.st_ino == before.st_ino && after.st_size == before.st_size)
      let hit = try site.larder.fetch("/")
      #expect(hit.cacheStatus == "HIT" && hit.body == pattern(200_000), "\(hit)")
      #expect(hit.fields["X-Visit"] == "1" && hit.fields["Cache-Control"] == "max-age=600")
      #expect(origin.requests.count == 2)
    }
  }

  @Test func `with other levels the files are moved, and the old folders hold none`() throws {
    let origin = try storableOrigin()
    try withDisk(origin, options: "size=64MiB,levels=1:2") { site in
      for number in 0..<8 { _ = try site.larder.fetch("/\(number)") }
      try site.awaitFiles(8)
      #expect(site.files.allSatisfy { $0.utf8.count == 64 + 5 })
      for (levels, folders) in [("2:2:1", 8), ("1", 2)] {
        try site.end()
        site.options = "size=64MiB,levels=\(levels)"
        try site.start()
        // Also what the scan has not moved yet is found.
        for number in 0..<8 {
          let hit = try site.larder.fetch("/\(number)")
          #expect(hit.body == page("/\(number)") && ["HIT", "MISS"].contains(hit.cacheStatus))
        }
        try site.awaitMetric("larder_disk_scan_complete", 1)
        try eventually("8 files at levels \(levels): \(site.files)") {
          site.files.count == 8 && site.files.allSatisfy { $0.utf8.count == 64 + folders }
        }
      }
    }
  }

  @Test func `with another key template the old files are gone`() throws {
    let origin = try storableOrigin()
    try withDisk(origin) { site in
      for number in 0..<5 { _ = try site.larder.fetch("/\(number)") }
      try site.awaitFiles(5)
      try site.end()
      site.flags += ["--key", "$host$request_uri"]
      try site.start()
      try site.awaitMetric("larder_disk_scan_complete", 1)
      try site.awaitFiles(0)
      #expect(try site.larder.fetch("/1").cacheStatus == "MISS")
      try site.awaitFiles(1)
    }
  }

  @Test func `a store whose meta file is lost or damaged begins anew, and leaves nothing behind`() throws {
    let origin = try storableOrigin()
    try withDisk(origin) { site in
      for number in 0..<3 { _ = try site.larder.fetch("/\(number)") }
      try site.awaitFiles(3)
      for isLost in [true, false] {
        try site.end()
        let meta = "\(site.path)/store.meta"
        if isLost {
          try FileManager.default.removeItem(atPath: meta)
        } else {
          try site.flip("store.meta", at: 20)
        }
        try site.start()
        let miss = try site.larder.fetch("/0")
        #expect(miss.cacheStatus == "MISS" && miss.body == page("/0"))
        try site.awaitMetric("larder_disk_scan_complete", 1)
        try site.awaitFiles(1)
      }
    }
  }
}
