import CLinux
public import Glibc

/// The system calls of the disk tier, one method each, for disk threads: all may block. Virtual, so that a
/// test can put faults in their place. Stateless, and so free to be used on many threads at once.
///
/// Results are the call's own where they are not negative, and `-errno` otherwise. A call that a signal
/// interrupted is made again. Paths are relative to `directory`, an open descriptor or `AT_FDCWD`.
open class DiskSystem: @unchecked Sendable {
  public init() {}

  /// - Parameter flags: `O_CLOEXEC` is added.
  open func open(_ path: String, in directory: CInt, flags: CInt, mode: mode_t = 0o600) -> CInt {
    retrying { unsafe Glibc.openat(directory, path, flags | O_CLOEXEC, mode) }
  }

  open func openDirectory(_ path: String, in directory: CInt = AT_FDCWD) -> CInt {
    retrying { unsafe Glibc.openat(directory, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
  }

  open func close(_ file: CInt) { _ = Glibc.close(file) }

  /// Makes `file` another descriptor of what `other` is one of. What it was before is closed.
  open func replace(_ file: CInt, by other: CInt) -> CInt {
    retrying { linux_replace_descriptor(file, other) }
  }

  open func read(_ file: CInt, into memory: UnsafeMutableRawPointer, count: Int, at offset: Int) -> Int {
    retrying { unsafe Glibc.pread(file, memory, count, off_t(offset)) }
  }

  /// Reads what is in the page cache: `-EAGAIN` when the disk would have to be asked, `-EOPNOTSUPP` where the
  /// file system cannot tell. Fewer bytes than asked for when only those are there.
  open func readNoWait(
    _ file: CInt, into memory: UnsafeMutableRawPointer, count: Int, at offset: Int
  ) -> Int {
    retrying { unsafe linux_read_no_wait(file, memory, count, Int64(offset)) }
  }

  open func write(_ file: CInt, _ memory: UnsafeRawPointer, count: Int, at offset: Int) -> Int {
    retrying { unsafe Glibc.pwrite(file, memory, count, off_t(offset)) }
  }

  open func write(_ file: CInt, parts: UnsafePointer<iovec>, count: Int, at offset: Int) -> Int {
    retrying { unsafe Glibc.pwritev(file, parts, CInt(count), off_t(offset)) }
  }

  open func truncate(_ file: CInt, to count: Int) -> CInt {
    retrying { Glibc.ftruncate(file, off_t(count)) }
  }

  /// Within one directory descriptor's tree; replaces what has the name.
  open func rename(_ path: String, to new: String, in directory: CInt) -> CInt {
    retrying { unsafe Glibc.renameat(directory, path, directory, new) }
  }

  open func unlink(_ path: String, in directory: CInt) -> CInt {
    retrying { unsafe Glibc.unlinkat(directory, path, 0) }
  }

  open func removeDirectory(_ path: String, in directory: CInt) -> CInt {
    retrying { unsafe Glibc.unlinkat(directory, path, AT_REMOVEDIR) }
  }

  open func makeDirectory(_ path: String, in directory: CInt, mode: mode_t = 0o700) -> CInt {
    retrying { unsafe Glibc.mkdirat(directory, path, mode) }
  }

  /// Facts about a file, a symbolic link's own.
  open func facts(_ path: String, in directory: CInt, _ facts: inout FileFacts) -> CInt {
    var status = stat()
    let result = retrying { unsafe Glibc.fstatat(directory, path, &status, AT_SYMLINK_NOFOLLOW) }
    if result == 0 { facts = FileFacts(status) }
    return result
  }

  open func facts(_ file: CInt, _ facts: inout FileFacts) -> CInt {
    var status = stat()
    let result = retrying { unsafe Glibc.fstat(file, &status) }
    if result == 0 { facts = FileFacts(status) }
    return result
  }

  open func fsync(_ file: CInt) -> CInt { retrying { Glibc.fsync(file) } }
  open func fdatasync(_ file: CInt) -> CInt { retrying { Glibc.fdatasync(file) } }

  /// Everything of the file system that holds `file`.
  open func syncfs(_ file: CInt) -> CInt { retrying { linux_sync_file_system(file) } }

  /// Entries of an open directory as the kernel lays them out, for `DirectoryChunk`; 0 at the end. From the
  /// start again after `rewind`.
  open func list(_ directory: CInt, into memory: UnsafeMutableRawPointer, count: Int) -> Int {
    retrying { unsafe linux_list(directory, memory, count) }
  }

  open func rewind(_ directory: CInt) -> CInt {
    let result = Glibc.lseek(directory, 0, SEEK_SET)
    return result < 0 ? -errno : 0
  }

  /// The file system that holds `file`.
  open func space(_ file: CInt, _ space: inout DiskSpace) -> CInt {
    var status = statvfs()
    let result = retrying { unsafe Glibc.fstatvfs(file, &status) }
    if result == 0 { space = DiskSpace(status) }
    return result
  }

  /// Takes the only lock of a file, until it is closed or the process ends; `-EWOULDBLOCK`: another process
  /// has it.
  open func lock(_ file: CInt) -> CInt { retrying { linux_lock(file) } }

  /// Gives it back at once, whoever else has the descriptor.
  open func unlock(_ file: CInt) -> CInt { retrying { linux_unlock(file) } }

  /// Pages of a file that are not needed again soon: reading everything must not push out what is used.
  open func forget(_ file: CInt, from offset: Int, count: Int) {
    _ = Glibc.posix_fadvise(file, off_t(offset), off_t(count), POSIX_FADV_DONTNEED)
  }

  private func retrying<Value: SignedInteger & FixedWidthInteger>(_ call: () -> Value) -> Value {
    while true {
      let result = call()
      if result >= 0 { return result }
      let code = errno
      if code != EINTR { return Value(-code) }
    }
  }
}

extension DiskSystem {
  /// Whether the first and the last of these bytes are in the page cache: what lies between was written or
  /// read with them. Does not wait.
  ///
  /// - Parameter guess: The answer where the file system cannot tell.
  public func isResident(_ file: CInt, at offset: Int, count: Int, guess: Bool) -> Bool {
    var byte: UInt8 = 0
    let first = unsafe readNoWait(file, into: &byte, count: 1, at: offset)
    if DiskSystem.cannotTell(first) { return guess }
    return unsafe first == 1 && readNoWait(file, into: &byte, count: 1, at: offset + count - 1) == 1
  }

  /// Whether this result of `readNoWait` says that the kernel or the file system knows no such reading.
  static func cannotTell(_ result: Int) -> Bool {
    result == -Int(EOPNOTSUPP) || result == -Int(EINVAL) || result == -Int(ENOSYS)
  }

  /// Reads until `count` bytes are there or the file ends; the bytes read, or `-errno`.
  public func readFully(
    _ file: CInt, into memory: UnsafeMutableRawPointer, count: Int, at offset: Int
  ) -> Int {
    var done = 0
    while done < count {
      let result = unsafe read(file, into: memory + done, count: count - done, at: offset + done)
      if result < 0 { return result }
      if result == 0 { break }
      done += result
    }
    return done
  }

  /// Writes all `count` bytes: 0, or `-errno`.
  public func writeFully(_ file: CInt, _ memory: UnsafeRawPointer, count: Int, at offset: Int) -> CInt {
    var done = 0
    while done < count {
      let result = unsafe write(file, memory + done, count: count - done, at: offset + done)
      if result < 0 { return CInt(result) }
      if result == 0 { return -ENOSPC }
      done += result
    }
    return 0
  }

  public func writeFully(_ file: CInt, _ bytes: Span<UInt8>, at offset: Int) -> CInt {
    unsafe bytes.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return 0 }
      return unsafe writeFully(file, base, count: buffer.count, at: offset)
    }
  }
}

