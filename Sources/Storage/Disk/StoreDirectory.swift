import Bytes
import CLinux
import Glibc

/// The directory of a store, locked for this process as long as this lives.
///
/// In it: `store.lock`, `store.meta`, `tmp` with files under way, the index's and the purge log's own, and
/// one folder for each digit or two of the first level.
public final class StoreDirectory: Sendable {
  /// As it was given.
  public let path: String
  /// Open descriptor, for paths relative to it.
  public let descriptor: CInt
  public let meta: StoreMeta
  /// What `store.meta` said before; `nil`: the store is new, or its `store.meta` was lost. Other levels: the
  /// scan moves the files.
  public let previous: StoreMeta?
  public let system: DiskSystem
  private let lockFile: CInt

  public static let lockName = "store.lock"
  public static let metaName = "store.meta"
  public static let temporaryFolder = "tmp"

  /// Makes the directory where it is missing, locks it, and writes `store.meta` with the next epoch, which is
  /// on the device when this returns. Blocks.
  public static func open(
    _ path: String, levels: DiskLevels, keyVersion: UInt32, keyTemplate: UInt64,
    system: DiskSystem = DiskSystem()
  ) throws(StoreDirectoryError) -> StoreDirectory {
    let made = system.makeDirectory(path, in: AT_FDCWD)
    guard made == 0 || made == -EEXIST else { throw StoreDirectoryError(path, .cannot("make", -made)) }
    let (descriptor, lockFile) = try lock(path, flags: O_RDWR | O_CREAT, system)
    let before: StoreMeta?
    let meta: StoreMeta
    do throws(StoreDirectoryError) {
      before = try readMeta(path, descriptor, system)
      meta = StoreMeta(
        seed: before?.seed ?? randomSeed(), levels: levels, keyVersion: keyVersion, keyTemplate: keyTemplate,
        epoch: (before?.epoch ?? 0) + 1)
      try writeMeta(meta, path, descriptor, system)
    } catch {
      system.close(lockFile)
      system.close(descriptor)
      throw error
    }
    return StoreDirectory(path, descriptor, lockFile, meta, previous: before, system)
  }

  /// For looking at a store that no process serves: locks it and changes nothing.
  public static func examine(
    _ path: String, system: DiskSystem = DiskSystem()
  ) throws(StoreDirectoryError) -> StoreDirectory {
    let (descriptor, lockFile) = try lock(path, flags: O_RDWR, system)
    let found: StoreMeta?
    do throws(StoreDirectoryError) { found = try readMeta(path, descriptor, system) } catch {
      system.close(lockFile)
      system.close(descriptor)
      throw error
    }
    guard let found else {
      system.close(lockFile)
      system.close(descriptor)
      throw StoreDirectoryError(path, .noStore)
    }
    return StoreDirectory(path, descriptor, lockFile, found, previous: found, system)
  }

  private init(
    _ path: String, _ descriptor: CInt, _ lockFile: CInt, _ meta: StoreMeta, previous: StoreMeta?,
    _ system: DiskSystem
  ) {
    self.path = path
    self.descriptor = descriptor
    self.lockFile = lockFile
    self.meta = meta
    self.previous = previous
    self.system = system
  }

  /// Under its path lies the directory that was opened. False: it was removed, or something else put there.
  var isInPlace: Bool {
    var (found, opened) = (FileFacts(), FileFacts())
    let device = system.facts(path, in: AT_FDCWD, &found)
    return device == 0 && system.facts(descriptor, &opened) == 0
      && (found.isSymbolicLink || found.version.inode == opened.version.inode)
  }

  /// Makes and locks the directory as at the start, in the place of one that is gone; the descriptors stay
  /// what they are called. 0, or `-errno`. Blocks.
  func restore() -> CInt {
    let made = system.makeDirectory(path, in: AT_FDCWD)
    guard made == 0 || made == -EEXIST else { return made }
    let result: (descriptor: CInt, lockFile: CInt)
    do throws(StoreDirectoryError) {
      result = try Self.lock(path, flags: O_RDWR | O_CREAT, system)
    } catch {
      if case .cannot(_, let code) = error.reason { return -code }
      return -EBUSY
    }
    defer {
      system.close(result.lockFile)
      system.close(result.descriptor)
    }
    do throws(StoreDirectoryError) {
      // Files that another store has left there would have to be told from ours.
      if let found = try Self.readMeta(path, result.descriptor, system), found.seed != meta.seed {
        return -EBUSY
      }
      try Self.writeMeta(meta, path, result.descriptor, system)
    } catch {
      if case .cannot(_, let code) = error.reason { return -code }
      return -EBUSY
    }
    let replaced = system.replace(descriptor, by: result.descriptor)
    return replaced < 0 ? replaced : min(system.replace(lockFile, by: result.lockFile), 0)
  }

  /// Where it lies, without symbolic links; `path` if the system does not tell.
  public var location: String { StoreDirectory.location(of: descriptor) ?? path }

  /// - Parameter path: Of a directory, whoever uses it; `nil`: there is none.
  public static func location(of path: String, system: DiskSystem = DiskSystem()) -> String? {
    let descriptor = system.openDirectory(path)
    guard descriptor >= 0 else { return nil }
    defer { system.close(descriptor) }
    return location(of: descriptor)
  }

