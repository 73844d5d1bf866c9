import Bytes
import Glibc

@testable import Storage

/// A file system in memory that crashes as real ones do: when the process is killed it keeps all that was
/// written, and when the power fails only what was made durable is certain.
final class SimulatedDisk: DiskSystem, @unchecked Sendable {
  /// Where the store's directory is.
  static let root = "/store"

  final class Inode {
    let number: UInt64
    var bytes: [UInt8] = []
    /// What the device has for certain.
    var durable: [UInt8] = []
    var modified: Int64 = 0
    var changed: Int64 = 0
    var links = 1

    init(_ number: UInt64) { self.number = number }
  }

  struct Handle {
    /// `nil`: a directory.
    var inode: Inode?
    var path: String
    /// Names that `list` has still to give.
    var unlisted: [String]?
  }

  struct State {
    var files: [String: Inode] = [:]
    var directories: Set<String> = []
    /// The names that the device has for certain.
    var durableFiles: [String: Inode] = [:]
    var handles: [CInt: Handle] = [:]
    var nextHandle: CInt = 1000
    var nextInode: UInt64 = 1
    var time: Int64 = 1
    var isLocked = false
    var freeBytes = 1 << 30
  }

  private let state = Guarded(State())

  override init() { super.init() }

  /// With the same files, all of them durable, and nobody who has one open.
  init(copying other: SimulatedDisk) {
    super.init()
    let (files, directories) = other.with { ($0.files, $0.directories) }
    with { state in
      state.directories = directories
      for (path, inode) in files.sorted(by: { $0.key < $1.key }) {
        let copy = Inode(inode.number)
        copy.bytes = inode.bytes
        copy.durable = inode.bytes
        copy.modified = inode.modified
        copy.changed = inode.changed
        state.files[path] = copy
      }
      state.durableFiles = state.files
      state.nextInode = (files.values.map(\.number).max() ?? 0) + 1
      state.time = (files.values.map(\.changed).max() ?? 0) + 1
    }
  }

  func with<Result>(_ body: (inout State) -> Result) -> Result { state.withLock(body) }

  /// The power fails. Of names and bytes that were not made durable, each is there, or is not, or is zeros.
  func losePower(_ random: inout SeededRandom) {
    with { state in
      for (path, inode) in state.files where state.durableFiles[path] !== inode && random.below(2) == 0 {
        state.files[path] = state.durableFiles[path]
      }
      for (path, inode) in state.durableFiles where state.files[path] == nil && random.below(2) == 0 {
        state.files[path] = inode
      }
      for inode in state.files.values where inode.bytes != inode.durable {
        switch random.below(3) {
        case 0: inode.bytes = inode.durable
        case 1: inode.bytes = [UInt8](repeating: 0, count: inode.bytes.count)
        default: break
        }
        inode.links = 1
        inode.durable = inode.bytes
      }
      state.durableFiles = state.files
    }
  }

  // MARK: Calls

  private static func absolute(_ path: String, in directory: CInt, _ state: State) -> String? {
    if path.hasPrefix("/") { return path }
    guard let handle = state.handles[directory], handle.inode == nil else { return nil }
    return path == "." ? handle.path : "\(handle.path)/\(path)"
  }

  private static func parent(_ path: String) -> String {
    path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
  }

  private static func newHandle(_ handle: Handle, _ state: inout State) -> CInt {
    state.nextHandle += 1
    state.handles[state.nextHandle] = handle
    return state.nextHandle
  }

  override func open(_ path: String, in directory: CInt, flags: CInt, mode: mode_t = 0o600) -> CInt {
    with { state in
      guard let path = Self.absolute(path, in: directory, state) else { return -EBADF }
      if state.files[path] == nil {
        guard flags & O_CREAT != 0, state.directories.contains(Self.parent(path)) else { return -ENOENT }
        state.files[path] = Inode(state.nextInode)
        state.nextInode += 1
      } else if flags & O_EXCL != 0 {
        return -EEXIST
      }
      let inode = state.files[path]
      if flags & O_TRUNC != 0 { inode?.bytes = [] }
      return Self.newHandle(Handle(inode: inode, path: path), &state)
    }
  }

