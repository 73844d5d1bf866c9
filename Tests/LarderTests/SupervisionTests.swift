import Foundation
import Testing
import TestSupport
import ThreadStop

/// An origin whose page may be kept, except under `/slow`, which waits for the gate.
private func origin(slow gate: Gate? = nil) throws -> MisbehavingOrigin {
  try MisbehavingOrigin { exchange in
    if exchange.target == "/slow" { try gate?.wait() }
    try exchange.respond(200, ["Cache-Control": "max-age=600"], "page")
  }
}

@Suite("Supervision, L29")
struct SupervisionTests {
  @Test(arguments: [SIGKILL, SIGSEGV])
  func `L29 a child that is ended by a signal under load is replaced, and no connection is refused`(
    _ signal: CInt
  ) throws {
    let origin = try origin()
    try withLarder(["--watchdog", "60s"], before: [origin]) { larder throws in
      let child = try larder.process.awaitChild()
      let load = Load(larder)
      try load.awaitAnswers(200)
      try crash(larder, signal)
      _ = try larder.process.awaitChild(otherThan: child)
      try load.awaitAnswers(load.answers + 200)
      let (refused, cut) = load.stop()
      #expect(refused == 0)
      // Each of the four had at most one request on a connection that the child had accepted.
      #expect(cut <= 4)
      try larder.process.awaitLog("child \(child) was ended by SIG\(signal == SIGKILL ? "KILL" : "SEGV")")
      let listening = larder.process.standardOutput.split(separator: "\n").filter {
        $0.hasPrefix("Listening")
      }
      #expect(listening.count == 1)
    }
  }

  @Test func `L29 a crash is logged with where it happened`() throws {
    let origin = try origin()
    try withLarder(["--watchdog", "60s"], before: [origin]) { larder throws in
      try crash(larder, SIGSEGV)
      _ = try larder.process.awaitLine("a backtrace") { $0.contains("Crew.runUntilEnd") ? true : nil }
    }
  }

