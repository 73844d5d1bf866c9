public import Bytes
import Glibc

extension IndexCheckpoint {
  /// Writes down the whole index, in steps, while it is used; the file before it stays until this one is on
  /// the device. Blocks. One at a time.
  ///
  /// - Parameter directory: Descriptor of the store's directory.
  /// - Returns: 0, or `-errno`.
  public static func write(
    _ index: DiskIndex, in directory: CInt, system: DiskSystem, meta: StoreMeta, clock: StoreClock,
    now: CacheSeconds
  ) -> CInt {
    let temporary = name + ".new"
    let file = system.open(temporary, in: directory, flags: O_WRONLY | O_CREAT | O_TRUNC)
    guard file >= 0 else { return file }
    let header = Header(
      identity: meta.identity, epoch: meta.epoch, time: now, wall: clock.wall(now),
      monotonic: clock.monotonic(now), boot: clock.boot)
    var writer = CheckpointWriter(file: file, system: system, header: header)
    index.beginCheckpoint()
    while writer.result == 0 {
      let entries = index.checkpointStep()
      if entries.isEmpty { break }
      writer.add(entries)
    }
    var result = writer.finish()
    if result == 0 { result = system.fdatasync(file) }
    system.close(file)
    if result == 0 { result = system.rename(temporary, to: name, in: directory) }
    if result == 0 { result = system.fsync(directory) }
    if result != 0 { _ = system.unlink(temporary, in: directory) }
    return result
  }
}

private struct CheckpointWriter: ~Copyable {
  let file: CInt
  let system: DiskSystem
  var header: IndexCheckpoint.Header
  private(set) var result: CInt = 0
  private var waiting: [DiskEntry] = []
  private var pages = OutputBuffer(capacity: IndexCheckpoint.pagesPerCall * IndexCheckpoint.pageBytes)
  private var writtenPages = 0

  init(file: CInt, system: DiskSystem, header: IndexCheckpoint.Header) {
    self.file = file
    self.system = system
    self.header = header
  }

  mutating func add(_ entries: [DiskEntry]) {
    waiting.append(contentsOf: entries)
    header.count += entries.count
    for entry in entries { header.bytes += entry.bytes }
    while waiting.count >= IndexCheckpoint.recordsPerPage { addPage(IndexCheckpoint.recordsPerPage) }
  }

  private mutating func addPage(_ count: Int) {
    let number = 1 + writtenPages + pages.count / IndexCheckpoint.pageBytes
    CheckpointPage.append(waiting[..<count], number: number, to: &pages)
    waiting.removeFirst(count)
    if pages.count == IndexCheckpoint.pagesPerCall * IndexCheckpoint.pageBytes { flush() }
  }

  private mutating func flush() {
    guard result == 0 else { return }
    let offset = (1 + writtenPages) * IndexCheckpoint.pageBytes
    result = system.writeFully(file, pages.bytes, at: offset)
    writtenPages += pages.count / IndexCheckpoint.pageBytes
    pages.removeAll()
  }

  /// The header comes last: it has the count.
  mutating func finish() -> CInt {
    if !waiting.isEmpty { addPage(waiting.count) }
    flush()
    header.write(to: &pages)
    guard result == 0 else { return result }
    return system.writeFully(file, pages.bytes, at: 0)
  }
}