  override func openDirectory(_ path: String, in directory: CInt = AT_FDCWD) -> CInt {
    with { state in
      guard let path = Self.absolute(path, in: directory, state), state.directories.contains(path) else {
        return -ENOENT
      }
      return Self.newHandle(Handle(inode: nil, path: path), &state)
    }
  }

  override func close(_ file: CInt) {
    with { state in
      if let handle = state.handles.removeValue(forKey: file), handle.path.hasSuffix(StoreDirectory.lockName)
      {
        state.isLocked = false
      }
    }
  }

  override func read(_ file: CInt, into memory: UnsafeMutableRawPointer, count: Int, at offset: Int) -> Int {
    with { state in
      guard let inode = state.handles[file]?.inode else { return Int(-EBADF) }
      let part = inode.bytes.dropFirst(offset).prefix(count)
      unsafe memory.copyMemory(from: Array(part), byteCount: part.count)
      return part.count
    }
  }

  override func readNoWait(
    _ file: CInt, into memory: UnsafeMutableRawPointer, count: Int, at offset: Int
  ) -> Int {
    unsafe read(file, into: memory, count: count, at: offset)
  }

  override func write(_ file: CInt, _ memory: UnsafeRawPointer, count: Int, at offset: Int) -> Int {
    with { state in
      guard let inode = state.handles[file]?.inode else { return Int(-EBADF) }
      if inode.bytes.count < offset + count {
        inode.bytes += repeatElement(0, count: offset + count - inode.bytes.count)
      }
      let source = unsafe UnsafeRawBufferPointer(start: memory, count: count)
      unsafe inode.bytes.replaceSubrange(offset..<offset + count, with: source)
      state.time += 1
      inode.modified = state.time
      inode.changed = state.time
      return count
    }
  }

  override func truncate(_ file: CInt, to count: Int) -> CInt {
    with { state in
      guard let inode = state.handles[file]?.inode else { return -EBADF }
      inode.bytes =
        inode.bytes.prefix(count) + [UInt8](repeating: 0, count: max(0, count - inode.bytes.count))
      return 0
    }
  }

  override func rename(_ path: String, to new: String, in directory: CInt) -> CInt {
    with { state in
      guard let from = Self.absolute(path, in: directory, state),
        let to = Self.absolute(new, in: directory, state), let inode = state.files[from],
        state.directories.contains(Self.parent(to))
      else { return -ENOENT }
      Self.unname(to, &state)
      state.files[from] = nil
      state.files[to] = inode
      return 0
    }
  }

  private static func unname(_ path: String, _ state: inout State) {
    guard let old = state.files.removeValue(forKey: path) else { return }
    old.links = 0
    state.time += 1
    old.changed = state.time
  }

  override func unlink(_ path: String, in directory: CInt) -> CInt {
    with { state in
      guard let path = Self.absolute(path, in: directory, state), state.files[path] != nil else {
        return -ENOENT
      }
      Self.unname(path, &state)
      return 0
    }
  }

  override func removeDirectory(_ path: String, in directory: CInt) -> CInt {
    with { state in
      guard let path = Self.absolute(path, in: directory, state) else { return -EBADF }
      return state.directories.remove(path) == nil ? -ENOENT : 0
    }
  }

  override func makeDirectory(_ path: String, in directory: CInt, mode: mode_t = 0o700) -> CInt {
    with { state in
      guard let path = Self.absolute(path, in: directory, state) else { return -EBADF }
      return state.directories.insert(path).inserted ? 0 : -EEXIST
    }
  }