/// What a file system tells about a file. As long as `version` stays, so do the bytes, unless the disk rots.
public struct FileFacts: Equatable, Sendable {
  public var version = FileVersion()
  /// On the device, in units of 512 bytes: what the file costs.
  public var blocks = 0
  public var isDirectory = false
  public var isFile = false
  /// Names; 0: it has been removed, and lives on in descriptors.
  public var links = 1
  public var isSymbolicLink = false
  public var owner: UInt32 = 0
  public var permissions: UInt32 = 0

  public init() {}

  init(_ status: stat) {
    version = FileVersion(status)
    blocks = Int(status.st_blocks)
    isDirectory = status.st_mode & S_IFMT == S_IFDIR
    isFile = status.st_mode & S_IFMT == S_IFREG
    links = Int(clamping: status.st_nlink)
    isSymbolicLink = status.st_mode & S_IFMT == S_IFLNK
    owner = status.st_uid
    permissions = status.st_mode & 0o7777
  }

  public var size: Int { version.size }
}

/// What a verification is bound to: it holds as long as this stays. Times in nanoseconds since 1970.
public struct FileVersion: Hashable, Sendable, BitwiseCopyable {
  public var inode: UInt64 = 0
  public var size = 0
  public var modified: Int64 = 0
  public var changed: Int64 = 0

  public init() {}

  init(_ status: stat) {
    inode = UInt64(status.st_ino)
    size = Int(status.st_size)
    modified = Self.nanoseconds(status.st_mtim)
    changed = Self.nanoseconds(status.st_ctim)
  }

  private static func nanoseconds(_ time: timespec) -> Int64 {
    Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }
}

/// Room of a file system, in bytes and inodes, for whoever is not root.
public struct DiskSpace: Equatable, Sendable {
  public var blockBytes = 4096
  public var totalBytes = 0
  public var freeBytes = 0
  public var freeInodes = 0
  public var isReadOnly = false

  public init() {}

  init(_ status: statvfs) {
    blockBytes = Int(clamping: status.f_frsize)
    totalBytes = Int(clamping: status.f_blocks).multipliedSaturating(blockBytes)
    freeBytes = Int(clamping: status.f_bavail).multipliedSaturating(blockBytes)
    freeInodes = Int(clamping: status.f_favail)
    isReadOnly = status.f_flag & UInt(ST_RDONLY) != 0
  }
}

extension Int {
  fileprivate func multipliedSaturating(_ other: Int) -> Int {
    let (product, overflow) = multipliedReportingOverflow(by: other)
    return overflow ? .max : product
  }
}

/// What the system calls an `errno`.
///
/// SAFETY: strerror's text is valid until the thread's next call of it; it is copied here.
public func errorText(_ code: CInt) -> String { unsafe String(cString: strerror(code)) }
