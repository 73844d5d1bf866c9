import CLinux
import Foundation
import Synchronization

/// A running `larder`, the one built beside the test binary (or named by `LARDER_BINARY`).
public final class LarderProcess: Sendable {
  public struct Exit: Sendable, Equatable {
    /// The exit status; `nil`: ended by `signal`.
    public var status: Int?
    public var signal: Int?
  }

  public let process: pid_t
  private let output = Watched(Output())
  private let exit = Watched(Exit?.none)

  private struct Output {
    var lines: [String] = []
    var text: [String] = ["", ""]
    var openPipes = 2
  }

  /// Starts it with exactly these arguments, or another of our programs. Foundation's `Process` has crashed
  /// in `run` while other tests opened and closed descriptors by the hundred.
  public init(program: String = LarderProcess.binary, arguments: [String]) throws {
    raiseDescriptorLimit()
    let (out, outEnd) = try Self.pipe()
    let (error, errorEnd) = try Self.pipe()
    process = try Self.spawn(program, arguments, output: outEnd, error: errorEnd)
    Glibc.close(outEnd)
    Glibc.close(errorEnd)
    for (index, pipe) in [out, error].enumerated() {
      startThread { [output] in Self.collect(pipe, index, output) }
    }
    startThread { [process, exit] in
      var status: CInt = 0
      while waitpid(process, &status, 0) < 0, errno == EINTR {}
      let signal = Int(status & 0x7f)
      let ended = Exit(
        status: signal == 0 ? Int(status >> 8 & 0xff) : nil, signal: signal == 0 ? nil : signal)
      exit.update { $0 = ended }
    }
  }

  /// What it wrote to standard output and to standard error so far.
  public var standardOutput: String { output.read { $0.text[0] } }
  public var standardError: String { output.read { $0.text[1] } }
  public var exitNow: Exit? { exit.read { $0 } }

  /// Waits for a line, on either stream, from which `found` makes something.
  public func awaitLine<R>(_ what: String, _ found: (String) throws -> R?) throws -> R {
    do {
      return try output.wait(for: what, seconds: 10) { output in
        for line in output.lines { if let result = try found(line) { return result } }
        if output.openPipes == 0 { throw SupportError.processFailed("ended before \(what)") }
        return nil
      }
    } catch {
      throw SupportError.processFailed("\(error); it said:\n\(standardOutput)\(standardError)")
    }
  }

  /// Waits until both streams ended, then for the process.
  public func awaitExit(seconds: Double = 15) throws -> Exit {
    let ended = try exit.wait(for: "larder to end", seconds: seconds) { $0 }
    _ = try output.wait(for: "the end of its output", seconds: 5) { $0.openPipes == 0 ? true : nil }
    return ended
  }

  public func send(signal: CInt) { if exitNow == nil { kill(process, signal) } }

  /// SIGTERM, then waits. Whatever is left after that is killed and reported.
  public func stop() throws -> Exit {
    send(signal: SIGTERM)
    do { return try awaitExit() } catch {
      killAll()
      throw SupportError.processFailed("did not end on SIGTERM; it said:\n\(standardOutput)\(standardError)")
    }
  }

  /// Kills it and what it started (a process group of its own).
  public func killAll() { if exitNow == nil { kill(-process, SIGKILL) } }

  deinit { if exit.read({ $0 == nil }) { kill(-process, SIGKILL) } }

  public static let binary: String = {
    if let named = ProcessInfo.processInfo.environment["LARDER_BINARY"] { return named }
    let here = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    return URL(fileURLWithPath: here).deletingLastPathComponent().appendingPathComponent("larder").path
  }()

  private static func pipe() throws -> (CInt, CInt) {
    var ends: [CInt] = [0, 0]
    // A process that another test starts now must not inherit them: an end held open hides the close.
    try check("socketpair", socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends))
    return (ends[0], ends[1])
  }

  private static func spawn(
    _ program: String, _ arguments: [String], output: CInt, error: CInt
  ) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    posix_spawn_file_actions_adddup2(&actions, error, 2)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // The threads that run tests block signals, and a child would inherit that.
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
    posix_spawnattr_setpgroup(&attributes, 0)
    var argv = ([program] + arguments).map { strdup($0) } + [nil]
    defer { for pointer in argv { free(pointer) } }
    var process = pid_t()
    let code = posix_spawn(&process, program, &actions, &attributes, &argv, environ)
    guard code == 0 else { throw SupportError.system("posix_spawn \(program)", code) }
    return process
  }

  private static func collect(_ pipe: CInt, _ index: Int, _ output: Watched<Output>) {
    var partial: [UInt8] = []
    var space = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = read(pipe, &space, space.count)
      if count < 0, errno == EINTR { continue }
      if count <= 0 { break }
      partial += space[0..<count]
      output.update { output in
        output.text[index] += String(decoding: space[0..<count], as: UTF8.self)
        while let feed = partial.firstIndex(of: 10) {
          output.lines.append(String(decoding: partial[..<feed], as: UTF8.self))
          partial.removeFirst(feed + 1)
        }
      }
    }
    Glibc.close(pipe)
    output.update { output in
      if !partial.isEmpty { output.lines.append(String(decoding: partial, as: UTF8.self)) }
      output.openPipes -= 1
    }
  }
}

