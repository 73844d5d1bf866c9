import Bytes
import Glibc

/// What reading a whole file has shown.
public enum FileVerdict: Equatable, Sendable {
  /// Every byte that can be served is as it was written. Holds as long as the file has this version.
  case sound(FileVersion)
  case unusable(StoredFileError)
  /// The `errno`; the file may be good.
  case unreadable(CInt)
  /// It was removed, or replaced twice while it was read.
  case gone
  /// `progress` said so.
  case interrupted
}

/// Reads files of the store wholly, and says whether they are what was written: for the scrub and for
/// `larder cache verify`. For disk threads; may run beside a server that reads, refreshes and removes.
public struct FileVerifier: ~Copyable {
  private let system: DiskSystem
  /// Of the store's directory.
  private let descriptor: CInt
  private var reader: StoredFileReader

  /// - Parameter store: `StoreMeta.identity`.
  public init(_ descriptor: CInt, store: UInt64, clock: StoreClock, system: DiskSystem) {
    self.descriptor = descriptor
    self.system = system
    reader = StoredFileReader(store: store, clock: clock, system: system)
  }

  /// - Parameters:
  ///   - path: Relative to the store's directory.
  ///   - name: What the file must be called by what is in it.
  ///   - progress: Called with the number of bytes after each read of at most 64 KiB of body: may wait, to
  ///     keep to a pace; false ends it.
  public mutating func verify(
    _ path: String, name: EntryName, progress: (Int) -> Bool = { _ in true }
  ) -> FileVerdict {
    let file = system.open(path, in: descriptor, flags: O_RDONLY | O_NOFOLLOW)
    guard file >= 0 else { return file == -ENOENT ? .gone : .unreadable(-file) }
    defer { system.close(file) }
    var before = FileFacts()
    for _ in 0..<2 {
      let result = system.facts(file, &before)
      guard result == 0 else { return .unreadable(-result) }
      let verdict = verify(file, before, name, progress)
      // A head that a 304 brings is written while we read: what looks like damage is looked at again.
      guard case .unusable = verdict else { return verdict }
      var after = FileFacts()
      guard system.facts(file, &after) == 0, after.version != before.version else { return verdict }
    }
    return .gone
  }

  private mutating func verify(
    _ file: CInt, _ facts: FileFacts, _ name: EntryName, _ progress: (Int) -> Bool
  ) -> FileVerdict {
    do throws(StoredFileFailure) {
      switch try reader.contents(of: file, fileBytes: facts.size, now: .max) {
      case .varyRecord(let record):
        guard EntryName(key: record.key.span) == name else { return .unusable(.damaged(.name)) }
      case .entry(let entry):
        guard entry.name(in: reader.bytes) == name else { return .unusable(.damaged(.name)) }
        let table = try reader.table(of: entry, in: file)
        for i in 0..<table.blockCount where table.isPresent(i) {
          try reader.readBlock(i, of: entry, table, in: file)
          guard progress(table.range(i).count) else { return .interrupted }
        }
      }
    } catch {
      switch error {
      case .unusable(let reason): return .unusable(reason)
      case .system(let code): return .unreadable(code)
      }
    }
    return .sound(facts.version)
  }
}

extension DecodedEntry {
  /// What the file must be called.
  ///
  /// - Parameter prefix: The bytes that this was read from.
  public func name(in prefix: Span<UInt8>) -> EntryName {
    EntryName(
      key: prefix.extracting(key.lower..<key.upper),
      varyNames: prefix.extracting(varyNames.lower..<varyNames.upper), selecting: selecting)
  }
}
