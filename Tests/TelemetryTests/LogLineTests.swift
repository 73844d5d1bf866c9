import Bytes
import Foundation
import Testing

@testable import Telemetry

/// What `write` adds to a line in the given escaping.
private func written(
  _ source: String = "$status", second: Int64 = 0, _ write: (inout LogLine) -> Void
) throws -> String {
  var line = LogLine(try LogFormat(source))
  line.begin(wallSeconds: second)
  write(&line)
  return string(line.text)
}

private let json = "escape=json $status"

@Suite("Access log line")
struct LogLineTests {
  @Test(
    arguments: [
      ([0x22], "\\x22"), ([0x5C], "\\x5C"),  // would end or bend the field
      ([0x0A], "\\x0A"), ([0x0D], "\\x0D"), ([0x00], "\\x00"), ([0x1B, 0x5B], "\\x1B["),  // line, terminal
      ([0x7F], "\\x7F"), ([0xC3, 0xA9], "\\xC3\\xA9"), ([0xFF], "\\xFF"),
      ([0x20, 0x7E, 0x21], " ~!"), ([], "-"),
    ] as [([UInt8], String)])
  func `values are escaped as nginx does`(_ value: [UInt8], _ text: String) throws {
    #expect(try written { $0.append(value: value.span) } == text)
  }

  /// At every offset, since bytes are looked at sixteen at a time.
  @Test(arguments: [0, 7, 15, 16, 17, 40])
  func `every byte at every place leaves one line of printable text`(_ offset: Int) throws {
    for byte in UInt8.min...UInt8.max {
      var value = [UInt8](repeating: 97, count: 48)
      value[offset] = byte
      let text = try written { $0.append(value: value.span) }
      #expect(text.utf8.allSatisfy { (32..<127).contains($0) && $0 != 34 })
      let back = text.replacing(/\\x([0-9A-F]{2})/) { String(UnicodeScalar(UInt8($0.1, radix: 16)!)) }
      #expect(back.unicodeScalars.map { UInt8($0.value) } == value)
    }
  }

  @Test(arguments: [0, 7, 15, 16, 17, 40])
  func `JSON reads every byte back, and what is no UTF-8 as U+FFFD`(_ offset: Int) throws {
    for byte in UInt8.min...UInt8.max {
      var value = [UInt8](repeating: 97, count: 48)
      value[offset] = byte
      let text = "\"" + (try written(json) { $0.append(value: value.span) }) + "\""
      let read = try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
      let expected = byte == 127 ? "\u{7F}" : byte < 128 ? String(UnicodeScalar(byte)) : "\u{FFFD}"
      let letters = Array(repeating: "a", count: 48)
      #expect(read as? String == (letters[..<offset] + [expected] + letters[(offset + 1)...]).joined())
      #expect(!text.utf8.contains { $0 < 32 || $0 == 127 })
    }
  }

  @Test func `JSON keeps UTF-8, and no control of C1 with it`() throws {
    let value = Array("é€😀\u{9B}\u{A0}".utf8)
    #expect(try written(json) { $0.append(value: value.span) } == "é€😀\\u009b\u{A0}")
  }

  @Test func `a value is cut between escapes, only above the limit`() {
    func cut(_ text: String, _ end: Int, json: Bool = false) -> String {
      var out = OutputBuffer(capacity: 8)
      let bytes = Array(text.utf8)
      if json {
        out.append(jsonEscaped: bytes.span, end: end)
      } else {
        out.append(hexEscaped: bytes.span, end: end)
      }
      return string(out)
    }
    #expect(cut("ab\u{1}", 6) == "ab\\x01")
    #expect(cut("ab\u{1}", 5) == "ab...")
    #expect(cut("abc", 3) == "abc")
    #expect(cut("abcd", 3) == "abc...")
    #expect(cut("ab\u{1}", 8, json: true) == "ab\\u0001")
    #expect(cut("ab\u{1}", 7, json: true) == "ab...")
  }

  @Test func `what is not there is a dash, in JSON nothing between quotes and null outside`() throws {
    func all(_ line: inout LogLine) {
      let nothing: [UInt8] = []
      line.append(value: nothing.span)
      line.append(word: "")
      line.append(hash: 0)
      line.append(number: nil)
      line.append(seconds: nil)
    }
    #expect(try written { all(&$0) } == "-----")
    #expect(try written(json) { all(&$0) } == "nullnull")
  }

  @Test(arguments: [
    (0, "0.000000"), (9, "0.000009"), (1_012_345, "1.012345"), (59_999_999, "59.999999"), (-5, "0.000000"),
  ])
  func `times are in seconds with six decimals`(_ microseconds: Int, _ text: String) throws {
    #expect(try written { $0.append(seconds: microseconds) } == text)
  }

  @Test func `the values of a field's lines are joined, and cut together`() throws {
    let (one, two) = (Array("a".utf8), Array("b".utf8))
    let text = try written { line in
      line.beginValue()
      line.append(piece: one.span)
      line.appendSeparator()
      line.append(piece: two.span)
      line.endValue()
    }
    #expect(text == "a, b")
  }

  @Test(arguments: [
    ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin"),  // RFC 7617 §2
    ("basic dGVzdDoxMjPCow==", "test"),  // RFC 7617 §2.1
    ("Basic QQ==", "-"), ("Basic ", "-"), ("Bearer QWxhZGRpbjpv", "-"), ("Basic *", "-"), ("", "-"),
    ("Basic YSJiCjpj", "a\\x22b\\x0A"),
  ])
  func `the user is that of Basic credentials`(_ credentials: String, _ user: String) throws {
    let bytes = Array(credentials.utf8)
    #expect(try written { $0.append(userOf: bytes.span) } == user)
  }

  /// Foundation reads back what was written, whatever this machine's time zone.
  @Test(arguments: [Int64(0), 951_782_400, 1_763_985_286, 4_102_444_799])
  func `both times are nginx's, local with their offset`(_ second: Int64) throws {
    let format = DateFormatter()
    format.locale = Locale(identifier: "en_US_POSIX")
    let local = try written(second: second) { $0.appendLocalTime() }
    format.dateFormat = "dd/MMM/yyyy:HH:mm:ss Z"
    #expect(local.count == 26 && format.date(from: local)?.timeIntervalSince1970 == Double(second))
    let iso = try written(second: second) { $0.appendISOTime() }
    format.dateFormat = "yyyy-MM-dd'T'HH:mm:ssxxx"
    #expect(iso.count == 25 && format.date(from: iso)?.timeIntervalSince1970 == Double(second))
  }
}