  private static func location(of descriptor: CInt) -> String? {
    var text = [UInt8](repeating: 0, count: Int(PATH_MAX))
    // SAFETY: the kernel writes at most `count` bytes.
    let count = unsafe text.withUnsafeMutableBytes {
      unsafe readlink("/proc/self/fd/\(descriptor)", $0.baseAddress!, $0.count)
    }
    return count > 0 ? String(decoding: text[..<count], as: UTF8.self) : nil
  }

  deinit {
    // A process that was begun a moment ago may still have the descriptor, and with it the lock.
    _ = system.unlock(lockFile)
    system.close(lockFile)
    system.close(descriptor)
  }

  private static func lock(
    _ path: String, flags: CInt, _ system: DiskSystem
  ) throws(StoreDirectoryError) -> (descriptor: CInt, lockFile: CInt) {
    let descriptor = system.openDirectory(path)
    guard descriptor >= 0 else { throw StoreDirectoryError(path, .cannot("open", -descriptor)) }
    let file = system.open(lockName, in: descriptor, flags: flags)
    guard file >= 0 else {
      system.close(descriptor)
      throw StoreDirectoryError(path, file == -ENOENT ? .noStore : .cannot("open \(lockName) in", -file))
    }
    let result = system.lock(file)
    guard result == 0 else {
      system.close(file)
      system.close(descriptor)
      throw StoreDirectoryError(path, result == -EWOULDBLOCK ? .isLocked : .cannot("lock", -result))
    }
    return (descriptor, file)
  }

  /// `nil`: there is none, or it is damaged, so that nothing can be told of the files.
  private static func readMeta(
    _ path: String, _ descriptor: CInt, _ system: DiskSystem
  ) throws(StoreDirectoryError) -> StoreMeta? {
    let file = system.open(metaName, in: descriptor, flags: O_RDONLY)
    if file == -ENOENT { return nil }
    guard file >= 0 else { throw StoreDirectoryError(path, .cannot("open \(metaName) in", -file)) }
    defer { system.close(file) }
    var bytes = [UInt8](repeating: 0, count: StoreMeta.byteCount + 1)
    // SAFETY: the kernel writes at most `bytes.count` bytes.
    let count = unsafe bytes.withUnsafeMutableBytes {
      unsafe system.readFully(file, into: $0.baseAddress!, count: $0.count, at: 0)
    }
    guard count >= 0 else { throw StoreDirectoryError(path, .cannot("read \(metaName) in", CInt(-count))) }
    do throws(StoredFileError) {
      return try StoreMeta.decode(bytes.span.extracting(0..<count))
    } catch {
      if case .unknownVersion(let version) = error {
        throw StoreDirectoryError(path, .unknownVersion(version))
      }
      return nil
    }
  }

  private static func writeMeta(
    _ meta: StoreMeta, _ path: String, _ descriptor: CInt, _ system: DiskSystem
  ) throws(StoreDirectoryError) {
    var bytes = OutputBuffer(capacity: StoreMeta.byteCount)
    meta.write(to: &bytes)
    let result = system.replace(metaName, in: descriptor, with: bytes.bytes)
    guard result == 0 else { throw StoreDirectoryError(path, .cannot("write \(metaName) in", -result)) }
  }

  private static func randomSeed() -> KeyHash {
    KeyHash(low: .random(in: 0...UInt64.max), high: .random(in: 0...UInt64.max))
  }
}

extension DiskSystem {
  static let replacementSuffix = ".new"

  /// Gives a file new bytes in one step: whoever looks, whenever and after any crash, finds the old ones or
  /// the new. 0, or `-errno`.
  public func replace(_ name: String, in directory: CInt, with bytes: Span<UInt8>) -> CInt {
    let temporary = name + Self.replacementSuffix
    let file = open(temporary, in: directory, flags: O_WRONLY | O_CREAT | O_TRUNC)
    guard file >= 0 else { return file }
    var result = writeFully(file, bytes, at: 0)
    if result == 0 { result = fsync(file) }
    close(file)
    if result == 0 { result = rename(temporary, to: name, in: directory) }
    if result == 0 { result = fsync(directory) }
    if result != 0 { _ = unlink(temporary, in: directory) }
    return result
  }
}

/// Why a store's directory cannot be used.
public struct StoreDirectoryError: Error, Equatable, Sendable {
  public let path: String
  public let reason: Reason

  public enum Reason: Equatable, Sendable {
    /// Another process has it.
    case isLocked
    /// It was made by another version of Larder.
    case unknownVersion(UInt16)
    /// There is no `store.meta` that can be read.
    case noStore
    /// What could not be done, and the `errno`.
    case cannot(String, CInt)
  }

  init(_ path: String, _ reason: Reason) {
    self.path = path
    self.reason = reason
  }

  public var message: String {
    switch reason {
    case .isLocked: "the cache directory \(path) is in use by another process"
    case .unknownVersion(let version):
      "the cache directory \(path) has format version \(version), this Larder knows \(StoreMeta.version)"
    case .noStore: "\(path) is no cache directory: it has no readable \(StoreDirectory.metaName)"
    // SAFETY: strerror's text is valid until the thread's next call of it; it is copied here.
    case .cannot(let what, let code): unsafe "cannot \(what) \(path): \(String(cString: strerror(code)))"
    }
  }
}
