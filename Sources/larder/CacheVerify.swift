import Glibc
import Proxy
import Storage

func runCache(_ arguments: [String]) throws(CommandError) {
  let cache = try understood { () throws(UsageError) in try CacheArguments.parse(arguments) }
  switch cache.task {
  case .verify: try verify(cache.directory, repairs: cache.isRepairing)
  }
}

/// A line for each finding, and one that sums up.
private func verify(_ path: String, repairs: Bool) throws(CommandError) {
  let directory: StoreDirectory
  do { directory = try StoreDirectory.examine(path) } catch { throw .store(error) }
  let result = StoreVerification.run(directory, repairs: repairs) { path, finding in
    Output.standard.write("\(path): \(text(of: finding))\n")
  }
  Output.standard.write(result.summary + "\n")
  guard result.isClean else { throw .badFiles(result.bad + result.unreadable) }
}

private func text(of finding: StoreVerification.Finding) -> String {
  switch finding {
  case .bad(.damaged(let damage)): "\(damage.text)"
  case .bad(.foreign): "is of another store, or of another key"
  case .bad(.unknownVersion(let version)): "has format version \(version)"
  case .unreadable(let code): "cannot be read: \(reason(code))"
  case .temporary: "was left half-written"
  case .removed: "removed"
  case .cannotRemove(let code): "cannot be removed: \(reason(code))"
  }
}

/// SAFETY: strerror's text is valid until the thread's next call of it; it is copied here.
private func reason(_ code: CInt) -> String { unsafe String(cString: strerror(code)) }

extension StoreVerification {
  fileprivate var summary: String {
    let counts = [
      (unreadable, "unreadable"), (unknownVersion, "of an unknown version"), (misplaced, "to be moved"),
      (temporary, "half-written"), (removed, "removed"),
    ]
    let others = counts.filter { $0.0 > 0 }.map { ", \($0.0) \($0.1)" }.joined()
    return "\(files) files, \(bytes) bytes sound, \(bad) bad\(others)"
  }
}
