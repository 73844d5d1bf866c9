public import Bytes
import Caching
import Glibc

/// One stored response as its file has it, to be told to people.
public struct StoredEntry: Equatable, Sendable {
  public var name: EntryName
  /// Relative to the store's directory.
  public var path: String
  public var key: [UInt8]
  /// Canonical URL (L7).
  public var url: [UInt8]
  /// Lower-case, sorted, joined with commas.
  public var varyNames: [UInt8]
  /// Lines `name: value`, each with a line feed.
  public var varyValues: [UInt8]
  /// Separated by spaces.
  public var tags: [UInt8]
  /// Status line and fields, each with CR LF.
  public var head: [UInt8]
  public var facts: EntryFile.Facts
  /// Seconds.
  public var age: UInt32
  /// Seconds of freshness; not positive: stale for so long.
  public var timeLeft: Int64
  /// Seconds since 1970: when it was asked for, when its head arrived, when its freshness ends.
  public var requested: Int64
  public var received: Int64
  public var expires: Int64
  /// When the file was made, in milliseconds since 1970.
  public var created: Int64
  public var bodyBytes: Int
  /// What the file takes in its file system, in bytes.
  public var diskBytes: Int
  /// Uses that the index knows of; `nil`: there is none that could know.
  public var hits: UInt32?
  /// Its body is in memory too.
  public var isInMemory = false
  public var check = Check.head

  /// What has been compared with its checksums.
  public enum Check: Equatable, Sendable {
    /// Names and head, which are sound; the body was not read.
    case head
    /// Every byte, and all are sound.
    case whole
    /// What is wrong with its table or body.
    case bad(StoredFileError)
    /// The body cannot be read: the `errno`.
    case unreadable(CInt)
  }
}

/// Reads entries from their files, for listing them. For threads that may wait for the disk.
public struct StoredEntryReader: ~Copyable {
  private let directory: StoreDirectory
  private let clock: StoreClock
  private let now: CacheSeconds
  private var reader: StoredFileReader
  /// Bytes of bodies that are still compared with their checksums.
  private var checkBytes: Int

  /// - Parameter checkBytes: Bodies that together are not longer are read and compared; 0: none.
  public init(_ directory: StoreDirectory, clock: StoreClock, now: CacheSeconds, checkBytes: Int = 0) {
    self.directory = directory
    self.clock = clock
    self.now = now
    self.checkBytes = checkBytes
    reader = StoredFileReader(
      store: directory.meta.identity, clock: clock, system: directory.system)
  }

  /// - Parameters:
  ///   - path: Relative to the store's directory.
  ///   - isWanted: Asked with the canonical URL.
  /// - Returns: `nil`: it holds no response, or one that is not wanted, or is not there any more.
  public mutating func read(
    _ path: String, _ name: EntryName, where isWanted: (Span<UInt8>) -> Bool
  ) throws(StoredFileFailure) -> StoredEntry? {
    let system = directory.system
    let file = system.open(path, in: directory.descriptor, flags: O_RDONLY | O_NOFOLLOW)
    if file == -ENOENT { return nil }
    guard file >= 0 else { throw .system(-file) }
    defer { system.close(file) }
    var facts = FileFacts()
    let result = system.facts(file, &facts)
    guard result == 0 else { throw .system(-result) }
    guard case .entry(let decoded) = try reader.contents(of: file, fileBytes: facts.size, now: now) else {
      return nil
    }
    guard decoded.name(in: reader.bytes) == name else { throw .unusable(.damaged(.name)) }
    guard isWanted(reader.bytes.extracting(decoded.url)) else { return nil }
    var entry = describe(decoded, facts, path, name)
    if checkBytes > 0, decoded.bodyLength <= checkBytes {
      checkBytes -= decoded.bodyLength
      entry.check = compare(decoded, file)
    }
    return entry
  }

  private func describe(
    _ decoded: DecodedEntry, _ facts: FileFacts, _ path: String, _ name: EntryName
  ) -> StoredEntry {
    func bytes(_ range: ByteRange) -> [UInt8] { reader.bytes.extracting(range).array }
    let life = decoded.facts.freshness
    let received = clock.wall(life.responseTime)
    return StoredEntry(
      name: name, path: path, key: bytes(decoded.key), url: bytes(decoded.url),
      varyNames: bytes(decoded.varyNames), varyValues: bytes(decoded.varyValues), tags: bytes(decoded.tags),
      head: bytes(decoded.head), facts: decoded.facts, age: life.age(at: now),
      timeLeft: life.timeLeft(at: now), requested: clock.wall(life.requestTime), received: received,
      expires: EntryFile.expires(life, responseWall: received), created: decoded.created,
      bodyBytes: decoded.bodyLength, diskBytes: facts.blocks * 512)
  }

  private mutating func compare(_ decoded: DecodedEntry, _ file: CInt) -> StoredEntry.Check {
    do throws(StoredFileFailure) {
      let table = try reader.table(of: decoded, in: file)
      for i in 0..<table.blockCount where table.isPresent(i) {
        try reader.readBlock(i, of: decoded, table, in: file)
      }
      return .whole
    } catch {
      switch error {
      case .unusable(let reason): return .bad(reason)
      case .system(let code): return .unreadable(code)
      }
    }
  }
}

/// Some of the stored responses, and where to go on.
public struct EntryPage: Sendable {
  public var entries: [StoredEntry] = []
  /// For the next page; `nil`: that was all.
  public var next: UInt32?
  /// Files that cannot be read, or are bad.
  public var unusable = 0
  /// Every file of the store is known: the start-up scan is over.
  public var isComplete = true

  public init() {}

  /// Most entries of one page.
  public static let limit = 256
  /// Bytes of keys, URLs and heads after which a page ends.
  public static let byteLimit = 1 << 20
  /// Bytes of bodies that are compared for one page.
  public static let checkBytes = 64 << 20

  mutating func add(_ entry: StoredEntry?) { if let entry { entries.append(entry) } }
}

/// Lists the responses of a store that no process serves, file by file.
public struct StoreListing {
  private let directory: StoreDirectory
  private let clock: StoreClock
  private let now: CacheSeconds

  public init(_ directory: StoreDirectory) {
    self.directory = directory
    (clock, now) = StoreClock.ofWall(directory.system)
  }

  /// - Parameters:
  ///   - checkBytes: As for `StoredEntryReader`.
  ///   - show: Called with pages, the last of which may be empty.
  public func run(
    where isWanted: (Span<UInt8>) -> Bool, checkBytes: Int = 0, show: (EntryPage) -> Void
  ) {
    var reader = StoredEntryReader(directory, clock: clock, now: now, checkBytes: checkBytes)
    var page = EntryPage()
    StoreWalk(directory.descriptor, system: directory.system).run { item in
      switch item {
      case .temporary: return true
      case .unreadable: page.unusable += 1
      case .file(let path, let name):
        do throws(StoredFileFailure) {
          page.add(try reader.read(path, name, where: isWanted))
        } catch {
          page.unusable += 1
        }
      }
      if page.entries.count == EntryPage.limit {
        show(page)
        page = EntryPage()
      }
      return true
    }
    show(page)
  }
}
