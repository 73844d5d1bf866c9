import Foundation
import Testing
import TestSupport

@Suite("Files of the disk tier that have changed, R2")
struct DiskDamageTests {
  /// Asks for everything; all of it must be as the origin gave it, from wherever it comes.
  private func checkAll(_ site: DiskSite, _ targets: [String]) throws {
    let client = try site.larder.client()
    for target in targets {
      let response = try client.fetch(target)
      #expect(
        response.status == 200 && response.isWhole && response.body == page(target), "\(target): \(response)")
      #expect(
        response.fields["X-Page"] == target && response.fields["ETag"] == "\"\(target)\"", "\(response)")
      #expect(["HIT", "MISS"].contains(response.cacheStatus), "\(response)")
    }
  }

  private func taggedOrigin() throws -> MisbehavingOrigin {
    try MisbehavingOrigin { exchange in
      let target = exchange.target
      try exchange.respond(
        200, ["Cache-Control": "max-age=600", "X-Page": target, "ETag": "\"\(target)\""], page(target))
    }
  }

  /// As many pages as their files have bytes, with one file each; what is done to each of them is `harm`.
  private func harmEach(
    _ count: Int, flags: [String], hasCheckpoint: Bool,
    harm: (_ site: DiskSite, _ file: String, _ number: Int) throws -> Void
  ) throws {
    let origin = try taggedOrigin()
    try withDisk(origin, flags: flags) { site in
      let targets = (0..<count).map { "/flip/\(1000 + $0)" }
      try checkAll(site, targets)
      try site.awaitFiles(count)
      try site.end()
      if !hasCheckpoint { try FileManager.default.removeItem(atPath: "\(site.path)/index.checkpoint") }
      for file in site.files {
        let bytes = try site.bytes(of: file)
        let mark = try #require(bytes.firstRange(of: Array("/flip/".utf8)))
        let text = String(decoding: bytes[mark.upperBound..<(mark.upperBound + 4)], as: UTF8.self)
        try harm(site, file, try #require(Int(text)) - 1000)
      }
      try site.start()
      try checkAll(site, targets)
      // And what has replaced them is good.
      try site.restart()
      try checkAll(site, stride(from: 0, to: count, by: 7).map { targets[$0] })
    }
  }

  /// The size of the files of `harmEach`.
  private func fileSize() throws -> Int {
    var size = 0
    try withDisk(try taggedOrigin()) { site in
      _ = try site.larder.fetch("/flip/1000")
      try site.awaitFiles(1)
      size = try site.bytes(of: site.files[0]).count
    }
    return size
  }

  @Test func `R2 with any byte of its file flipped, a page is served right or fetched anew`() throws {
    try harmEach(try fileSize(), flags: ["--memory", "0"], hasCheckpoint: true) { site, file, number in
      try site.flip(file, at: number, by: number % 2 == 0 ? 0xff : 1 << UInt8(number / 2 % 8))
    }
  }

  @Test func `R2 with its file cut at any length, a page is served right or fetched anew`() throws {
    try harmEach(try fileSize(), flags: [], hasCheckpoint: false) { site, file, number in
      unsafe #expect(truncate("\(site.path)/\(file)", off_t(number)) == 0)
    }
  }

  @Test func `R2 zeroed files, longer files, and files of others under their names`() throws {
    let origin = try taggedOrigin()
    try withDisk(origin) { site in
      let targets = (0..<6).map { "/f/\($0)" }
      try checkAll(site, targets)
      try site.awaitFiles(6)
      try site.end()
      let files = try targets.map { try site.file(with: $0) }
      let first = try site.bytes(of: files[0])
      try site.setBytes(of: files[1], to: [UInt8](repeating: 0, count: first.count))
      try site.setBytes(of: files[2], to: [])
      try site.setBytes(of: files[3], to: try site.bytes(of: files[3]) + [0])
      try site.setBytes(of: files[4], to: first)
      try FileManager.default.removeItem(atPath: "\(site.path)/\(files[5])")
      try FileManager.default.createDirectory(
        atPath: "\(site.path)/\(files[5])", withIntermediateDirectories: false)
      try site.start()
      try checkAll(site, targets + targets)
      #expect(origin.count("/f/0") == 1 && origin.count("/f/1") == 2)
    }
  }

  @Test func `R2 a block flipped in mid-body ends the connection, and the next client gets it all`() throws {
    let origin = try taggedOrigin()
    let target = "/big?1000000"
    try withDisk(origin) { site in
      _ = try site.larder.fetch(target)
      try site.awaitFiles(1)
      try site.end()
      // Of the first 512 KiB it is known before the head goes out.
      try site.flip(site.files[0], at: 600_000)
      try site.start()
      let cut = try site.larder.fetch(target)
      #expect(!cut.isWhole && cut.body.count < 1_000_000 && page(target).starts(with: cut.body), "\(cut)")
      try site.awaitMetric("larder_disk_damaged_files_total", 1)
      for _ in 0..<2 {
        let again = try site.larder.fetch(target)
        #expect(again.isWhole && again.body == page(target))
      }
      #expect(origin.count(target) == 2)
      try site.awaitFiles(1)
    }
  }

  @Test func `R2 a file that is cut short while it is open ends the connection, and is fetched anew`() throws
  {
    let origin = try taggedOrigin()
    let target = "/big?1000000"
    try withDisk(origin, flags: ["--memory", "0"]) { site in
      _ = try site.larder.fetch(target)
      try site.awaitFiles(1)
      let hit = try site.larder.fetch(target)
      #expect(hit.cacheStatus == "HIT" && hit.body == page(target))
      unsafe #expect(truncate("\(site.path)/\(site.files[0])", 500_000) == 0)
      let cut = try site.larder.fetch(target)
      #expect(!cut.isWhole || cut.body == page(target), "\(cut)")
      #expect(page(target).starts(with: cut.body))
      let again = try site.larder.fetch(target)
      #expect(again.isWhole && again.body == page(target))
    }
  }

  @Test func `R2 a file altered while running, not open, is not served`() throws {
    let origin = try taggedOrigin()
    try withDisk(origin) { site in
      try checkAll(site, ["/a", "/b"])
      try site.awaitFiles(2)
      try site.restart()
      try site.awaitMetric("larder_disk_scan_complete", 1)
      let file = try site.file(with: "/a")
      try site.flip(file, at: try site.bytes(of: file).count - 12)
      try checkAll(site, ["/a", "/b", "/a"])
      #expect(origin.count("/a") == 2 && origin.count("/b") == 1)
    }
  }
}
