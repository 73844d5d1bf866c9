/// Reads every file of a store that no process serves, and on demand removes what is bad.
public struct StoreVerification: Equatable, Sendable {
  /// Files named as entries or vary records.
  public var files = 0
  public var bytes = 0
  public var bad = 0
  /// Files that could not be read, and folders.
  public var unreadable = 0
  /// Of another version of Larder: left alone.
  public var unknownVersion = 0
  /// Good ones in a folder that is not theirs: after a change of `levels`, until the next start moves them.
  public var misplaced = 0
  /// Left by a process that was killed while it wrote.
  public var temporary = 0
  public var removed = 0

  /// Bad or unreadable ones that are still there.
  public var isClean: Bool { bad + unreadable == 0 }

  public enum Finding: Equatable, Sendable {
    case bad(StoredFileError)
    case unreadable(CInt)
    case temporary
    case removed
    /// It was to be removed, and could not be, with the `errno`.
    case cannotRemove(CInt)

    public var text: String {
      switch self {
      case .bad(let error): error.text
      case .unreadable(let code): "cannot be read: \(errorText(code))"
      case .temporary: "was left half-written"
      case .removed: "removed"
      case .cannotRemove(let code): "cannot be removed: \(errorText(code))"
      }
    }
  }

  public init() {}

  /// - Parameters:
  ///   - repairs: Removes bad and temporary files; what is removed is no longer counted as bad or temporary.
  ///   - report: Called with the path, relative to the directory, and what was found there.
  public static func run(
    _ directory: StoreDirectory, repairs: Bool, report: (String, Finding) -> Void
  ) -> StoreVerification {
    var result = StoreVerification()
    var verifier = FileVerifier(
      directory.descriptor, store: directory.meta.identity,
      clock: StoreClock(cacheOffset: 0, wallOffset: 0, boot: 0), system: directory.system)
    StoreWalk(directory.descriptor, system: directory.system).run { item in
      switch item {
      case .temporary(let path):
        report(path, .temporary)
        if !repairs || !result.remove(path, in: directory, report) { result.temporary += 1 }
      case .unreadable(let path, let code):
        report(path, .unreadable(code))
        result.unreadable += 1
      case .file(let path, let name):
        let verdict = verifier.verify(path, name: name)
        result.note(verdict, isMisplaced: path != directory.meta.levels.path(for: name))
        switch verdict {
        case .unusable(.unknownVersion), .sound, .gone, .interrupted: break
        case .unreadable(let code): report(path, .unreadable(code))
        case .unusable(let reason):
          report(path, .bad(reason))
          if repairs, result.remove(path, in: directory, report) { result.bad -= 1 }
        }
      }
      return true
    }
    return result
  }

  mutating func note(_ verdict: FileVerdict, isMisplaced: Bool) {
    files += 1
    switch verdict {
    case .sound(let version):
      bytes += version.size
      if isMisplaced { misplaced += 1 }
    case .unusable(.unknownVersion): unknownVersion += 1
    case .unusable: bad += 1
    case .unreadable: unreadable += 1
    case .gone, .interrupted: break
    }
  }

  public mutating func add(_ other: StoreVerification) {
    files += other.files
    bytes += other.bytes
    bad += other.bad
    unreadable += other.unreadable
    unknownVersion += other.unknownVersion
    misplaced += other.misplaced
    temporary += other.temporary
    removed += other.removed
  }

  private mutating func remove(
    _ path: String, in directory: StoreDirectory, _ report: (String, Finding) -> Void
  ) -> Bool {
    let result = directory.system.unlink(path, in: directory.descriptor)
    report(path, result == 0 ? .removed : .cannotRemove(-result))
    if result == 0 { removed += 1 }
    return result == 0
  }
}

extension StoredFileError {
  public var text: String {
    switch self {
    case .damaged(let damage): damage.text
    case .foreign: "is of another store, or of another key"
    case .unknownVersion(let version): "has format version \(version)"
    }
  }
}
