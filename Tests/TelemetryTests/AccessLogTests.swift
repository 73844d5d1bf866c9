import Bytes
import Foundation
import Testing

@testable import Telemetry

/// A directory of its own for each test, removed with it.
private final class Place {
  let path: String

  init() {
    path = NSTemporaryDirectory() + "larder-log-\(UUID().uuidString)"
    try! FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func lines(_ name: String) throws -> [String] {
    let text = try String(contentsOfFile: path + "/" + name, encoding: .utf8)
    #expect(text.isEmpty || text.hasSuffix("\n"), "the last line is whole")
    return text.split(separator: "\n").map(String.init)
  }
}

extension AccessLogBuffer {
  /// A line with `text` in it.
  fileprivate mutating func append(_ text: String, at now: Milliseconds = 0) {
    let request = Array(text.utf8)
    begin(wallSeconds: 0)
    for i in 0..<partCount where beginPart(i).variable == .request { line.append(value: request.span) }
    end(now: now)
  }
}

private func format() -> LogFormat { try! LogFormat("- \"$request\" -") }

@Suite("Access log")
struct AccessLogTests {
  let counters = WorkerCounters(decisionCount: 1)
  var dropped: Int { counters.value(of: .accessLogLinesDropped) }

  @Test(arguments: [
    ("off", AccessLogTarget.off), ("stdout", .standardOutput), ("stderr", .standardError),
    ("journal", .journal), ("a/b", .file("a/b")), ("./off", .file("./off")),
  ])
  func `the flag names a target`(_ text: String, _ target: AccessLogTarget) {
    #expect(AccessLogTarget(text) == target && target.text == text)
  }

  @Test func `off takes nothing and ends at once`() throws {
    let log = try AccessLog(.off, format(), workers: 2)
    var buffer = log.buffer(worker: 0, counters: counters)
    #expect(!log.isOn && !buffer.isOn)
    buffer.append("a")
    buffer.flush()
    #expect(log.close(within: 0) && dropped == 0)
  }

  @Test func `lines of all workers arrive whole, each worker's in order`() throws {
    let place = Place()
    let log = try AccessLog(.file(place.path + "/a.log"), format(), workers: 2)
    let total = 3000
    var first = log.buffer(worker: 0, counters: counters)
    var second = log.buffer(worker: 1, counters: counters)
    for i in 0..<total {
      first.append("w0 \(i)")
      second.append("w1 \(i)")
    }
    first.flush()
    second.flush()
    #expect(log.close(within: 10_000))
    let lines = try place.lines("a.log")
    // All of it is less than the rings hold.
    #expect(lines.count == 2 * total && dropped == 0)
    for worker in 0..<2 {
      let numbers = lines.compactMap { $0.firstMatch(of: /"w(\d) (\d+)"/) }.filter { Int($0.1) == worker }
        .map { Int($0.2)! }
      #expect(numbers == numbers.sorted() && numbers.last == total - 1)
    }
  }

  @Test func `an existing file is appended to`() throws {
    let place = Place()
    try "old\n".write(toFile: place.path + "/a.log", atomically: false, encoding: .utf8)
    let log = try AccessLog(.file(place.path + "/a.log"), format(), workers: 1)
    var buffer = log.buffer(worker: 0, counters: counters)
    buffer.append("new")
    buffer.flush()
    #expect(log.close(within: 10_000))
    #expect(try place.lines("a.log").map { $0.contains("new") } == [false, true])
  }

  @Test func `a path that cannot be opened is an error at start`() {
    #expect(throws: AccessLogError(path: "/nowhere/a.log", code: ENOENT)) {
      _ = try AccessLog(.file("/nowhere/a.log"), format(), workers: 1)
    }
  }

  @Test func `a file that was renamed is written to until it is reopened`() throws {
    let place = Place()
    let log = try AccessLog(.file(place.path + "/a.log"), format(), workers: 1)
    var buffer = log.buffer(worker: 0, counters: counters)
    try FileManager.default.moveItem(atPath: place.path + "/a.log", toPath: place.path + "/a.log.1")
    buffer.append("before")
    buffer.flush()
    while try place.lines("a.log.1").isEmpty { sched_yield() }
    log.reopen()
    buffer.append("after")
    buffer.flush()
    #expect(log.close(within: 10_000))
    #expect(try place.lines("a.log").map { $0.contains("after") } == [true])
    #expect(try place.lines("a.log.1").map { $0.contains("before") } == [true])
  }

