import Glibc

/// Visits every file of a store, folder by folder. A folder's names are read before the first of its files is
/// visited, so that files may be moved and removed meanwhile.
public struct StoreWalk {
  private let system: DiskSystem
  /// Of the store's directory.
  private let descriptor: CInt

  public enum Item: Equatable, Sendable {
    /// A file that is named as an entry or a vary record is. It may lie in a folder that is not its own.
    case file(path: String, name: EntryName)
    /// What a process left that was killed while it wrote.
    case temporary(path: String)
    /// A folder that cannot be read, with the `errno`.
    case unreadable(path: String, code: CInt)
  }

  public init(_ descriptor: CInt, system: DiskSystem) {
    self.descriptor = descriptor
    self.system = system
  }

  /// - Parameter visit: False ends the walk. Paths are relative to the store's directory.
  /// - Returns: False: it was ended.
  @discardableResult public func run(_ visit: (Item) -> Bool) -> Bool {
    walk("", depth: 0, visit)
  }

  /// Whether a folder can be one of the levels: one or two hexadecimal digits.
  private static func isLevel(_ name: String) -> Bool {
    (1...2).contains(name.utf8.count)
      && name.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
  }

  private func walk(_ folder: String, depth: Int, _ visit: (Item) -> Bool) -> Bool {
    let (items, code) = names(in: folder)
    if code != 0, code != -ENOENT, !visit(.unreadable(path: folder.isEmpty ? "." : folder, code: -code)) {
      return false
    }
    for item in items {
      let path = folder.isEmpty ? item.name : "\(folder)/\(item.name)"
      let goesOn =
        if kind(of: item, path) == .directory {
          if depth == 0, item.name == StoreDirectory.temporaryFolder {
            walkTemporary(path, visit)
          } else {
            depth == 3 || !Self.isLevel(item.name) || walk(path, depth: depth + 1, visit)
          }
        } else if depth == 0 {
          !item.name.hasSuffix(DiskSystem.replacementSuffix) || visit(.temporary(path: path))
        } else if let name = EntryName(hex: item.name) {
          visit(.file(path: path, name: name))
        } else {
          true
        }
      if !goesOn { return false }
    }
    return true
  }

  private func walkTemporary(_ folder: String, _ visit: (Item) -> Bool) -> Bool {
    let (items, code) = names(in: folder)
    if code != 0, code != -ENOENT, !visit(.unreadable(path: folder, code: -code)) { return false }
    return items.allSatisfy { visit(.temporary(path: "\(folder)/\($0.name)")) }
  }

  private func kind(of item: DirectoryChunk.Item, _ path: String) -> DirectoryChunk.Kind {
    guard item.kind == .unknown else { return item.kind }
    var facts = FileFacts()
    guard system.facts(path, in: descriptor, &facts) == 0 else { return .other }
    return facts.isDirectory ? .directory : facts.isFile ? .file : .other
  }

  /// Everything in a folder, and 0 or `-errno` of what hindered reading on.
  private func names(in folder: String) -> ([DirectoryChunk.Item], CInt) {
    let directory = system.openDirectory(folder.isEmpty ? "." : folder, in: descriptor)
    guard directory >= 0 else { return ([], directory) }
    defer { system.close(directory) }
    var items: [DirectoryChunk.Item] = []
    var memory = [UInt8](repeating: 0, count: 32 << 10)
    while true {
      // SAFETY: the kernel writes at most `memory.count` bytes.
      let count = unsafe memory.withUnsafeMutableBytes {
        unsafe system.list(directory, into: $0.baseAddress!, count: $0.count)
      }
      if count <= 0 { return (items, CInt(count)) }
      var chunk = DirectoryChunk(memory.span.extracting(0..<count))
      while let item = chunk.next() { items.append(item) }
    }
  }
}
