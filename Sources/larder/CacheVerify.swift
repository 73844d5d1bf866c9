import Proxy
import Storage

/// A line for each finding, and one that sums up.
func verify(_ cache: CacheArguments) throws(CommandError) {
  let result: StoreVerification
  switch try CacheSource(cache) {
  case .directory(let directory):
    result = StoreVerification.run(directory, repairs: cache.isRepairing) { path, finding in
      Output.standard.write("\(path): \(finding.text)\n")
    }
  case .server(let server): result = try verify(server)
  }
  Output.standard.write(result.summary + "\n")
  guard result.isClean else { throw .badFiles(result.bad + result.unreadable) }
}

private func verify(_ server: ServedCache) throws(CommandError) -> StoreVerification {
  var result = StoreVerification()
  var isComplete = true
  try server.pages("POST", "/cache/verify") { page, _ in
    for (file, text) in page.findings { Output.standard.write("\(file): \(text)\n") }
    result.add(page.result)
    isComplete = page.isComplete
  }
  if !isComplete { warnOfScan() }
  return result
}

func warnOfScan() { warn("the server has not seen all files of the directory yet: some may be missing") }

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
