import Bytes
import Caching
import Glibc
import Synchronization
import TestSupport

@testable import Storage

/// A file system that outlives the processes that use it.
enum Medium: String, CaseIterable, Sendable {
  case real, simulated
}

/// Where stores live one after the other: a folder, or a simulated disk.
final class Ground {
  let medium: Medium
  let disk: DiskSystem
  let path: String
  private let folder: TestFolder?

  init(_ medium: Medium) throws {
    self.medium = medium
    switch medium {
    case .real:
      let folder = try TestFolder()
      (disk, path, self.folder) = (DiskSystem(), folder.path + "/store", folder)
    case .simulated: (disk, path, folder) = (SimulatedDisk(), SimulatedDisk.root, nil)
    }
  }

  /// A simulated disk as it is now, for another history.
  init(copying other: Ground) {
    (medium, path, folder) = (.simulated, other.path, nil)
    disk = SimulatedDisk(copying: other.simulated)
  }

  var simulated: SimulatedDisk { disk as! SimulatedDisk }
}

/// A response as it would be served.
struct Found: Equatable {
  var body: [UInt8]
  var head: String
  var isStale = false
  var isInFile: Bool

  init(body: [UInt8], _ head: String, _ isStale: Bool, isInFile: Bool) {
    (self.body, self.head, self.isStale, self.isInFile) = (body, head, isStale, isInFile)
  }
}

/// Time that stands until it is told to go on.
final class SteppedClock: DiskClock {
  private let seconds = Atomic<Int64>(1_800_000_000)

  func advance(_ more: Int64) { seconds.wrappingAdd(more, ordering: .relaxed) }

  var now: CacheSeconds { seconds.load(ordering: .relaxed) }
  var storeClock: StoreClock { StoreClock(cacheOffset: 0, wallOffset: 0, boot: 7) }
  var microseconds: Int64 { now * 1_000_000 }
}

/// A process's memory and disk tier, with the words that tests want.
final class Warehouse {
  let system: FaultyDisk
  let memory: MemoryStore
  let disk: DiskStore
  let clock = SteppedClock()
  /// What was said of faults.
  let reports = Watched<[String]>([])

  /// - Parameter system: With faults in it.
  init(
    _ ground: Ground, size: Int = 1 << 30, on system: FaultyDisk? = nil,
    adjusting adjust: (inout DiskOptions) -> Void = { _ in }
  ) throws {
    let system = system ?? FaultyDisk(ground.disk)
    self.system = system
    let directory = try StoreDirectory.open(
      ground.path, levels: .default, keyVersion: 1, keyTemplate: 0, system: system)
    memory = MemoryStore(
      budget: 4 << 20, seed: HashSeed(directory.meta.seed.low, directory.meta.seed.high), workerCount: 1,
      options: StoreOptions(maxObject: 1 << 20), wakers: [RecordingWaker()],
      firstSequence: directory.meta.firstSequence)
    var options = DiskOptions(limits: DiskLimits(size: size), memoryObject: 1 << 20)
    options.threads = 2
    options.tidyMicroseconds = 1000
    adjust(&options)
    let reports = reports
    disk = try DiskStore(directory, options: options, memory: memory, clock: clock) { line in
      reports.update { $0.append(line) }
    }
    disk.start()
  }

  /// The scan is over and nothing is to be done.
  func settle() {
    awaitScan()
    disk.threads.waitUntilIdle()
  }

  /// A scan that was hindered comes again later.
  private func awaitScan() {
    var polls = 0
    while !disk.isComplete {
      polls += 1
      if polls % 50 == 0 { clock.advance(1) }
      usleep(200)
    }
  }

  /// In peace.
  func stop() {
    disk.stop()
    system.end()
  }

  /// Nothing that it does from now on has any effect.
  func kill() {
    system.kill()
    disk.stop()
    system.end()
  }

  private func hash(_ text: String) -> KeyHash { memory.seed.hash(Array(text.utf8).span) }

  private func selecting(_ fields: [String: String]) -> (Span<UInt8>) -> KeyHash {
    { names in
      let text = String(decoding: names.array, as: UTF8.self)
      let values = text.split(separator: ",").map { "\($0)=\(fields[String($0)] ?? "-")" }
      return self.hash(values.joined(separator: ";"))
    }
  }

  private func start(_ key: String, replacing: UInt64 = 0, _ fields: [String: String] = [:]) -> Fill? {
    let bytes = Array(key.utf8)
    let outcome = memory.join(
      hash: hash(key), key: bytes.span, urlHash: hash(key), url: bytes.span, now: 0, cacheNow: clock.now,
      collapseTimeout: 5000, worker: 0, replacing: replacing, mayStart: true, selecting: selecting(fields))
    return outcome.started
  }

