import Bytes
import Foundation
import Testing

@testable import Telemetry

/// The line for a record whose values are given as bytes.
func line(
  client: [UInt8] = Array("192.0.2.1".utf8), request: [UInt8] = [], referer: [UInt8] = [],
  agent: [UInt8] = [],
  upstream: [UInt8] = [], second: Int64 = 0, fill: (inout AccessRecord) -> Void = { _ in }
) -> String {
  var record = AccessRecord(
    client: client.span, requestLine: request.span, referer: referer.span, userAgent: agent.span,
    upstream: upstream.span)
  fill(&record)
  var clock = LogClock()
  clock.set(second)
  var out = OutputBuffer(capacity: 8)
  record.write(clock: clock, to: &out)
  return string(out)
}

@Suite("Access log line")
struct AccessRecordTests {
  @Test func `nginx's combined format, then status, reason, server and times`() throws {
    let written = line(
      request: Array("GET /a?b HTTP/1.1".utf8), referer: Array("http://r/".utf8), agent: Array("curl/8".utf8),
      upstream: Array("127.0.0.1:3000".utf8)
    ) {
      $0.status = 200
      $0.bodyBytes = 612
      $0.cacheStatus = "MISS"
      $0.reason = "not stored"
      $0.requestMicroseconds = 1_012_345
      $0.firstByteMicroseconds = 9
    }
    let shape = #/192\.0\.2\.1 - - \[[^\]]+\] "GET /a\?b HTTP/1\.1" 200 612 "http://r/" "curl/8" (.*)\n/#
    let rest = try #require(written.wholeMatch(of: shape)).1
    #expect(rest == "MISS \"not stored\" 127.0.0.1:3000 1.012345 0.000009")
  }

  @Test func `what is not there is a dash`() {
    #expect(line(client: []).hasPrefix("- - - ["))
    #expect(line().hasSuffix("] \"-\" 0 0 \"-\" \"-\" - \"-\" - 0.000000 -\n"))
  }

  @Test(
    arguments: [
      ([0x22], "\\x22"), ([0x5C], "\\x5C"),  // would end or bend the field
      ([0x0A], "\\x0A"), ([0x0D], "\\x0D"), ([0x00], "\\x00"), ([0x1B, 0x5B], "\\x1B["),  // line, terminal
      ([0x7F], "\\x7F"), ([0xC3, 0xA9], "\\xC3\\xA9"), ([0xFF], "\\xFF"),
      ([0x20, 0x7E, 0x21], " ~!"),
    ] as [([UInt8], String)])
  func `values are escaped as nginx does`(_ value: [UInt8], _ text: String) {
    #expect(line(agent: value).contains("\"-\" \"\(text)\" - "))
  }

  @Test func `every byte of every value leaves one line with its quotes in place`() {
    for byte in UInt8.min...UInt8.max {
      let value: [UInt8] = [97, byte, 98]
      let written = line(client: value, request: value, referer: value, agent: value, upstream: value)
      #expect(written.utf8.allSatisfy { $0 == 10 || (32..<127).contains($0) })
      #expect(written.utf8.count { $0 == 10 } == 1 && written.utf8.count { $0 == 34 } == 8)
    }
  }

  @Test func `three values of the greatest length fit into a chunk`() {
    let long = [UInt8](repeating: 0xFF, count: 100_000)
    let written = line(client: Array("::1".utf8), request: long, referer: long, agent: long)
    #expect(written.utf8.count <= LogRing.chunkBytes)
    #expect(written.contains("\\xFF...\" \"-") == false && written.contains("\\xFF...\" "))
  }

  @Test func `a value is cut between escapes, only above the limit`() {
    var out = OutputBuffer(capacity: 8)
    out.append(escaped: Array("ab\u{1}".utf8).span, limit: 6)
    #expect(string(out) == "ab\\x01")
    out.removeAll()
    out.append(escaped: Array("ab\u{1}".utf8).span, limit: 5)
    #expect(string(out) == "ab...")
  }

  /// Foundation reads back what was written, whatever this machine's time zone.
  @Test(arguments: [Int64(0), 951_782_400, 1_763_985_286, 4_102_444_799])
  func `the time is nginx's local time with its offset`(_ second: Int64) throws {
    let text = try #require(line(second: second).firstMatch(of: /\[(.*?)\]/)).1
    let format = DateFormatter()
    format.locale = Locale(identifier: "en_US_POSIX")
    format.dateFormat = "dd/MMM/yyyy:HH:mm:ss Z"
    #expect(text.count == 26)
    #expect(format.date(from: String(text))?.timeIntervalSince1970 == Double(second))
  }
}
