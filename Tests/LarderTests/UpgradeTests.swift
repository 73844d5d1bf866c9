import Foundation
import Testing
import TestSupport

/// A Larder whose program is a copy, to be replaced.
private struct Installed {
  let folder: TestFolder
  let larder: Larder

  init(before origin: MisbehavingOrigin, _ flags: [String] = [], in folder: TestFolder) throws {
    self.folder = folder
    try folder.replace("larder", byCopyOf: LarderProcess.binary)
    larder = try Larder(backends: [origin.address], flags: flags, program: "\(folder.path)/larder")
  }

  /// Asks by the command.
  func upgrade() throws {
    let command = try LarderProcess(arguments: ["upgrade", "--pid", "\(larder.process.process)"])
    #expect(try command.awaitExit().status == 0)
  }
}

private func origin() throws -> MisbehavingOrigin {
  try MisbehavingOrigin { try $0.respond(200, ["Cache-Control": "max-age=600"], "page") }
}

@Suite("Hot upgrade, L29")
struct UpgradeTests {
  @Test func `L29 three upgrades under load: no connection is refused or cut, on any kind of listener`()
    throws
  {
    let origin = try origin()
    let folder = try TestFolder()
    let path = "\(folder.path)/socket"
    let installed = try Installed(
      before: origin, ["--listen", "127.0.0.1:0", "--listen", "unix:\(path)"], in: folder)
    let larder = installed.larder
    let load = Load(clients: 6) { number in
      number < 4 ? try larder.client() : try RawClient(path: path)
    }
    let health = Load(clients: 1) { _ in
      guard try larder.admin("/ready").status == 200 else { throw SupportError.malformed("not ready") }
      return try larder.client()
    }
    try load.awaitAnswers(200)
    var children = [try larder.process.awaitChild()]
    for _ in 0..<3 {
      try folder.replace("larder", byCopyOf: LarderProcess.binary)
      try installed.upgrade()
      children.append(try larder.process.awaitChild(otherThan: children.last!))
      try load.awaitAnswers(load.answers + 200)
    }
    let (refused, cut) = load.stop()
    #expect(refused == 0 && cut == 0)
    let (notReady, unhealthy) = health.stop()
    #expect(notReady == 0 && unhealthy == 0)
    #expect(Set(children).count == 4)
    #expect(larder.process.logLines.filter { $0.contains("larder: upgraded: child") }.count == 3)
    #expect(larder.process.standardOutput.components(separatedBy: "Listening on 127.0.0.1").count == 2)
    #expect(try larder.process.stop().status == 0)
    #expect(!FileManager.default.fileExists(atPath: path))
  }

  @Test func `L29 the old child finishes its downloads, and takes no new connections`() throws {
    let rest = Gate("the rest of a body")
    let origin = try MisbehavingOrigin { exchange in
      guard exchange.target == "/long" else { return try exchange.respond(200, [:], "page") }
      try exchange.sendHead(200, ["Content-Length": "8"])
      try exchange.send("half")
      try rest.wait()
      try exchange.send("half")
    }
    let larder = try Larder(backends: [origin.address], flags: [])
    let old = try larder.process.awaitChild()
    let reading = try larder.client()
    try reading.sendRequest("/long")
    var response = try reading.readFinalHead()
    larder.process.send(signal: SIGUSR2)
    try larder.process.awaitLog("child \(old) finishes what it has")
    // A connection that the old child took before it heard is answered by it, with `close`.
    while try larder.fetch("/").fields["Connection"] != nil {}
    for _ in 0..<50 {
      let answer = try larder.fetch("/")
      #expect(answer.text == "page" && answer.fields["Connection"] == nil)
    }
    #expect(larder.process.children.count == 2)
    rest.open()
    try reading.readBody(of: &response)
    #expect(response.text == "halfhalf" && response.isWhole)
    reading.close()
    _ = try larder.process.awaitChild(otherThan: old)
    #expect(try larder.process.stop().status == 0)
  }

  @Test func `L29 a new program that does not come up leaves the old one serving, and it can be mended`()
    throws
  {
    let origin = try origin()
    let folder = try TestFolder()
    let installed = try Installed(before: origin, in: folder)
    let larder = installed.larder
    let child = try larder.process.awaitChild()
    try folder.replace("larder", byCopyOf: "/bin/false")
    try installed.upgrade()
    try larder.process.awaitLog("ended with status 1; child \(child) goes on")
    #expect(try larder.fetch("/").text == "page")
    // One that crashes now is still replaced by what it was, not by what is in its place.
    kill(child, SIGKILL)
    #expect(try larder.fetch("/").text == "page")
    let next = try larder.process.awaitChild(otherThan: child)
    try FileManager.default.removeItem(atPath: "\(folder.path)/larder")
    try installed.upgrade()
    try larder.process.awaitLog("no upgrade: \(folder.path)/larder: No such file or directory; child \(next)")
    try Data("no program".utf8).write(to: URL(fileURLWithPath: "\(folder.path)/larder"))
    try installed.upgrade()
    try larder.process.awaitLog("no upgrade: posix_spawn: Permission denied; child \(next) goes on")
    try folder.replace("larder", byCopyOf: LarderProcess.binary)
    try installed.upgrade()
    try larder.process.awaitLog("child \(next) finishes what it has")
    #expect(try larder.fetch("/").text == "page")
    #expect(try larder.process.stop().status == 0)
  }

  @Test func `L29 a new program that hangs while it begins is given up`() throws {
    let origin = try origin()
    let folder = try TestFolder()
    // To open it for writing waits until somebody reads.
    let log = "\(folder.path)/log"
    unsafe mkfifo(log, 0o600)
    let reader = unsafe open(log, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    let larder = try Larder(
      backends: [origin.address], flags: ["--access-log", log, "--watchdog", "100ms"])
    let child = try larder.process.awaitChild()
    close(reader)
    larder.process.send(signal: SIGUSR2)
    try larder.process.awaitLog("no upgrade: child")
    try larder.process.awaitLog("child \(child) goes on")
    #expect(try larder.fetch("/").text == "page")
    #expect(try larder.process.stop().status == 0)
  }

  @Test func `larder upgrade signals nothing that is no larder serve`() throws {
    let folder = try TestFolder()
    try Data("\(getpid())\n".utf8).write(to: URL(fileURLWithPath: "\(folder.path)/own.pid"))
    try Data("none\n".utf8).write(to: URL(fileURLWithPath: "\(folder.path)/no.pid"))
    for (flag, value, message) in [
      ("--pid", "\(getpid())", "process \(getpid()) is not there, or is no larder serve"),
      ("--pid-file", "\(folder.path)/own.pid", "process \(getpid()) is not there, or is no larder serve"),
      (
        "--pid-file", "\(folder.path)/no.pid",
        "--pid-file '\(folder.path)/no.pid': expected the id of a process in it"
      ),
      ("--pid-file", "/nowhere/a.pid", "--pid-file '/nowhere/a.pid': No such file or directory"),
    ] {
      let command = try LarderProcess(arguments: ["upgrade", flag, value])
      #expect(try command.awaitExit().status == 1)
      #expect(command.standardError == "larder: \(message)\n")
    }
  }
}
