import Bytes
import Glibc

@testable import Storage

/// Files of one directory in memory, whose calls are counted and can be made to fail, and whose unsynced
/// bytes a crash can take away. The directory is descriptor 3.
final class MemoryDisk: DiskSystem, @unchecked Sendable {
  static let directory: CInt = 3

  struct State {
    var files: [String: [UInt8]] = [:]
    var open: [CInt: String] = [:]
    var next: CInt = 10
    var syncs = 0
    /// With what the next calls of each kind end; as long as it is not 0.
    var writeFailure: CInt = 0
    var syncFailure: CInt = 0
    var openFailure: CInt = 0
  }

  private let state = Guarded(State())
  /// Called in each `fdatasync`, without a lock.
  nonisolated(unsafe) var duringSync: @Sendable () -> Void = {}

  func change<Result>(_ body: (inout State) -> Result) -> Result { state.withLock(body) }

  subscript(_ name: String) -> [UInt8]? {
    get { change { $0.files[name] } }
    set { change { $0.files[name] = newValue } }
  }

  override func open(_ path: String, in directory: CInt, flags: CInt, mode: mode_t = 0o600) -> CInt {
    change { state in
      if state.openFailure != 0, flags & O_ACCMODE != O_RDONLY { return -state.openFailure }
      if flags & O_CREAT == 0, state.files[path] == nil { return -ENOENT }
      if flags & O_TRUNC != 0 || state.files[path] == nil { state.files[path] = [] }
      state.next += 1
      state.open[state.next] = path
      return state.next
    }
  }

  override func close(_ file: CInt) { change { _ = $0.open.removeValue(forKey: file) } }

  override func read(_ file: CInt, into memory: UnsafeMutableRawPointer, count: Int, at offset: Int) -> Int {
    change { state in
      guard let name = state.open[file], let bytes = state.files[name] else { return Int(-EBADF) }
      let part = bytes.dropFirst(offset).prefix(count)
      unsafe memory.copyMemory(from: Array(part), byteCount: part.count)
      return part.count
    }
  }

  override func write(_ file: CInt, _ memory: UnsafeRawPointer, count: Int, at offset: Int) -> Int {
    change { state in
      if state.writeFailure != 0 { return Int(-state.writeFailure) }
      guard let name = state.open[file] else { return Int(-EBADF) }
      var bytes = state.files[name] ?? []
      if bytes.count < offset + count {
        bytes.append(contentsOf: repeatElement(0, count: offset + count - bytes.count))
      }
      let source = unsafe UnsafeRawBufferPointer(start: memory, count: count)
      for i in 0..<count { bytes[offset + i] = unsafe source[i] }
      state.files[name] = bytes
      return count
    }
  }

  override func rename(_ path: String, to new: String, in directory: CInt) -> CInt {
    change { state in
      guard let bytes = state.files.removeValue(forKey: path) else { return -ENOENT }
      state.files[new] = bytes
      return 0
    }
  }

  override func unlink(_ path: String, in directory: CInt) -> CInt {
    change { $0.files.removeValue(forKey: path) == nil ? -ENOENT : 0 }
  }

  override func facts(_ file: CInt, _ facts: inout FileFacts) -> CInt {
    let size = change { state in state.open[file].flatMap { state.files[$0] }?.count }
    guard let size else { return -EBADF }
    facts.version.size = size
    return 0
  }

  override func fsync(_ file: CInt) -> CInt { sync() }
  override func fdatasync(_ file: CInt) -> CInt { sync() }

  private func sync() -> CInt {
    unsafe duringSync()
    return change { state in
      state.syncs += 1
      return -state.syncFailure
    }
  }
}

extension StoreMeta {
  static func sample(seed: UInt64 = 1, epoch: UInt64 = 1) throws -> StoreMeta {
    StoreMeta(
      seed: KeyHash(low: seed, high: seed), levels: try DiskLevels("1:2"), keyVersion: 1, keyTemplate: 0,
      epoch: epoch)
  }
}