  override func facts(_ path: String, in directory: CInt, _ facts: inout FileFacts) -> CInt {
    var found = FileFacts()
    let result: CInt = with { state in
      guard let path = Self.absolute(path, in: directory, state) else { return -EBADF }
      if let inode = state.files[path] {
        found = Self.facts(of: inode)
      } else if state.directories.contains(path) {
        found.isDirectory = true
      } else {
        return -ENOENT
      }
      return 0
    }
    if result == 0 { facts = found }
    return result
  }

  override func facts(_ file: CInt, _ facts: inout FileFacts) -> CInt {
    var found = FileFacts()
    let result: CInt = with { state in
      guard let inode = state.handles[file]?.inode else { return -EBADF }
      found = Self.facts(of: inode)
      return 0
    }
    if result == 0 { facts = found }
    return result
  }

  private static func facts(of inode: Inode) -> FileFacts {
    var facts = FileFacts()
    facts.version.inode = inode.number
    facts.version.size = inode.bytes.count
    facts.version.modified = inode.modified
    facts.version.changed = inode.changed
    facts.blocks = (inode.bytes.count + 4095) / 4096 * 8
    facts.isFile = true
    facts.links = inode.links
    return facts
  }

  override func fsync(_ file: CInt) -> CInt {
    with { state in
      guard let handle = state.handles[file] else { return -EBADF }
      if let inode = handle.inode {
        inode.durable = inode.bytes
      } else {
        let prefix = handle.path + "/"
        let own = { (path: String) in Self.parent(path) + "/" == prefix }
        state.durableFiles = state.durableFiles.filter { !own($0.key) }
          .merging(state.files.filter { own($0.key) }) { $1 }
      }
      return 0
    }
  }

  override func fdatasync(_ file: CInt) -> CInt { fsync(file) }

  override func syncfs(_ file: CInt) -> CInt {
    with { state in
      for inode in state.files.values { inode.durable = inode.bytes }
      state.durableFiles = state.files
      return 0
    }
  }

  override func list(_ directory: CInt, into memory: UnsafeMutableRawPointer, count: Int) -> Int {
    with { state in
      guard var handle = state.handles[directory], handle.inode == nil else { return Int(-EBADF) }
      var names = handle.unlisted ?? Self.names(in: handle.path, state)
      var bytes: [UInt8] = []
      while let name = names.last {
        let isDirectory = state.directories.contains("\(handle.path)/\(name)")
        let record = Self.record(name, isDirectory: isDirectory)
        guard bytes.count + record.count <= count else { break }
        bytes += record
        names.removeLast()
      }
      handle.unlisted = names
      state.handles[directory] = handle
      unsafe memory.copyMemory(from: bytes, byteCount: bytes.count)
      return bytes.count
    }
  }

  private static func names(in folder: String, _ state: State) -> [String] {
    (Array(state.files.keys) + state.directories).filter { parent($0) == folder && $0 != folder }
      .map { String($0.dropFirst(folder.utf8.count + 1)) }.sorted()
  }

  /// As `linux_dirent64` has it.
  private static func record(_ name: String, isDirectory: Bool) -> [UInt8] {
    let length = (19 + name.utf8.count + 1 + 7) / 8 * 8
    var record = [UInt8](repeating: 0, count: length)
    record[16] = UInt8(length & 0xff)
    record[17] = UInt8(length >> 8)
    record[18] = UInt8(isDirectory ? DT_DIR : DT_REG)
    record.replaceSubrange(19..<19 + name.utf8.count, with: name.utf8)
    return record
  }

  override func rewind(_ directory: CInt) -> CInt {
    with { state in
      state.handles[directory]?.unlisted = nil
      return 0
    }
  }

  override func space(_ file: CInt, _ space: inout DiskSpace) -> CInt {
    space.totalBytes = 1 << 40
    space.freeBytes = with { $0.freeBytes }
    return 0
  }

  override func lock(_ file: CInt) -> CInt {
    with { state in
      if state.isLocked { return -EWOULDBLOCK }
      state.isLocked = true
      return 0
    }
  }

  override func forget(_ file: CInt, from offset: Int, count: Int) {}
}
