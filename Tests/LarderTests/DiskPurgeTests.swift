import Foundation
import Testing
import TestSupport

@Suite("Purges with a disk tier, L22")
struct DiskPurgeTests {
  @Test(arguments: [SIGTERM, SIGKILL])
  func `L22 a purge survives the process, the file's removal or not`(_ signal: CInt) throws {
    let origin = try storableOrigin()
    try withDisk(origin) { site in
      for target in ["/a", "/b"] { _ = try site.larder.fetch(target) }
      try site.awaitFiles(2)
      // A file that comes back, as after a crash before its removal.
      let file = try site.file(with: "/a")
      let bytes = try site.bytes(of: file)
      #expect(try site.larder.fetch("/a", method: "PURGE").purged == 1)
      try site.end(by: signal)
      try site.setBytes(of: file, to: bytes)
      try site.start()
      let again = try site.larder.fetch("/a")
      #expect(again.cacheStatus == "MISS" && again.body == page("/a"))
      #expect(try site.larder.fetch("/b").cacheStatus == "HIT")
      #expect(origin.count("/a") == 2)
    }
  }

  @Test func `L22 a purge of what the scan has not seen and nobody has asked for survives kill -9`() throws {
    let origin = try storableOrigin()
    try withDisk(origin) { site in
      for number in 0..<60 { _ = try site.larder.fetch("/\(number)") }
      try site.awaitFiles(60)
      for round in 0..<3 {
        try site.end(by: SIGKILL)
        try? FileManager.default.removeItem(atPath: "\(site.path)/index.checkpoint")
        try site.start()
        for number in (round * 10)..<(round * 10 + 10) {
          #expect(try site.larder.fetch("/\(number)", method: "PURGE").status == 200)
        }
      }
      try site.restart(by: SIGKILL)
      for number in 0..<60 {
        let response = try site.larder.fetch("/\(number)")
        #expect(response.cacheStatus == (number < 30 ? "MISS" : "HIT"), "/\(number)")
        #expect(response.body == page("/\(number)"))
      }
    }
  }

  @Test func `L21 L22 a soft purge survives kill -9: what comes back is stale`() throws {
    let origin = try storableOrigin(["ETag": "\"v\""])
    try withDisk(origin, flags: ["--grace", "1h"]) { site in
      for target in ["/a", "/b", "/c"] { _ = try site.larder.fetch(target) }
      try site.awaitFiles(3)
      let soft = try site.larder.admin(
        "/purge", method: "POST", fields: ["Content-Type": "application/json"],
        body: #"{"urls": ["http://a.test/a"], "soft": true}"#)
      #expect(soft.status == 200 && soft.purged == 1, "\(soft.text)")
      try site.restart(by: SIGKILL)
      #expect(try site.larder.fetch("/a").cacheStatus == "UPDATING")
      #expect(try site.larder.fetch("/b").cacheStatus == "HIT")
      try origin.awaitRequests(2, for: "/a")
      #expect(origin.count("/b") == 1)
      // The same of a file that nobody has opened in this life.
      try site.restart(by: SIGKILL)
      _ = try site.larder.admin(
        "/purge", method: "POST", fields: ["Content-Type": "application/json"],
        body: #"{"urls": ["http://a.test/c"], "soft": true}"#)
      try site.restart(by: SIGKILL)
      #expect(try site.larder.fetch("/c").cacheStatus == "UPDATING")
    }
  }

  @Test(arguments: [SIGTERM, SIGKILL])
  func `L20 an unsafe method's success removes the page on disk too`(_ signal: CInt) throws {
    let origin = try storableOrigin()
    try withDisk(origin) { site in
      for target in ["/a", "/b"] { _ = try site.larder.fetch(target) }
      try site.awaitFiles(2)
      try site.restart()
      // Not in memory yet.
      #expect(try site.larder.fetch("/a", method: "POST", body: [1]).status == 200)
      try site.awaitFiles(1)
      #expect(try site.larder.fetch("/a").cacheStatus == "MISS")
      #expect(try site.larder.fetch("/b").cacheStatus == "HIT")
    }
  }

  @Test func `L7 a purge of the URL removes all variants on disk`() throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.respond(
        200, ["Cache-Control": "max-age=600", "Vary": "X-Kind"], exchange.request.fields["X-Kind"] ?? "")
    }
    try withDisk(origin) { site in
      for kind in ["1", "2", "3"] { _ = try site.larder.fetch("/v", fields: ["X-Kind": kind]) }
      try site.awaitFiles(4)
      try site.restart()
      try site.awaitMetric("larder_disk_scan_complete", 1)
      #expect(try site.larder.fetch("/v", method: "PURGE").purged == 3)
      for kind in ["1", "2", "3"] {
        #expect(try site.larder.fetch("/v", fields: ["X-Kind": kind]).cacheStatus == "MISS")
      }
    }
  }
}