  @Test func `a file that cannot be reopened goes on, and is counted`() throws {
    let place = Place()
    try FileManager.default.createDirectory(atPath: place.path + "/old", withIntermediateDirectories: false)
    let log = try AccessLog(.file(place.path + "/old/a.log"), format(), workers: 1)
    try FileManager.default.moveItem(atPath: place.path + "/old", toPath: place.path + "/new")
    var buffer = log.buffer(worker: 0, counters: counters)
    log.reopen()
    buffer.append("kept")
    buffer.flush()
    #expect(log.close(within: 10_000))
    #expect(try place.lines("new/a.log").count == 1)
    #expect(log.writeErrors == 1 && log.linesLost == 0)
  }

  @Test func `a pipe that nobody reads is an error at start, not a wait for a reader`() throws {
    let place = Place()
    let path = place.path + "/pipe"
    unsafe #expect(mkfifo(path, 0o600) == 0)
    #expect(throws: AccessLogError(path: path, code: ENXIO)) {
      _ = try AccessLog(.file(path), format(), workers: 1)
    }
  }

  @Test func `a full disk is counted and does not end the log`() throws {
    let log = try AccessLog(.file("/dev/full"), format(), workers: 1)
    var buffer = log.buffer(worker: 0, counters: counters)
    buffer.append("lost")
    buffer.flush()
    #expect(log.close(within: 10_000))
    #expect(log.writeErrors == 1 && log.linesLost == 1)
  }

  /// The reader of the pipe takes nothing until the worker is through: a worker that waited would never be.
  @Test func `a target that takes nothing costs lines, counted, and never time`() throws {
    let place = Place()
    let path = place.path + "/pipe"
    unsafe #expect(mkfifo(path, 0o600) == 0)
    let reader = unsafe open(path, O_RDONLY | O_NONBLOCK)
    defer { close(reader) }
    let log = try AccessLog(.file(path), format(), workers: 1)
    var buffer = log.buffer(worker: 0, counters: counters)
    let total = 2000
    let padding = String(repeating: "x", count: 1000)
    for i in 0..<total { buffer.append("\(i) \(padding)") }
    #expect(dropped > 0)
    #expect(!log.close(within: 10), "the writer is still stuck")

    _ = fcntl(reader, F_SETFL, 0)
    buffer.flush()
    let text = try #require(try FileHandle(fileDescriptor: reader).readToEnd())
    let lines = text.split(separator: 10)
    #expect(lines.allSatisfy { $0.suffix(1003) == lines[0].suffix(1003) })
    let numbers = lines.compactMap { line in
      Int(String(decoding: line.dropFirst(3).prefix { $0 != 32 }, as: UTF8.self))
    }
    #expect(numbers.count == lines.count)
    #expect(numbers == numbers.sorted() && numbers.first == 0)
    #expect(numbers.count <= total - dropped)
  }
}

@Suite("Access log buffer of a worker")
struct AccessLogBufferTests {
  let counters = WorkerCounters(decisionCount: 1)
  let ring = LogRing()
  var buffer: AccessLogBuffer { AccessLogBuffer(format(), ring: ring, wake: nil, counters: counters) }

  @Test func `lines are handed over when one second old`() {
    var buffer = buffer
    buffer.append("a", at: 5000)
    buffer.flushIfOld(5999)
    #expect(ring.readyBytes(0) == 0)
    buffer.flushIfOld(6000)
    #expect(ring.readyBytes(0) > 0)
    // The age is that of the chunk's own first line.
    buffer.append("b", at: 6500)
    buffer.flushIfOld(7499)
    #expect(ring.readyBytes(1) == 0)
    buffer.append("c", at: 7500)
    #expect(ring.readyBytes(1) > 0)
  }

  @Test func `a full chunk is handed over with whole lines`() {
    var buffer = buffer
    while ring.readyBytes(0) == 0 { buffer.append(String(repeating: "x", count: 1000)) }
    let count = ring.readyBytes(0)
    #expect(count <= LogRing.chunkBytes && count > LogRing.chunkBytes - 1100)
    let last = unsafe ring.chunk(0)[count - 1]
    #expect(last == 10)
  }

  @Test func `when every chunk waits for the writer lines are dropped, and taken again after`() {
    var buffer = buffer
    while ring.readyBytes(LogRing.chunkCount - 1) == 0 { buffer.append(String(repeating: "x", count: 1000)) }
    let before = counters.value(of: .accessLogLinesDropped)
    buffer.append("dropped")
    #expect(counters.value(of: .accessLogLinesDropped) == before + 1)
    ring.giveBack(0)
    buffer.append("taken")
    buffer.flush()
    #expect(counters.value(of: .accessLogLinesDropped) == before + 1)
    #expect(ring.readyBytes(0) > 0)
  }

  @Test func `nothing gathered, nothing handed over`() {
    var buffer = buffer
    buffer.flush()
    buffer.flushIfOld(1 << 40)
    #expect(ring.readyBytes(0) == 0)
  }
}
