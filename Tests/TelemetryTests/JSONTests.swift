import Bytes
import Foundation
import Testing

@testable import Telemetry

/// The value of a text, without offsets, as Foundation would show it: for comparing.
private func plain(_ text: String) throws -> String {
  let bytes = Array(text.utf8)
  return show(try JSON.parse(bytes.span), in: bytes)
}

private func show(_ member: JSONMember, in text: [UInt8]) -> String {
  "\(String(decoding: member.name, as: UTF8.self)):\(show(member.content, in: text))"
}

private func show(_ json: JSON, in text: [UInt8]) -> String {
  switch json.value {
  case .null: "null"
  case .bool(let value): "\(value)"
  case .number(let range): String(decoding: text[range.lower..<range.upper], as: UTF8.self)
  case .string(let bytes): "<\(String(decoding: bytes, as: UTF8.self))>"
  case .array(let elements): "[\(elements.map { show($0, in: text) }.joined(separator: ","))]"
  case .object(let members):
    "{\(members.map { show($0, in: text) }.joined(separator: ","))}"
  }
}

@Suite("JSON, RFC 8259")
struct JSONTests {
  @Test(arguments: [
    ("null", "null"), ("true", "true"), ("false", "false"), ("\"\"", "<>"), ("[]", "[]"), ("{}", "{}"),
    (" \t\r\n[ 1 , 2 ] ", "[1,2]"),
    ("{ \"a\" : { \"b\" : [ null ] } }", "{a:{b:[null]}}"),
    ("0", "0"), ("-0", "-0"), ("12.50", "12.50"), ("1e9", "1e9"), ("-1.5E+10", "-1.5E+10"), ("1E-2", "1E-2"),
    ("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "<\"\\/\u{8}\u{C}\n\r\t>"),
    ("\"\\u0041\\u00e9\\u20AC\"", "<Aé€>"),
    ("\"\\ud83d\\ude00\"", "<😀>"),  // a pair makes one scalar
    ("\"é€😀\u{7F}\"", "<é€😀\u{7F}>"),  // DEL needs no escape (§7)
    ("\"\\u0000\"", "<\0>"),
  ])
  func `accepts`(_ text: String, _ expected: String) throws {
    #expect(try plain(text) == expected)
  }

  @Test(arguments: [
    ("", JSONError.unexpectedEnd(at: 0)), ("  ", .unexpectedEnd(at: 2)),
    ("nul", .unexpectedEnd(at: 3)), ("nulL", .unexpectedByte(at: 3)), ("True", .unexpectedByte(at: 0)),
    ("'a'", .unexpectedByte(at: 0)), ("NaN", .unexpectedByte(at: 0)), ("// a", .unexpectedByte(at: 0)),
    ("\u{FEFF}1", .unexpectedByte(at: 0)),  // byte order mark (§8.1)
    ("1 2", .trailingBytes(at: 2)), ("{}x", .trailingBytes(at: 2)), ("1\0", .trailingBytes(at: 1)),
    ("01", .badNumber(at: 1)), ("-01", .badNumber(at: 2)), ("-a", .badNumber(at: 1)),
    ("-", .unexpectedEnd(at: 1)),
    ("1.", .unexpectedEnd(at: 2)), ("1.e3", .badNumber(at: 2)), ("1e", .unexpectedEnd(at: 2)),
    ("1e+x", .badNumber(at: 3)), (".5", .unexpectedByte(at: 0)), ("+1", .unexpectedByte(at: 0)),
    ("[1,]", .unexpectedByte(at: 3)), ("[,1]", .unexpectedByte(at: 1)), ("[1 2]", .unexpectedByte(at: 3)),
    ("[1", .unexpectedEnd(at: 2)), ("[1}", .unexpectedByte(at: 2)),
    ("{\"a\":1,}", .unexpectedByte(at: 7)), ("{a:1}", .unexpectedByte(at: 1)),
    ("{\"a\"}", .unexpectedByte(at: 4)),
    ("{1:1}", .unexpectedByte(at: 1)), ("{\"a\":1 \"b\":2}", .unexpectedByte(at: 7)),
    ("{\"a\":1,\"a\":2}", .duplicateMember(at: 7)),
    ("{\"a\":1,\"\\u0061\":2}", .duplicateMember(at: 7)),  // the same name, written otherwise
    ("\"a", .unexpectedEnd(at: 2)), ("\"a\nb\"", .controlByte(at: 2)), ("\"\t\"", .controlByte(at: 1)),
    ("\"\\x41\"", .badEscape(at: 1)), ("\"\\u12g4\"", .badEscape(at: 1)), ("\"\\", .unexpectedEnd(at: 2)),
    ("\"\\ud83d\"", .loneSurrogate(at: 1)), ("\"\\ude00\"", .loneSurrogate(at: 1)),
    ("\"\\ud83d\\n\"", .loneSurrogate(at: 1)), ("\"\\ud83d\\u0041\"", .loneSurrogate(at: 1)),
    ("\"\\ud83dx\"", .loneSurrogate(at: 1)), ("\"\\ud83d\\ud83d\"", .loneSurrogate(at: 1)),
  ])
  func `refuses at the offending byte`(_ text: String, _ error: JSONError) {
    let bytes = Array(text.utf8)
    #expect(throws: error) { _ = try JSON.parse(bytes.span) }
    #expect(!error.text.description.isEmpty && error.offset <= bytes.count)
  }