  /// Fetches and stores; the key is its URL too. False: it was not stored in memory.
  @discardableResult func store(
    _ key: String, _ body: [UInt8], vary: String = "", _ fields: [String: String] = [:]
  ) -> Bool {
    // Before that, there may be no room.
    awaitScan()
    let known = born(key, fields)
    guard let fill = start(key, replacing: known, fields) else { return false }
    let names = Array(vary.utf8)
    let selected = selecting(fields)(names.span)
    memory.headArrived(fill, vary: names, selecting: selected)
    fill.publishHead(
      FillHead(contentLength: body.count, isJoinable: true, varyNames: names, selecting: selected))
    guard fill.append(body.span) == body.count else { return false }
    let head = Array("HTTP/1.1 200 OK\r\nETag: \"a\"\r\n".utf8)
    let name = EntryName(key: Array(key.utf8).span, varyNames: names.span, selecting: selected)
    let outcome = memory.commit(
      fill, head: head.span, status: 200, freshness: freshness, etag: ByteRange(23, 26), lastModified: nil,
      name: name
    ) { entry in
      disk.keep(entry, hash: fill.hash, varyNames: names, selecting: selected, varyValues: [])
    }
    fill.complete()
    memory.end(fill)
    return outcome == .stored
  }

  private var freshness: Freshness {
    Freshness(requestTime: clock.now, responseTime: clock.now, lifetime: 600, source: .maxAge)
  }

  /// A 304 brings another head. False: there is nothing that it could renew.
  @discardableResult func renew(_ key: String, head text: String) -> Bool {
    guard let old = entry(key), let fill = start(key, replacing: old.born) else { return false }
    let head = Array(text.utf8)
    let none: [UInt8] = []
    let unselected = selecting([:])(none.span)
    defer {
      fill.stopKeeping()
      fill.fail(0)
      memory.end(fill)
    }
    guard
      let renewed = memory.refresh(
        fill, old: old, head: head.span, freshness: freshness, etag: nil, lastModified: nil)
    else { return false }
    disk.renew(
      renewed, hash: fill.hash, varyNames: [], selecting: unselected, varyValues: [])
    return true
  }

  private func entry(_ key: String, _ fields: [String: String] = [:]) -> EntryHandle? {
    let bytes = Array(key.utf8)
    switch memory.lookUp(hash: hash(key), key: bytes.span, now: 0, selecting: selecting(fields)) {
    case .entry(let handle): return handle
    case .mark: return nil
    case .nothing: return nil
    }
  }

  /// As a worker does: memory, then the disk, then memory again.
  ///
  /// - Parameter meanwhile: Done when the first bytes of a body in a file have been read.
  func find(_ key: String, _ fields: [String: String] = [:], meanwhile: () -> Void = {}) -> Found? {
    if let known = readStored(key, fields, meanwhile) { return known }
    let bytes = Array(key.utf8)
    switch open(EntryName(key: bytes.span), key) {
    case .installed: return readStored(key, fields, meanwhile)
    case .varies(let lists):
      for names in lists {
        let name = EntryName(key: bytes.span, varyNames: names.span, selecting: selecting(fields)(names.span))
        if case .installed = open(name, key) { return readStored(key, fields, meanwhile) }
      }
      return nil
    default: return nil
    }
  }

  private func born(_ key: String, _ fields: [String: String]) -> UInt64 {
    if let entry = entry(key, fields) { entry.born } else { 0 }
  }

  private func readStored(_ key: String, _ fields: [String: String], _ meanwhile: () -> Void) -> Found? {
    if let entry = entry(key, fields) { read(entry, meanwhile) } else { nil }
  }

  private func open(_ name: EntryName, _ key: String) -> DiskAnswer.Kind {
    guard disk.mayHave(name) else { return .nothing }
    return disk.load(DiskRequest(name: name, key: Array(key.utf8), hash: hash(key)))
  }

  /// `nil`: what could be served is cut short, visibly.
  private func read(_ entry: consuming EntryHandle, _ meanwhile: () -> Void) -> Found? {
    let head = String(decoding: entry.head.array, as: UTF8.self)
    let isStale = entry.isSoftlyPurged || entry.isMarked
    guard let file = entry.file else { return Found(body: entry.wholeBody, head, isStale, isInFile: false) }
    var body = [UInt8](repeating: 0, count: file.bodyLength)
    var done = 0
    while done < body.count {
      let count = file.comparedBytes(at: done, max: body.count - done)
      if count == 0 {
        let isReady = Gate("prepared")
        disk.prepare(file, from: done) { isReady.open() }
        guard (try? isReady.wait()) != nil else { return nil }
        if file.comparedBytes(at: done, max: 1) == 0 { return nil }
        continue
      }
      let got = unsafe body.withUnsafeMutableBytes {
        unsafe file.readNow(
          UnsafeMutableRawBufferPointer(rebasing: $0[done..<done + count]), at: done, isPrepared: true)
      }
      if got <= 0 { return nil }
      if done == 0 { meanwhile() }
      done += got
    }
    return Found(body: body, head, isStale, isInFile: true)
  }

  func promote(_ key: String) {
    if let entry = entry(key) { disk.promote(entry) }
  }

  /// Whether it will outlive a crash.
  @discardableResult func purge(_ key: String, soft: Bool = false) -> Bool {
    let answer = Watched<Bool?>(nil)
    _ = disk.purge(url: Array(key.utf8).span, soft: soft) { isDurable in answer.update { $0 = isDurable } }
    return (try? answer.wait(for: "the purge of \(key)") { $0 }) ?? false
  }
}