  @Test func `L29 a first child that does not come up ends the parent with its status`() throws {
    let process = try LarderProcess(arguments: [
      "serve", "--listen", "127.0.0.1:0", "--admin", "off", "--access-log", "/nowhere/access.log",
    ])
    #expect(try process.awaitExit().status == 1)
    #expect(
      process.standardError == "larder: --access-log '/nowhere/access.log': No such file or directory\n")
    #expect(!process.standardOutput.contains("Listening"))
  }

  @Test func `L29 a child that cannot come up again is tried again until it does`() throws {
    let origin = try origin()
    let folder = try TestFolder()
    try FileManager.default.createDirectory(atPath: "\(folder.path)/logs", withIntermediateDirectories: false)
    try withLarder(["--access-log", "\(folder.path)/logs/access.log"], before: [origin]) { larder throws in
      let child = try larder.process.awaitChild()
      unsafe rename("\(folder.path)/logs", "\(folder.path)/away")
      kill(child, SIGKILL)
      try larder.process.awaitLog("ended with status 1, the next one begins in 1 s")
      let waiting = try larder.client()
      try waiting.sendRequest("/")
      unsafe rename("\(folder.path)/away", "\(folder.path)/logs")
      #expect(try waiting.readResponse().text == "page")
    }
  }

  @Test func `L29 a child that has stopped is killed and replaced`() throws {
    let origin = try origin()
    try withLarder(["--watchdog", "400ms"], before: [origin]) { larder throws in
      let child = try larder.process.awaitChild()
      kill(child, SIGSTOP)
      try eventually("it to stop") { state(of: child) == "T" }
      #expect(try larder.fetch("/").text == "page")
      #expect(try larder.process.awaitChild(otherThan: child) != child)
      try larder.process.awaitLog("child \(child) is silent, and is killed")
    }
  }

  @Test func `L29 a worker that makes no turn ends its child, and the log says which`() throws {
    let origin = try origin()
    try withLarder(["--watchdog", "400ms"], before: [origin]) { larder throws in
      let child = try larder.process.awaitChild()
      let worker = try thread("larder-1", of: child)
      let code = thread_stop(worker)
      guard code == 0 else { throw SupportError.system("ptrace", code) }
      defer { thread_continue(worker) }
      try larder.process.awaitLog("worker 1 has not turned for too long")
      thread_continue(worker)
      try larder.process.awaitLog("child \(child) was ended by SIGABRT")
      #expect(try larder.fetch("/").text == "page")
    }
  }

  @Test func `L29 workers that sleep for longer than the watchdog's time are left alone`() throws {
    let origin = try origin()
    try withLarder(["--watchdog", "1s"], before: [origin]) { larder throws in
      let child = try larder.process.awaitChild()
      pause(milliseconds: 2500)
      #expect(larder.process.children == [child])
      #expect(larder.process.logLines == [])
    }
  }

  @Test func `L29 a child ends with its parent`() throws {
    let origin = try origin()
    let larder = try Larder(backends: [origin.address], flags: [])
    let child = try larder.process.awaitChild()
    larder.process.send(signal: SIGKILL)
    #expect(try larder.process.awaitExit().signal == Int(SIGKILL))
    try eventually("the child to end") { !isRunning(child) }
    #expect(throws: SupportError.self) { try larder.client() }
  }

  @Test func `L30 SIGTERM to parent and child at once drains, as a service manager sends it`() throws {
    let gate = Gate("the head")
    let origin = try origin(slow: gate)
    let larder = try Larder(backends: [origin.address], flags: [])
    let waiting = try larder.client()
    try waiting.sendRequest("/slow")
    try origin.awaitRequests(1)
    kill(try larder.process.awaitChild(), SIGTERM)
    larder.process.send(signal: SIGTERM)
    try eventually("readiness to fail") { (try? larder.admin("/ready").status) ?? 503 == 503 }
    gate.open()
    #expect(try waiting.readResponse().text == "page")
    waiting.close()
    #expect(try larder.process.awaitExit().status == 0)
  }

  @Test func `L29 a child that crashes while it drains gives the parent's status, 128 and the signal`() throws
  {
    let never = Gate("nothing opens this")
    let origin = try origin(slow: never)
    let larder = try Larder(backends: [origin.address], flags: [])
    let waiting = try larder.client()
    try waiting.sendRequest("/slow")
    try origin.awaitRequests(1)
    let child = try larder.process.awaitChild()
    larder.process.send(signal: SIGTERM)
    try eventually("readiness to fail") { (try? larder.admin("/ready").status) ?? 503 == 503 }
    kill(child, SIGKILL)
    #expect(try larder.process.awaitExit().status == 128 + Int(SIGKILL))
    never.open()
  }

  @Test func `SIGUSR1 ends neither parent nor child`() throws {
    let origin = try origin()
    try withLarder(before: [origin]) { larder throws in
      let child = try larder.process.awaitChild()
      larder.process.send(signal: SIGUSR1)
      kill(child, SIGUSR1)
      #expect(try larder.fetch("/").text == "page")
      #expect(larder.process.children == [child])
    }
  }

  @Test func `--no-supervise serves in one process, and says that it cannot be upgraded`() throws {
    let origin = try origin()
    try withLarder(["--no-supervise"], before: [origin]) { larder throws in
      #expect(try larder.fetch("/").text == "page")
      #expect(larder.process.children == [])
      larder.process.send(signal: SIGUSR2)
      try larder.process.awaitLog("no upgrade: --no-supervise leaves nobody who could do it")
      #expect(try larder.fetch("/").cacheStatus == "HIT")
    }
  }

  @Test func `--pid-file names the process to signal, for as long as it runs`() throws {
    let origin = try origin()
    let folder = try TestFolder()
    let path = "\(folder.path)/larder.pid"
    for flags in [[], ["--no-supervise"]] {
      try withLarder(flags + ["--pid-file", path], before: [origin]) { larder throws in
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "\(larder.process.process)\n")
      }
      #expect(!FileManager.default.fileExists(atPath: path))
    }
  }
}

/// The thread of this name.
private func thread(_ name: String, of process: pid_t) throws -> CInt {
  let folder = "/proc/\(process)/task"
  for id in try FileManager.default.contentsOfDirectory(atPath: folder)
  where try String(contentsOfFile: "\(folder)/\(id)/comm", encoding: .utf8) == "\(name)\n" {
    return CInt(id) ?? 0
  }
  throw SupportError.malformed("no thread \(name)")
}

/// Ends the child by a signal.
private func crash(_ larder: Larder, _ signal: CInt) throws {
  let child = try larder.process.awaitChild()
  kill(child, signal)
  try eventually("the child to end, or its backtrace", seconds: 30) {
    !isRunning(child) || larder.process.standardError.contains("Backtrace took")
  }
  // A fault would happen again now, and without a handler; a signal from outside has to be sent again, to a
  // process whose threads run again.
  _ = try larder.fetch("/")
  kill(child, signal)
  try eventually("the child to end") { !isRunning(child) }
}
