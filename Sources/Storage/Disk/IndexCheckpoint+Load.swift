public import Bytes
import Glibc

extension IndexCheckpoint {
  /// Reads the header of a store's checkpoint.
  public static func find(in directory: CInt, system: DiskSystem, meta: StoreMeta) throws(Failure)
    -> IndexCheckpoint
  {
    let file = system.open(name, in: directory, flags: O_RDONLY)
    guard file >= 0 else { throw file == -ENOENT ? .missing : .cannotRead(-file) }
    defer { system.close(file) }
    var facts = FileFacts()
    let result = system.facts(file, &facts)
    guard result == 0 else { throw .cannotRead(-result) }
    guard facts.size >= pageBytes else { throw .unusable(.damaged(.size)) }
    let header: Header
    do throws(StoredFileError) {
      let page = try readPages(file, system, first: 0, count: 1)
      header = try Header(page.span)
    } catch { throw .unusable(error) }
    guard facts.size == (1 + header.pageCount) * pageBytes else { throw .unusable(.damaged(.size)) }
    // Numbers of a later start than this would be above the new ones (L19).
    guard header.identity == meta.identity, header.epoch <= meta.epoch else { throw .unusable(.foreign) }
    return IndexCheckpoint(header: header)
  }

  /// Enters the records, the most recently used first. Blocks, in steps.
  ///
  /// Only time during which a process ran counts towards `inactive`: an entry is as old now as it was when
  /// the checkpoint was written. So neither a long stop nor a clock that was set empties the store.
  ///
  /// - Parameter fence: Asked for each under the index's lock; what is fenced stays out, and the scan finds
  ///   its file.
  public func restore(
    into index: DiskIndex, in directory: CInt, system: DiskSystem, clock: StoreClock, now: CacheSeconds,
    fence: (DiskEntry) -> FenceVerdict
  ) -> RestoredCheckpoint {
    var restored = RestoredCheckpoint()
    let file = system.open(IndexCheckpoint.name, in: directory, flags: O_RDONLY)
    guard file >= 0 else {
      restored.failure = -file
      return restored
    }
    defer { system.close(file) }
    let written = clock.cacheSeconds(
      wall: header.wall, monotonic: header.monotonic, boot: header.boot, now: now)
    var end = 1 + header.pageCount
    while end > 1 {
      let first = max(1, end - IndexCheckpoint.pagesPerCall)
      if let pages = try? IndexCheckpoint.readPages(file, system, first: first, count: end - first) {
        for number in (first..<end).reversed() {
          guard let entries = entries(pages.span, page: number, from: first) else {
            restored.damagedPages += 1
            continue
          }
          restored.records += entries.count
          index.restore(entries.map { shifted($0, written: written, now: now) }, fence: fence)
        }
      } else {
        restored.damagedPages += end - first
      }
      end = first
    }
    return restored
  }

  private func entries(_ pages: Span<UInt8>, page number: Int, from first: Int) -> [DiskEntry]? {
    let start = (number - first) * IndexCheckpoint.pageBytes
    let page = pages.extracting(start..<start + IndexCheckpoint.pageBytes)
    return CheckpointPage.entries(page, number: number, count: recordCount(number))
  }

  private func recordCount(_ page: Int) -> Int {
    page < header.pageCount
      ? IndexCheckpoint.recordsPerPage : header.count - (page - 1) * IndexCheckpoint.recordsPerPage
  }

  private func shifted(_ entry: DiskEntry, written: CacheSeconds, now: CacheSeconds) -> DiskEntry {
    var entry = entry
    entry.lastUse = now - max(0, header.time - entry.lastUse)
    if entry.usefulUntil < CacheSeconds(UInt32.max) { entry.usefulUntil += written - header.time }
    return entry
  }

  private static func readPages(_ file: CInt, _ system: DiskSystem, first: Int, count: Int)
    throws(StoredFileError) -> [UInt8]
  {
    var bytes = [UInt8](repeating: 0, count: count * pageBytes)
    // SAFETY: the kernel writes at most `bytes.count` bytes.
    let result = unsafe bytes.withUnsafeMutableBytes {
      unsafe system.readFully(file, into: $0.baseAddress!, count: $0.count, at: first * pageBytes)
    }
    guard result == bytes.count else { throw .damaged(.size) }
    return bytes
  }
}