/// `larder serve` on free ports of 127.0.0.1, with what tests ask of it.
public final class Larder: Sendable {
  public let process: LarderProcess
  public let port: UInt16
  public let adminPort: UInt16

  /// Two workers unless `flags` say otherwise: what is shared must be shared across threads.
  ///
  /// - Parameter environment: Variables as `NAME=value`, beside our own.
  /// - Parameter descriptors: As many as `ulimit -n` lets it have; `nil`: as many as this process.
  public init(
    backends: [String], flags: [String], program: String = LarderProcess.binary, environment: [String] = [],
    descriptors: Int? = nil
  ) throws {
    var arguments = ["serve"]
    if !flags.contains("--listen") { arguments += ["--listen", "127.0.0.1:0"] }
    if !flags.contains("--admin") { arguments += ["--admin", "127.0.0.1:0"] }
    if !flags.contains("--workers") { arguments += ["--workers", "2"] }
    for backend in backends { arguments += ["--backend", backend] }
    let limit = descriptors.map { ["/bin/sh", "-c", "ulimit -n \($0) && exec \"$0\" \"$@\""] } ?? []
    process = try LarderProcess(
      program: "/usr/bin/env", arguments: environment + limit + [program] + arguments + flags)
    port = try process.awaitLine("the listener's address") { line in
      line.hasPrefix("Listening on ") ? Self.port(in: line) : nil
    }
    let isAdminOff = flags.firstIndex(of: "--admin").map { flags[$0 + 1] == "off" } ?? false
    adminPort =
      isAdminOff
      ? 0
      : try process.awaitLine("the admin address") { line in
        line.hasPrefix("Admin on ") ? Self.port(in: line) : nil
      }
  }

  /// The port of the first `127.0.0.1:PORT` in a line.
  public static func port(in line: String) -> UInt16? {
    guard let address = line.range(of: "127.0.0.1:") else { return nil }
    let digits = line[address.upperBound...].prefix(while: \.isNumber)
    return UInt16(digits).flatMap { $0 == 0 ? nil : $0 }
  }

  public func client(timeout: Double = 10, receiveBuffer: Int? = nil) throws -> RawClient {
    try RawClient(port: port, timeout: timeout, receiveBuffer: receiveBuffer)
  }

  /// One request on a connection of its own.
  public func fetch(
    _ target: String, method: String = "GET", host: String = "a.test", fields: Fields = [:],
    body: [UInt8]? = nil
  ) throws -> Response {
    let client = try client()
    defer { client.close() }
    return try client.fetch(target, method: method, host: host, fields: fields, body: body)
  }

  /// One request to the admin listener, with the Host that a user of curl sends.
  public func admin(
    _ target: String, method: String = "GET", host: String? = nil, fields: Fields = [:], body: String? = nil
  ) throws -> Response {
    let client = try RawClient(port: adminPort)
    defer { client.close() }
    return try client.fetch(
      target, method: method, host: host ?? "127.0.0.1:\(adminPort)", fields: fields,
      body: body.map { Array($0.utf8) })
  }

  /// Asks again, 50 times a second, while the answer is a fresh hit; returns the first that is not.
  ///
  /// Time has to pass for a response to become stale, and the proxy's clock alone says when it has.
  public func fetchWhenStale(_ target: String, fields: Fields = [:]) throws -> Response {
    let client = try client()
    defer { client.close() }
    var last: Response?
    try eventually("\(target) to become stale") {
      let response = try client.fetch(target, fields: fields)
      last = response
      if response.cacheStatus == "HIT" { usleep(10_000) }
      return response.cacheStatus != "HIT"
    }
    return last!
  }

  /// Sends raw bytes, half-closes nothing, and returns the client for reading.
  public func send(_ text: String) throws -> RawClient {
    let client = try client()
    try client.send(text)
    return client
  }
}

/// Runs `body` with a proxy before `origins`, then ends it by SIGTERM.
///
/// Throws when it did not end with exit status 0: then it crashed, hung or reported something impossible.
@discardableResult
public func withLarder<R>(
  _ flags: [String] = [], before origins: [MisbehavingOrigin], environment: [String] = [],
  _ body: (Larder) throws -> R
) throws -> R {
  try withLarder(flags, backends: origins.map(\.address), environment: environment, body)
}

@discardableResult
public func withLarder<R>(
  _ flags: [String] = [], backends: [String], environment: [String] = [], descriptors: Int? = nil,
  _ body: (Larder) throws -> R
) throws -> R {
  let larder = try Larder(
    backends: backends, flags: flags, environment: environment, descriptors: descriptors)
  let result: R
  do {
    result = try body(larder)
  } catch {
    let ended = larder.process.exitNow
    larder.process.killAll()
    let state = ended.map { "it had ended: \($0)" } ?? "it was running"
    throw SupportError.processFailed(
      "\(error); \(state); it said:\n\(larder.process.standardError.suffix(4000))")
  }
  let exit = try larder.process.stop()
  guard exit == LarderProcess.Exit(status: 0, signal: nil) else {
    throw SupportError.processFailed(
      "ended with \(exit); it said:\n\(larder.process.standardError.suffix(4000))")
  }
  return result
}
