import Foundation
import Testing

@testable import Telemetry

@Suite("Access log's target")
struct LogSinkTests {
  private let folder = NSTemporaryDirectory() + "larder-sink-\(UUID().uuidString)"

  init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }

  private func write(_ text: String, to sink: inout LogSink) -> Int {
    let bytes = Array(text.utf8)
    return unsafe bytes.withUnsafeBufferPointer { unsafe sink.write($0.baseAddress!, $0.count) }
  }

  /// The peer goes while a long line is being written: some of it was taken, the rest never will be.
  @Test func `after a write that failed in the middle of a line, no line is joined to what is left of it`()
    throws
  {
    _ = signal(SIGPIPE, SIG_IGN)
    var ends: [CInt] = [0, 0]
    unsafe #expect(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends) == 0)
    let (near, far) = (ends[0], ends[1])
    let reader = Thread {
      var byte: UInt8 = 0
      _ = unsafe read(far, &byte, 1)
      close(far)
    }
    reader.start()
    var sink = LogSink(.stream(near), adopting: near)
    let long = String(repeating: "x", count: 4 << 20)
    #expect(write("\(long)\nsecond\n", to: &sink) == 2)

    // The target takes lines again.
    let file = folder + "/log"
    let number = unsafe open(file, O_WRONLY | O_CREAT, 0o600)
    dup2(number, near)
    close(number)
    #expect(write("third\n", to: &sink) == 0 && write("fourth\n", to: &sink) == 0)
    close(near)
    #expect(try String(contentsOfFile: file, encoding: .utf8) == "\nthird\nfourth\n")
    try FileManager.default.removeItem(atPath: folder)
  }

  private func listen(_ path: String) -> CInt {
    let number = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    let result = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(number, $0, size) }
    }
    #expect(result == 0)
    return number
  }

  private func receive(_ number: CInt) -> String {
    var space = [UInt8](repeating: 0, count: 1000)
    let count = unsafe recv(number, &space, space.count, 0)
    return String(decoding: space.prefix(max(count, 0)), as: UTF8.self)
  }

  @Test func `the journal gets a datagram of fields for each line, also after it was restarted`() throws {
    let path = folder + "/s"
    let first = listen(path)
    let descriptor = LogSink.open(.journal(path))
    #expect(descriptor >= 0)
    var sink = LogSink(.journal(path), adopting: descriptor)
    #expect(write("one\ntwo=2\n", to: &sink) == 0)
    let fields = "PRIORITY=6\nSYSLOG_IDENTIFIER=larder\nMESSAGE="
    #expect(receive(first) == fields + "one\n" && receive(first) == fields + "two=2\n")
    close(first)
    #expect(write("lost\n", to: &sink) == 1)
    try FileManager.default.removeItem(atPath: path)
    let second = listen(path)
    #expect(write("three\n", to: &sink) == 0)
    #expect(receive(second) == fields + "three\n")
    close(second)
    try FileManager.default.removeItem(atPath: folder)
  }

  @Test func `a journal that is not there is an error at start`() {
    #expect(throws: AccessLogError(path: folder + "/none", code: ENOENT)) {
      _ = try LogWriter(.journal(folder + "/none"), rings: [])
    }
  }
}
