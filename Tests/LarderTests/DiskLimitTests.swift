import Foundation
import Testing
import TestSupport

@Suite("Limits of the disk tier, L32")
struct DiskLimitTests {
  /// Looks at what a store takes, again and again.
  private final class Watch: Sendable {
    private let most = Watched(0)
    private let isOver = Gate("the end of watching")
    private let task: Task<Void>

    init(_ usedBytes: @escaping @Sendable () -> Int) {
      task = Task { [most, isOver] in
        while !isOver.isOpen {
          let used = usedBytes()
          most.update { $0 = max($0, used) }
        }
      }
    }

    func stop() throws -> Int {
      isOver.open()
      try task.value()
      return most.read { $0 }
    }
  }

  @Test(arguments: ["16MiB", "0"])
  func `size is never exceeded while three times as much is stored`(_ memory: String) throws {
    let origin = try storableOrigin()
    try withDisk(origin, options: "size=1MiB", flags: ["--memory", memory]) { site in
      let path = site.path
      let watch = Watch { storeBytes(path) }
      let client = try site.larder.client()
      for number in 0..<100 {
        let target = "/\(number)?\(number % 3 == 0 ? 90_000 : 10_000)"
        #expect(try client.fetch(target).body == page(target))
      }
      try eventually("the queue's end") { try site.metric("larder_disk_queue_depth{queue=\"writes\"}") == 0 }
      let most = try watch.stop()
      #expect(most <= 1 << 20 && most > 600_000, "\(most)")
      #expect(try site.metric("larder_disk_evictions_total{reason=\"size\"}") > 0)
      #expect(try site.metric("larder_disk_used_bytes") <= 1 << 20)
      // Over a restart as well.
      try site.restart(by: SIGKILL)
      let second = Watch { storeBytes(path) }
      for number in 100..<160 { _ = try site.larder.fetch("/\(number)?40000") }
      #expect(try second.stop() <= 1 << 20)
    }
  }

  @Test func `a smaller size is kept to after a restart`() throws {
    let origin = try storableOrigin()
    try withDisk(origin, options: "size=4MiB") { site in
      for number in 0..<60 { _ = try site.larder.fetch("/\(number)?40000") }
      try site.awaitFiles(60)
      try site.end()
      site.options = "size=1MiB"
      try site.start()
      try eventually("1 MiB, now \(site.usedBytes)") { site.usedBytes <= 1 << 20 }
      #expect(!site.files.isEmpty)
    }
  }

  @Test func `what nobody asks for leaves after inactive, what is asked for stays`() throws {
    let origin = try storableOrigin()
    try withDisk(origin, options: "size=64MiB,inactive=1s", flags: ["--memory", "0"]) { site in
      for target in ["/idle", "/busy"] { _ = try site.larder.fetch(target) }
      try site.awaitFiles(2)
      try eventually("the idle one to leave") {
        let busy = try site.larder.fetch("/busy")
        #expect(busy.cacheStatus == "HIT")
        return site.files.count == 1
      }
      #expect(try site.file(with: "/busy").count > 64)
      #expect(try site.metric("larder_disk_evictions_total{reason=\"inactive\"}") == 1)
      #expect(try site.larder.fetch("/idle").cacheStatus == "MISS")
    }
  }

  @Test func `max-entries holds`() throws {
    let origin = try storableOrigin()
    try withDisk(origin, options: "size=64MiB,max-entries=10") { site in
      for number in 0..<40 { _ = try site.larder.fetch("/\(number)") }
      try site.awaitMetric("larder_disk_writes_total", 40)
      try eventually("10 files, there are \(site.files.count)") { site.files.count <= 10 }
      #expect(try site.metric("larder_disk_evictions_total{reason=\"entries\"}") >= 30)
    }
  }

  @Test func `min-uses keeps out what is asked for once, also when memory has it`() throws {
    let origin = try storableOrigin()
    try withDisk(origin, options: "size=64MiB,min-uses=3") { site in
      for number in 0..<5 { _ = try site.larder.fetch("/once/\(number)") }
      for _ in 0..<3 { _ = try site.larder.fetch("/often") }
      try site.awaitFiles(1)
      #expect(try site.file(with: "/often").count > 64)
      #expect(try site.metric("larder_disk_skipped_writes_total{reason=\"uses\"}") >= 5)
    }
  }
}
