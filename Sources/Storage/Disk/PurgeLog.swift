import Bytes
import CLinux
import Glibc
import Synchronization

/// Purges made durable before they are answered (L22): the file `purge.log`. docs/store-format.md has every
/// byte.
///
/// Any thread appends; one thread, which its owner starts with `run`, writes what has come meanwhile and
/// makes it durable with one `fdatasync` for all of it. A purge is in force in memory before it comes here; a
/// failure says that it may not outlive a crash yet. It is then written again with the next one, or by
/// `retry`.
public final class PurgeLog: Sendable {
  /// 0, or `-errno`. Called on the log's thread; must not block.
  public typealias Completion = @Sendable (CInt) -> Void

  public static let name = PurgeLogFile.name

  private let queue = Guarded(Queue())
  private let file: Guarded<PurgeLogFile>
  private let wake = WakeWord()

  private struct Queue {
    var waiting: [(record: PurgeRecord, completion: Completion)] = []
    var needless: UInt64 = 0
    var isRetrying = false
    var isClosing = false
    var statistics = Statistics()
  }

  public struct Statistics: Equatable, Sendable {
    /// Records that the log holds.
    public var records = 0
    /// Times that the device was asked to make records durable.
    public var syncs = 0
    /// `errno` of the last attempt; 0: all records are durable.
    public var failure: CInt = 0
  }

  /// What the log said at the start.
  public struct Found: Sendable {
    public var records: [PurgeRecord] = []
    /// Records that could not be read, with readable ones behind them: purges that may be lost. What a crash
    /// has left unfinished at the end is not among them.
    public var damaged = 0
    /// `errno` of writing the log anew; 0: it can be written.
    public var failure: CInt = 0
  }

  public enum Failure: Error, Equatable, Sendable {
    /// An `errno`. Nothing from the disk may be served: it may have been purged.
    case cannotRead(CInt)
    /// Likewise.
    case unknownVersion(UInt16)

    public var message: String {
      switch self {
      // SAFETY: strerror's text is valid until the thread's next call of it; it is copied here.
      case .cannotRead(let code): unsafe "cannot read it: \(String(cString: strerror(code)))"
      case .unknownVersion(let version): "its format version \(version) is not known"
      }
    }
  }

  private init(_ file: consuming sending PurgeLogFile) { self.file = Guarded(file) }

  /// Reads a store's log, or makes it. A torn end is cut off. Blocks.
  ///
  /// - Parameter directory: Descriptor of the store's directory, open as long as the log is.
  public static func open(in directory: CInt, system: DiskSystem, meta: StoreMeta) throws(Failure)
    -> (log: PurgeLog, found: Found)
  {
    let contents = try read(in: directory, system, identity: meta.identity)
    var file = PurgeLogFile(
      directory: directory, system: system, identity: meta.identity, records: contents?.records ?? [])
    let result = file.begin(at: contents?.end)
    var found = Found(failure: -result)
    found.records = contents?.records ?? []
    found.damaged = contents?.damaged ?? 0
    let log = PurgeLog(file)
    log.queue.withLock { $0.statistics.failure = -result }
    return (log, found)
  }

  private static func read(in directory: CInt, _ system: DiskSystem, identity: UInt64) throws(Failure)
    -> PurgeLogContents?
  {
    let file = system.open(name, in: directory, flags: O_RDONLY)
    if file == -ENOENT { return nil }
    guard file >= 0 else { throw .cannotRead(-file) }
    defer { system.close(file) }
    var facts = FileFacts()
    let result = system.facts(file, &facts)
    guard result == 0 else { throw .cannotRead(-result) }
    var bytes = [UInt8](repeating: 0, count: facts.size)
    // SAFETY: the kernel writes at most `bytes.count` bytes.
    let count = unsafe bytes.withUnsafeMutableBytes { memory -> Int in
      guard let base = memory.baseAddress else { return 0 }
      return unsafe system.readFully(file, into: base, count: memory.count, at: 0)
    }
    guard count >= 0 else { throw .cannotRead(CInt(-count)) }
    do throws(StoredFileError) {
      return try PurgeLogContents(bytes.span.extracting(0..<count), identity: identity)
    } catch .unknownVersion(let version) {
      throw .unknownVersion(version)
    } catch {
      return nil
    }
  }

  /// Adds a purge, which is in force already. May be called on any thread, and does not wait.
  public func append(_ record: PurgeRecord, completion: @escaping Completion) {
    let isRefused = queue.withLock { queue in
      if !queue.isClosing { queue.waiting.append((record, completion)) }
      return queue.isClosing
    }
    if isRefused { completion(-ECANCELED) } else { wake.post() }
  }

  /// Nothing that was born before `sequence` is on the disk any more that an earlier purge concerns, and the
  /// removals are durable: the purges up to it are needed no more.
  public func forget(through sequence: UInt64) {
    queue.withLock { $0.needless = max($0.needless, sequence) }
  }

  /// Tries again to write what could not be written; nothing to do otherwise.
  public func retry() {
    queue.withLock { $0.isRetrying = true }
    wake.post()
  }

  /// The directory was made again, without the log: writes all of it anew.
  func rewrite() {
    file.withLock { $0.closeFile() }
    queue.withLock {
      $0.statistics.failure = ENOENT
      $0.isRetrying = true
    }
    wake.post()
  }

  /// Lets `run` end when all that has come is written.
  public func close() {
    queue.withLock { $0.isClosing = true }
    wake.post()
  }

  public var statistics: Statistics { queue.withLock { $0.statistics } }

  /// The log's thread: returns after `close`.
  public func run() {
    while true {
      let seen = wake.value
      let (batch, needless, isDue, isClosing) = queue.withLock { queue in
        let isDue = queue.isRetrying && queue.statistics.failure != 0 || !queue.waiting.isEmpty
        let taken = (queue.waiting, queue.needless, isDue, queue.isClosing)
        queue.waiting = []
        queue.isRetrying = false
        return taken
      }
      if isDue {
        write(batch, needless: needless)
      } else if isClosing {
        return
      } else {
        wake.wait(while: seen)
      }
    }
  }

  private func write(_ batch: [(record: PurgeRecord, completion: Completion)], needless: UInt64) {
    let (result, statistics) = file.withLock { file in
      let result = file.append(batch.map(\.record), needless: needless)
      return (result, Statistics(records: file.records.count, syncs: file.syncs, failure: -result))
    }
    queue.withLock { $0.statistics = statistics }
    for (_, completion) in batch { completion(result) }
  }
}

/// A number that threads wait for to change.
@safe private struct WakeWord: ~Copyable, @unchecked Sendable {
  private let word: UnsafeMutablePointer<Atomic<UInt32>>

  init() {
    unsafe word = .allocate(capacity: 1)
    unsafe word.initialize(to: Atomic(0))
  }

  deinit {
    unsafe word.deinitialize(count: 1)
    unsafe word.deallocate()
  }

  // SAFETY (of this type): the word lives as long as `self`, which every call borrows; an atomic of 32 bits
  // is 32 bits.

  var value: UInt32 { unsafe word.pointee.load(ordering: .acquiring) }

  func post() {
    unsafe word.pointee.wrappingAdd(1, ordering: .releasing)
    unsafe linux_futex_wake(UnsafeRawPointer(word).assumingMemoryBound(to: UInt32.self))
  }

  func wait(while seen: UInt32) {
    unsafe linux_futex_wait(UnsafeRawPointer(word).assumingMemoryBound(to: UInt32.self), seen)
  }
}
