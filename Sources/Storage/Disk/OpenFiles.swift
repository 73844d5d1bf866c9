import Bytes

/// A file that the memory tier holds open, without counting it.
struct OpenFile: Sendable {
  let name: EntryName
  let hash: KeyHash
  let urlHash: KeyHash
  let id: ObjectIdentifier

  init(_ file: StoredFile) {
    name = file.name
    hash = file.hash
    urlHash = file.urlHash
    id = ObjectIdentifier(file)
  }
}

/// The files that the memory tier holds open, in the order in which they were opened, and by name.
struct OpenFiles {
  /// Closed ones are among them, until there are more of those than of others.
  private var order: [OpenFile] = []
  private var start = 0
  private var byName: [EntryName: OpenFile] = [:]

  mutating func append(_ file: OpenFile) {
    byName[file.name] = file
    order.append(file)
    guard order.count > 2 * byName.count + 1024 else { return }
    order = order[start...].filter { isOpen($0) }
    start = 0
  }

  /// The one that was opened first, or put behind the others by `append` since.
  mutating func popFirst() -> OpenFile? {
    while start < order.count {
      start += 1
      if isOpen(order[start - 1]) { return order[start - 1] }
    }
    return nil
  }

  mutating func closed(_ name: EntryName, _ id: ObjectIdentifier) {
    if byName[name]?.id == id { byName[name] = nil }
  }

  func find(_ name: EntryName) -> OpenFile? { byName[name] }

  private func isOpen(_ file: OpenFile) -> Bool { byName[file.name]?.id == file.id }
}
