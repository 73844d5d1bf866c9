import Bytes
import Glibc

@testable import Storage

/// The system calls of one process, on a file system that outlives it: counted, and made to fail by plan.
/// When it is killed, nothing that it still does has any effect.
final class FaultyDisk: DiskSystem, @unchecked Sendable {
  enum Fault: Equatable, Sendable {
    case fails(CInt)
    /// Reads or writes half of the bytes, and says so.
    case isShort
  }

  private struct State {
    var calls = 0
    var faults: [Int: Fault] = [:]
    var changesFail: CInt = 0
    var isDead = false
    var open: Set<CInt> = []
  }

  private let base: DiskSystem
  private let state = Guarded(State())

  init(_ base: DiskSystem) { self.base = base }

  /// Calls so far, without `close`.
  var calls: Int { state.withLock { $0.calls } }
  var openDescriptors: Int { state.withLock { $0.open.count } }

  /// The call that is the `number`th from now on ends like this.
  func plan(_ fault: Fault, after number: Int) { state.withLock { $0.faults[$0.calls + number] = fault } }

  /// As long as it is not 0, this is what every call says that would change something.
  func failChanges(_ code: CInt) { state.withLock { $0.changesFail = code } }

  func kill() { state.withLock { $0.isDead = true } }

  /// The process is gone, and with it its descriptors and locks.
  func end() {
    let left = state.withLock { state in
      defer { state.open = [] }
      state.isDead = true
      return state.open
    }
    for file in left { base.close(file) }
  }

  private func call<Value: SignedInteger>(changes: Bool = false, _ body: (Bool) -> Value) -> Value {
    let (code, isShort) = state.withLock { state -> (CInt, Bool) in
      state.calls += 1
      if state.isDead { return (EIO, false) }
      if changes, state.changesFail != 0 { return (state.changesFail, false) }
      switch state.faults[state.calls] {
      case .fails(let code): return (code, false)
      case .isShort: return (0, true)
      case nil: return (0, false)
      }
    }
    return code == 0 ? body(isShort) : Value(-code)
  }

  private func opened(_ file: CInt) -> CInt {
    if file >= 0 { _ = state.withLock { $0.open.insert(file) } }
    return file
  }

  override func open(_ path: String, in directory: CInt, flags: CInt, mode: mode_t = 0o600) -> CInt {
    opened(
      call(changes: flags & O_CREAT != 0) { _ in base.open(path, in: directory, flags: flags, mode: mode) })
  }

  override func openDirectory(_ path: String, in directory: CInt = AT_FDCWD) -> CInt {
    opened(call { _ in base.openDirectory(path, in: directory) })
  }

  override func close(_ file: CInt) {
    if state.withLock({ $0.open.remove(file) }) != nil { base.close(file) }
  }

  override func read(_ file: CInt, into memory: UnsafeMutableRawPointer, count: Int, at offset: Int) -> Int {
    call { isShort in
      unsafe base.read(file, into: memory, count: isShort ? max(count / 2, 1) : count, at: offset)
    }
  }

  override func readNoWait(
    _ file: CInt, into memory: UnsafeMutableRawPointer, count: Int, at offset: Int
  ) -> Int {
    call { _ in unsafe base.readNoWait(file, into: memory, count: count, at: offset) }
  }

  override func write(_ file: CInt, _ memory: UnsafeRawPointer, count: Int, at offset: Int) -> Int {
    call(changes: true) { isShort in
      unsafe base.write(file, memory, count: isShort ? max(count / 2, 1) : count, at: offset)
    }
  }

  override func write(_ file: CInt, parts: UnsafePointer<iovec>, count: Int, at offset: Int) -> Int {
    call(changes: true) { _ in unsafe base.write(file, parts: parts, count: count, at: offset) }
  }

  override func truncate(_ file: CInt, to count: Int) -> CInt {
    call(changes: true) { _ in base.truncate(file, to: count) }
  }

  override func rename(_ path: String, to new: String, in directory: CInt) -> CInt {
    call(changes: true) { _ in base.rename(path, to: new, in: directory) }
  }

  override func unlink(_ path: String, in directory: CInt) -> CInt {
    call(changes: true) { _ in base.unlink(path, in: directory) }
  }

  override func removeDirectory(_ path: String, in directory: CInt) -> CInt {
    call(changes: true) { _ in base.removeDirectory(path, in: directory) }
  }

  override func makeDirectory(_ path: String, in directory: CInt, mode: mode_t = 0o700) -> CInt {
    call(changes: true) { _ in base.makeDirectory(path, in: directory, mode: mode) }
  }

  override func facts(_ path: String, in directory: CInt, _ facts: inout FileFacts) -> CInt {
    var found = FileFacts()
    let result = call { _ in base.facts(path, in: directory, &found) }
    if result == 0 { facts = found }
    return result
  }

  override func facts(_ file: CInt, _ facts: inout FileFacts) -> CInt {
    var found = FileFacts()
    let result = call { _ in base.facts(file, &found) }
    if result == 0 { facts = found }
    return result
  }

  override func fsync(_ file: CInt) -> CInt { call(changes: true) { _ in base.fsync(file) } }
  override func fdatasync(_ file: CInt) -> CInt { call(changes: true) { _ in base.fdatasync(file) } }
  override func syncfs(_ file: CInt) -> CInt { call(changes: true) { _ in base.syncfs(file) } }

  override func list(_ directory: CInt, into memory: UnsafeMutableRawPointer, count: Int) -> Int {
    call { _ in unsafe base.list(directory, into: memory, count: count) }
  }

  override func rewind(_ directory: CInt) -> CInt { call { _ in base.rewind(directory) } }

  override func space(_ file: CInt, _ space: inout DiskSpace) -> CInt {
    var found = DiskSpace()
    let result = call { _ in base.space(file, &found) }
    if result == 0 { space = found }
    return result
  }

  override func lock(_ file: CInt) -> CInt { call { _ in base.lock(file) } }
}
