import FailingCalls
import Foundation
import Testing
import TestSupport

@Suite("Faults of the disk, R3 and R4")
struct DiskFaultTests {
  /// Clients get everything byte for byte; `wanted` of it from the cache.
  private func serve(_ site: DiskSite, _ targets: [String], _ wanted: String? = nil) throws {
    let client = try site.larder.client()
    for target in targets {
      let response = try client.fetch(target)
      #expect(response.status == 200 && response.isWhole && response.body == page(target), "\(response)")
      if let wanted { #expect(response.cacheStatus == wanted, "\(target): \(response)") }
    }
  }

  /// Faults of the disk that the log tells: at most one a minute.
  private func complaints(_ site: DiskSite) -> [String] {
    site.larder.process.logLines.filter { $0.contains("disk cache:") || $0.contains("cache file") }
  }

  @Test(.enabled(if: SmallDisk.isPossible, "mounting a small file system takes root"))
  func `R3 with a full disk 100 of 100 objects are served, and storing resumes when there is room`() throws {
    let disk = try SmallDisk.mount("1m")
    let origin = try storableOrigin()
    let targets = (0..<100).map { "/o/\($0)?50000" }
    try withDisk(origin, options: "size=100MiB", flags: ["--memory", "8MiB"], path: disk.path) { site in
      try serve(site, targets, "MISS")
      try serve(site, targets)
      try site.awaitDegraded("No space left on device")
      #expect(complaints(site).count == 1, "\(complaints(site))")
      // What is there is served, also after a restart.
      #expect(site.files.count >= 10)
      for file in site.files.prefix(15) { unsafe unlink("\(site.path)/\(file)") }
      try site.awaitRecovery()
      try serve(site, targets)
      #expect(try site.metric("larder_disk_degraded") == 0)
      #expect(site.larder.process.logLines.contains { $0.contains("the disk cache works again") })
    }
  }

  @Test(.enabled(if: SmallDisk.isPossible, "mounting a small file system takes root"))
  func `a disk that is full at the start, and that has no room for the purge log, is no reason not to serve`()
    throws
  {
    let disk = try SmallDisk.mount("1m")
    let origin = try storableOrigin()
    try withDisk(origin, options: "size=100MiB", path: disk.path) { site in
      try serve(site, ["/a"])
      try site.awaitFiles(1)
      try Data(pattern(2 << 20).prefix(900_000)).write(to: URL(fileURLWithPath: "\(disk.path)/ballast"))
      let filler = unsafe open("\(disk.path)/filler", O_WRONLY | O_CREAT, 0o600)
      let block = [UInt8](repeating: 7, count: 4096)
      while unsafe write(filler, block, block.count) > 0 {}
      close(filler)
      // A purge is in force, and its answer says that a crash would undo it, unless there was room for it.
      let purge = try site.larder.fetch("/a", method: "PURGE")
      #expect(purge.status == 200 && purge.purged == 1, "\(purge.text)")
      try serve(site, ["/a", "/b"], "MISS")
      try site.end()
      unsafe unlink("\(disk.path)/filler")
      try site.start()
      try serve(site, ["/a", "/b"])
    }
  }

  @Test func `with its directory removed it serves from memory and origin, and makes it again`() throws {
    let origin = try storableOrigin()
    try withDisk(origin) { site in
      try serve(site, ["/a", "/b?100000"], "MISS")
      try site.awaitFiles(2)
      try FileManager.default.removeItem(atPath: site.path)
      try serve(site, ["/a", "/b?100000"], "HIT")
      try serve(site, ["/c"], "MISS")
      #expect(try site.readiness().status == 200)
      try eventually("the directory to be made again") {
        _ = try site.larder.fetch("/new/\(UInt32.random(in: 0...(.max)))")
        return !site.files.isEmpty
      }
      try eventually("to be well") { try !site.readiness().detail.contains("degraded") }
      // A purge is written down there as well, and a restart finds what is new.
      try serve(site, ["/d"], "MISS")
      _ = try site.file(with: "/d")
      #expect(try site.larder.fetch("/d", method: "PURGE").purged == 1)
      try site.restart(by: SIGKILL)
      try serve(site, ["/d"], "MISS")
    }
  }

  @Test(arguments: [
    ([WRITE], EIO), ([OPEN], EMFILE), ([OPEN, UNLINK, RENAME, MAKE_DIRECTORY], EACCES), ([RENAME], EIO),
    ([WRITE, OPEN, SYNC, RENAME, UNLINK, MAKE_DIRECTORY], EROFS), ([READ, READ_NO_WAIT], EIO),
    ([READ, READ_NO_WAIT, WRITE, OPEN, SYNC, RENAME, UNLINK], EIO),
  ])
  func `R4 calls that fail cost no client an answer, and when they succeed again so does the disk`(
    _ calls: [call], _ code: CInt
  ) throws {
    let failing = try FailingDisk()
    let origin = try storableOrigin()
    let old = (0..<6).map { "/old/\($0)?\($0 * 20_000)" }
    try withDisk(origin, environment: failing.environment) { site in
      try serve(site, old, "MISS")
      try site.awaitFiles(6)
      try site.restart()
      // Two are open, the others only on disk.
      try serve(site, Array(old.prefix(2)), "HIT")
      try failing.set(calls, code)
      try serve(site, old.suffix(4).map { $0 } + ["/new/1", "/new/2?100000"])
      try serve(site, old + ["/new/1", "/new/2?100000"])
      unsafe try site.awaitDegraded(String(cString: strerror(code)))
      let purge = try site.larder.fetch("/new/1", method: "PURGE")
      #expect(purge.status == 200)
      try serve(site, ["/new/1"], "MISS")
      #expect(complaints(site).count == 1, "\(complaints(site))")
      try failing.set(calls, 0)
      try site.awaitRecovery()
      try serve(site, ["/late"], "MISS")
      _ = try site.file(with: "/late")
      try site.restart()
      try serve(site, ["/late"], "HIT")
      try serve(site, old)
    }
  }

  @Test func `R4 an error while a large body is read ends the connection, and the next client gets it all`()
    throws
  {
    let failing = try FailingDisk()
    let origin = try storableOrigin()
    try withDisk(origin, environment: failing.environment) { site in
      try serve(site, ["/big?3000000"], "MISS")
      try site.awaitFiles(1)
      try site.restart()
      let client = try site.larder.client(receiveBuffer: 4096)
      try client.sendRequest("/big?3000000")
      var response = try client.readFinalHead()
      try failing.set([READ, READ_NO_WAIT], EIO)
      try client.readBody(of: &response)
      #expect(!response.isWhole && page("/big?3000000").starts(with: response.body))
      try serve(site, ["/big?3000000"])
      try failing.set([READ, READ_NO_WAIT], 0)
      try serve(site, ["/big?3000000", "/big?3000000"])
    }
  }

  @Test(arguments: [EOPNOTSUPP, EINVAL, ENOSYS])
  func `where the kernel cannot tell what is in its page cache, disk threads read`(_ code: CInt) throws {
    let failing = try FailingDisk()
    let origin = try storableOrigin()
    let targets = ["/a", "/b?30000", "/c?1000000"]
    try withDisk(origin, flags: ["--memory", "0"], environment: failing.environment) { site in
      try serve(site, targets, "MISS")
      try site.awaitFiles(3)
      try failing.set(READ_NO_WAIT, code)
      try serve(site, targets, "HIT")
      try site.restart()
      try serve(site, targets + targets, "HIT")
    }
  }

  @Test func `R4 a slow fsync holds up the purges that wait for it, and nobody else`() throws {
    let failing = try FailingDisk()
    let origin = try storableOrigin()
    try withDisk(origin, environment: failing.environment) { site in
      try serve(site, ["/a", "/b", "/c"])
      try site.awaitFiles(3)
      try failing.set(DELAY, 700)
      let larder = site.larder
      let isAsked = Gate("asked")
      let purge = Task {
        let client = try larder.client()
        try client.sendRequest("/a", method: "PURGE")
        isAsked.open()
        let begin = ContinuousClock.now
        return (try client.readResponse().purged, ContinuousClock.now - begin)
      }
      try isAsked.wait()
      let begin = ContinuousClock.now
      try serve(site, ["/b", "/c", "/new"])
      #expect(ContinuousClock.now - begin < .milliseconds(600))
      let (purged, took) = try purge.value()
      #expect(purged == 1 && took >= .milliseconds(600))
    }
  }

  @Test(arguments: [86_400, -86_400])
  func `R7 with the clock set by a day nothing is lost, and ages are right`(_ jump: Int) throws {
    let clock = try JumpingClock()
    let origin = try storableOrigin()
    try withDisk(origin, environment: clock.environment) { site in
      try serve(site, ["/a", "/b"], "MISS")
      try site.awaitFiles(2)
      try clock.jump(to: jump)
      try serve(site, ["/a"], "HIT")
      // The same boot: the monotonic clock tells the age.
      try site.restart()
      for target in ["/a", "/b"] {
        let hit = try site.larder.fetch(target)
        #expect(hit.cacheStatus == "HIT" && (0...30).contains(hit.age ?? -1), "\(hit)")
      }
      try clock.jump(to: 0)
      try site.restart(by: SIGKILL)
      try serve(site, ["/a", "/b"], "HIT")
    }
  }

  @Test func `with hardly a descriptor left everybody is served`() throws {
    let origin = try storableOrigin()
    let targets = (0..<150).map { "/f/\($0)" }
    let folder = try TestFolder()
    let flags = ["--disk", "\(folder.path)/store,size=64MiB", "--memory", "0"]
    for _ in 0..<2 {
      try withLarder(flags, backends: [origin.address], descriptors: 96) { larder in
        let client = try larder.client()
        for target in targets {
          let response = try client.fetch(target)
          #expect(response.status == 200 && response.body == page(target), "\(response)")
        }
        // Files that are open do not keep clients out.
        let others = try (0..<20).map { _ in try larder.client() }
        for other in others { #expect(try other.fetch("/f/0").body == page("/f/0")) }
      }
    }
  }
}
