import Foundation
import TestSupport

/// A proxy with a disk tier in a directory of its own, which can be ended and started again.
final class DiskSite {
  let origin: MisbehavingOrigin
  let folder: TestFolder
  /// Of the store.
  let path: String
  /// What follows the path in `--disk`, and further flags: those of the next start.
  var options: String
  var flags: [String]
  var environment: [String]
  private(set) var larder: Larder

  init(
    _ origin: MisbehavingOrigin, options: String, flags: [String], environment: [String], path: String?
  ) throws {
    (self.origin, self.options, self.flags, self.environment) = (origin, options, flags, environment)
    folder = try TestFolder()
    self.path = path ?? "\(folder.path)/store"
    larder = try Self.start(origin, self.path, options, flags, environment)
  }

  private static func start(
    _ origin: MisbehavingOrigin, _ path: String, _ options: String, _ flags: [String], _ environment: [String]
  ) throws -> Larder {
    try Larder(
      backends: [origin.address], flags: ["--disk", "\(path),\(options)"] + flags, environment: environment)
  }

  /// Ends it as an operator does, or as a lack of power does.
  func end(by signal: CInt = SIGTERM) throws {
    guard signal == SIGKILL else {
      let exit = try larder.process.stop()
      guard exit.status == 0 else {
        throw SupportError.processFailed("ended with \(exit); it said:\n\(said)")
      }
      return
    }
    let child = try larder.process.awaitChild()
    larder.process.killAll()
    _ = try larder.process.awaitExit()
    try eventually("the child's end") { !isRunning(child) }
  }

  func start() throws { larder = try Self.start(origin, path, options, flags, environment) }

  func restart(by signal: CInt = SIGTERM) throws {
    try end(by: signal)
    try start()
  }

  var said: String { String(larder.process.standardError.suffix(4000)) }

  /// The files of entries and vary records, relative to the store.
  var files: [String] {
    let all = FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []
    return all.filter { ($0 as NSString).lastPathComponent.utf8.count == 64 }.sorted()
  }

  /// Waits until there are so many: what is written behind is there.
  func awaitFiles(_ count: Int) throws {
    try eventually("\(count) files, there are \(files.count)") { files.count == count }
  }

  func bytes(of file: String) throws -> [UInt8] {
    try Array(Data(contentsOf: URL(fileURLWithPath: "\(path)/\(file)")))
  }

  func setBytes(of file: String, to bytes: [UInt8]) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: "\(path)/\(file)"))
  }

  /// Changes a file where it lies.
  func flip(_ file: String, at offset: Int, by mask: UInt8 = 1) throws {
    let handle = try FileHandle(forUpdating: URL(fileURLWithPath: "\(path)/\(file)"))
    defer { try? handle.close() }
    try handle.seek(toOffset: UInt64(offset))
    let byte = try handle.read(upToCount: 1)?.first ?? 0
    try handle.seek(toOffset: UInt64(offset))
    try handle.write(contentsOf: Data([byte ^ mask]))
  }

  /// The file that has this text in its head, a path say, once it is there.
  func file(with text: String) throws -> String {
    let wanted = Array(text.utf8)
    var found: String?
    try eventually("a file of \(text)") {
      found = files.first { (try? bytes(of: $0))?.firstRange(of: wanted) != nil }
      return found != nil
    }
    return found!
  }

  func facts(of file: String) throws -> stat {
    var facts = stat()
    guard unsafe lstat("\(path)/\(file)", &facts) == 0 else { throw SupportError.system(file, errno) }
    return facts
  }

  var usedBytes: Int { storeBytes(path) }

  /// A sample of `/metrics`, by name and labels as they stand there.
  func metric(_ name: String) throws -> Int {
    let text = try larder.admin("/metrics").text
    let line = text.split(separator: "\n").first { $0.hasPrefix(name + " ") }
    guard let value = line?.split(separator: " ").last.flatMap({ Double($0) }) else {
      throw SupportError.waitedInVain("the metric \(name)")
    }
    return Int(value)
  }

  func awaitMetric(_ name: String, _ value: Int) throws {
    try eventually("\(name) to be \(value)") { try metric(name) >= value }
  }

  /// The detail of the disk's check in `/ready`, and its status.
  func readiness() throws -> (status: Int, detail: String) {
    let response = try larder.admin("/ready")
    let json = try JSONSerialization.jsonObject(with: Data(response.body)) as? [String: Any]
    let checks = json?["checks"] as? [String: Any]
    let disk = checks?["disk"] as? [String: Any]
    return (response.status, disk?["detail"] as? String ?? "")
  }

  func awaitDegraded(_ text: String = "degraded") throws {
    try eventually("/ready to say \(text)") {
      let (status, detail) = try readiness()
      return status == 200 && detail.contains(text)
    }
  }

  /// Stores new things until the disk works again, which it finds out by writing.
  func awaitRecovery() throws {
    var number = 0
    try eventually("the disk to work again") {
      number += 1
      _ = try larder.fetch("/recovery/\(number)-\(UInt32.random(in: 0...(.max)))")
      return try !readiness().detail.contains("degraded")
    }
  }
}

/// Runs `body` with a proxy with a disk before `origin`, then ends it by SIGTERM, which must succeed.
func withDisk(
  _ origin: MisbehavingOrigin, options: String = "size=64MiB", flags: [String] = [],
  environment: [String] = [], path: String? = nil, _ body: (DiskSite) throws -> Void
) throws {
  let site = try DiskSite(origin, options: options, flags: flags, environment: environment, path: path)
  do {
    try body(site)
  } catch {
    let ended = site.larder.process.exitNow.map { "it had ended: \($0)" } ?? "it was running"
    site.larder.process.killAll()
    throw SupportError.processFailed("\(error); \(ended); it said:\n\(site.said)")
  }
  if site.larder.process.exitNow == nil { try site.end() }
}

/// Bytes of the file system that entries and files under way take now.
func storeBytes(_ path: String) -> Int {
  let all = FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []
  return all.reduce(0) { sum, name in
    var facts = stat()
    guard name.utf8.count > 64 || name.hasPrefix("tmp/"), unsafe lstat("\(path)/\(name)", &facts) == 0,
      facts.st_mode & S_IFMT == S_IFREG
    else { return sum }
    return sum + Int(facts.st_blocks) * 512
  }
}

/// An origin all of whose pages may be kept for long: each has its own bytes, of as many as its query says.
func storableOrigin(_ fields: Fields = [:]) throws -> MisbehavingOrigin {
  try MisbehavingOrigin { exchange in
    try exchange.respond(
      200, ["Cache-Control": "max-age=600", "X-Page": exchange.target] + fields, page(exchange.target))
  }
}

/// The bytes of a page such as `/a?20000`; without a number it is as long as its name and a little more.
func page(_ target: String) -> [UInt8] {
  let name = Array("page \(target) ".utf8)
  guard let mark = target.lastIndex(of: "?"), let count = Int(target[target.index(after: mark)...]) else {
    return name
  }
  let seed = UInt8(truncatingIfNeeded: target.utf8.reduce(0) { $0 &* 31 &+ Int($1) })
  return Array((name + pattern(count, seed: seed)).prefix(count))
}
