import Foundation
import Testing
import TestSupport

@Suite("Serving from disk")
struct DiskServingTests {
  @Test(arguments: ["0", "16MiB"])
  func `bodies of all sizes come from disk byte for byte, whole and in ranges`(_ memory: String) throws {
    let origin = try storableOrigin(["ETag": "\"e\"", "Last-Modified": httpDate(-1000)])
    let sizes = [0, 1, 1000, 16_384, 65_535, 65_536, 65_537, 200_000, 1 << 20, 5_000_000]
    try withDisk(origin, flags: ["--memory", memory]) { site in
      for size in sizes { #expect(try site.larder.fetch("/f?\(size)").body == page("/f?\(size)")) }
      try site.awaitFiles(sizes.count)
      try site.restart()
      let client = try site.larder.client()
      for size in sizes {
        let target = "/f?\(size)"
        let body = page(target)
        for _ in 0..<2 {
          let hit = try client.fetch(target)
          #expect(hit.cacheStatus == "HIT" && hit.body == body && hit.isWhole, "\(target): \(hit)")
          #expect(hit.framing == .length(size))
        }
        guard size > 100 else { continue }
        for (first, last) in [(0, 0), (size - 1, size - 1), (size / 3, size / 2), (1, size - 1)] {
          let part = try client.fetch(target, fields: ["Range": "bytes=\(first)-\(last)"])
          #expect(part.status == 206 && part.body == Array(body[first...last]), "\(target): \(part)")
          #expect(part.fields["Content-Range"] == "bytes \(first)-\(last)/\(size)")
        }
        let suffix = try client.fetch(target, fields: ["Range": "bytes=-50"])
        #expect(suffix.status == 206 && suffix.body == Array(body.suffix(50)))
        let beyond = try client.fetch(target, fields: ["Range": "bytes=\(size)-"])
        #expect(beyond.status == 416)
      }
      #expect(origin.requests.count == sizes.count)
    }
  }

  @Test func `HEAD, HTTP/1.0 and conditions are answered from a file that was not open`() throws {
    let origin = try storableOrigin(["ETag": "\"e\"", "Last-Modified": httpDate(-1000)])
    try withDisk(origin) { site in
      for number in 0..<5 { _ = try site.larder.fetch("/\(number)?3000") }
      _ = try site.larder.fetch("/1")
      try site.awaitFiles(6)
      try site.restart()
      let head = try site.larder.fetch("/0?3000", method: "HEAD")
      #expect(head.status == 200 && head.body.isEmpty && head.fields["Content-Length"] == "3000")
      #expect(head.cacheStatus == "HIT")
      let old = try site.larder.send("GET /1 HTTP/1.0\r\nHost: a.test\r\n\r\n").readToEnd()
      #expect(old.hasPrefix("HTTP/1.1 200 ") && old.hasSuffix("\r\n\r\npage /1 "), "\(old)")
      let same = try site.larder.fetch("/2?3000", fields: ["If-None-Match": "\"e\""])
      #expect(same.status == 304 && same.body.isEmpty && same.cacheStatus == "HIT")
      let since = try site.larder.fetch("/3?3000", fields: ["If-Modified-Since": httpDate(-1000)])
      #expect(since.status == 304)
      let part = try site.larder.fetch("/4?3000", fields: ["Range": "bytes=10-19", "If-Range": "\"e\""])
      #expect(part.status == 206 && part.body == Array(page("/4?3000")[10...19]))
      #expect(origin.requests.count == 6)
    }
  }

  @Test func `pipelined requests for files are answered in their order`() throws {
    let origin = try storableOrigin()
    try withDisk(origin) { site in
      let targets = (0..<8).map { "/\($0)?\($0 * 30_000 + 10)" }
      for target in targets { _ = try site.larder.fetch(target) }
      try site.awaitFiles(8)
      try site.restart()
      let client = try site.larder.client()
      for target in targets { try client.sendRequest(target) }
      for target in targets {
        let hit = try client.readResponse()
        #expect(hit.cacheStatus == "HIT" && hit.body == page(target), "\(target): \(hit)")
      }
    }
  }

  @Test func `many clients at once for one file open it once and all get it`() throws {
    let origin = try storableOrigin()
    try withDisk(origin) { site in
      _ = try site.larder.fetch("/x?300000")
      try site.awaitFiles(1)
      try site.restart()
      let larder = site.larder
      for response in try inParallel(20, { _ in try larder.fetch("/x?300000") }) {
        #expect(response.cacheStatus == "HIT" && response.body == page("/x?300000"))
      }
      // Each worker asks at most once.
      #expect(try site.metric("larder_disk_opens_total") <= 2)
      #expect(origin.requests.count == 1)
    }
  }

  @Test func `a second hit brings the body into memory; with --memory 0 it stays on disk`() throws {
    for (memory, promotions) in [("16MiB", 1), ("0", 0)] {
      let origin = try storableOrigin()
      try withDisk(origin, flags: ["--memory", memory]) { site in
        _ = try site.larder.fetch("/x?30000")
        try site.awaitFiles(1)
        try site.restart()
        for _ in 0..<2 { #expect(try site.larder.fetch("/x?30000").cacheStatus == "HIT") }
        try site.awaitMetric("larder_disk_promotions_total", promotions)
        #expect(try site.metric("larder_tier_hits_total{tier=\"disk\"}") == 2)
        for _ in 0..<3 {
          let hit = try site.larder.fetch("/x?30000")
          #expect(hit.cacheStatus == "HIT" && hit.body == page("/x?30000"))
        }
        #expect(
          try site.metric("larder_tier_hits_total{tier=\"memory\"}") == (promotions == 1 ? 3 : 0))
        #expect(try site.metric("larder_tier_hits_total{tier=\"disk\"}") == (promotions == 1 ? 2 : 5))
        #expect(try site.metric("larder_disk_promotions_total") == promotions)
        #expect(origin.requests.count == 1)
      }
    }
  }

  @Test func `an error's page and a redirect come back from disk as they were`() throws {
    let origin = try MisbehavingOrigin()
    for (target, status) in [("/404", 404), ("/301", 301), ("/204", 204), ("/410", 410)] {
      origin.on(target) {
        try $0.respond(
          status, ["Cache-Control": "max-age=600", "Location": "/there"], status == 204 ? "" : "gone")
      }
    }
    try withDisk(origin) { site in
      for status in [404, 301, 204, 410] { _ = try site.larder.fetch("/\(status)") }
      try site.awaitFiles(4)
      try site.restart(by: SIGKILL)
      for status in [404, 301, 204, 410] {
        let hit = try site.larder.fetch("/\(status)")
        #expect(hit.status == status && hit.cacheStatus == "HIT" && hit.fields["Location"] == "/there")
        #expect(hit.text == (status == 204 ? "" : "gone"))
      }
    }
  }

  @Test func `promtool has nothing to say about the disk's metrics, and names are told`() throws {
    let origin = try storableOrigin()
    try withDisk(origin) { site in
      _ = try site.larder.fetch("/x")
      try site.awaitFiles(1)
      let text = try site.larder.admin("/metrics").text
      let (status, said) = try promtool(Array(text.utf8))
      #expect(status == 0 && said.isEmpty, "\(said)")
      for name in [
        "larder_disk_entries 1", "larder_disk_size_limit_bytes 67108864", "larder_disk_used_bytes 4096",
        "larder_disk_writes_total 1", "larder_disk_evictions_total{reason=\"min_free\"} 0",
        "larder_disk_skipped_writes_total{reason=\"queue\"} 0", "larder_disk_damaged_files_total 0",
        "larder_disk_errors_total{operation=\"write\"} 0", "larder_disk_queue_depth{queue=\"reads\"} 0",
        "larder_disk_degraded 0", "larder_tier_hits_total{tier=\"disk\"} 0",
      ] {
        #expect(text.contains("\n\(name)\n"), "\(name)")
      }
    }
  }
}