  @Test(
    arguments: [
      [0x80], [0xBF], [0xC0, 0xAF], [0xC1, 0xBF],  // continuation first; overlong slash
      [0xC2], [0xE2, 0x82], [0xF0, 0x9F, 0x98],  // cut short
      [0xC2, 0x41], [0xE2, 0x28, 0xA1], [0xE2, 0x82, 0x28],  // a continuation missing
      [0xE0, 0x80, 0xAF], [0xF0, 0x80, 0x80, 0xAF],  // overlong
      [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF],  // surrogates
      [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFF],  // above U+10FFFF
    ] as [[UInt8]])
  func `refuses what is not UTF-8`(_ sequence: [UInt8]) {
    let bytes = [34] + sequence + [34]
    #expect(throws: JSONError.badUTF8(at: 1)) { _ = try JSON.parse(bytes.span) }
  }

  @Test func `every prefix of a good text ends too early`() throws {
    let text = Array("{\"urls\":[\"http://h/\\u00e9\\ud83d\\ude00é\",true,null,-1.5e3],\"soft\":false}".utf8)
    _ = try JSON.parse(text.span)
    for length in 0..<text.count {
      let prefix = Array(text[..<length])
      #expect(throws: JSONError.self, "\(length)") { _ = try JSON.parse(prefix.span) }
    }
  }

  @Test func `nesting ends at the limit, not at the end of the stack`() throws {
    let deep = Array((String(repeating: "[", count: 16) + String(repeating: "]", count: 16)).utf8)
    _ = try JSON.parse(deep.span)
    let tooDeep = [UInt8](repeating: UInt8(ascii: "["), count: 500_000)
    #expect(throws: JSONError.tooDeep(at: 16)) { _ = try JSON.parse(tooDeep.span) }
    // Depth counts what is open, not what has been.
    let wide = Array(("[" + String(repeating: "[[]],", count: 100) + "{}]").utf8)
    _ = try JSON.parse(wide.span, limits: JSONLimits(depth: 3))
  }

  @Test func `a text above the size limit is refused unread`() {
    let text = Array("[1,2]".utf8)
    #expect(throws: JSONError.tooLong(limit: 4)) {
      _ = try JSON.parse(text.span, limits: JSONLimits(bytes: 4))
    }
  }

  @Test func `any bytes are answered, never trapped on`() {
    var random = SystemRandomNumberGenerator()
    let alphabet = Array("[]{}\",:\\u0d8e-+.tfn \n".utf8) + [0, 0x80, 0xC2, 0xED, 0xF4, 0xFF]
    for _ in 0..<20_000 {
      let text = (0..<Int.random(in: 0..<24, using: &random)).map { _ in
        alphabet.randomElement(using: &random)!
      }
      do { _ = try JSON.parse(text.span) } catch { #expect(error.offset <= text.count, "\(text)") }
    }
  }

  @Test(arguments: ["", "plain", "q\"b\\s/", "\n\r\t\u{1}\u{1F}\u{7F}", "é€😀", "\0", "\u{80}\u{91}\u{9F}"])
  func `a written string reads back the same`(_ text: String) throws {
    var out = OutputBuffer(capacity: 8)
    out.append(jsonString: text)
    let written = string(out)
    #expect(try plain(written) == "<\(text)>")
    let foundation = try JSONSerialization.jsonObject(with: Data(written.utf8), options: .fragmentsAllowed)
    #expect(foundation as? String == text)
  }

  @Test func `bytes that are not UTF-8 are written as U+FFFD`() {
    let bytes: [UInt8] = [97, 0xFF, 98, 0xC3]
    var out = OutputBuffer(capacity: 8)
    out.append(jsonString: bytes.span)
    #expect(string(out) == "\"a\\ufffdb\\ufffd\"")
  }
}
