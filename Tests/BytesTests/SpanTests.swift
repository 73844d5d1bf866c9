import Bytes
import Testing

/// What the tests ask of spans, which an expectation cannot hold.
extension [UInt8] {
  fileprivate func equals(_ text: StaticString) -> Bool { span.equals(text) }
  fileprivate func equals(_ other: [UInt8]) -> Bool { span.equals(other.span) }
  fileprivate func equalsIgnoringCase(_ text: StaticString) -> Bool { span.equalsIgnoringCase(text) }
  fileprivate func equalsIgnoringCase(_ other: [UInt8]) -> Bool { span.equalsIgnoringCase(other.span) }
  fileprivate func trimmed(_ range: ByteRange) -> ByteRange { span.trimmed(range) }
  fileprivate func position(of byte: UInt8, from start: Int = 0) -> Int? {
    span.firstIndex(of: byte, from: start)
  }
}

@Suite("Spans of bytes")
struct SpanTests {
  private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

  @Test func `bytes are classed as ASCII does`() {
    for byte in UInt8.min...UInt8.max {
      let scalar = Unicode.Scalar(byte)
      #expect(byte.isDigit == ("0"..."9").contains(scalar))
      #expect(byte.isUpper == ("A"..."Z").contains(scalar))
      #expect(byte.isLower == ("a"..."z").contains(scalar))
      #expect(byte.lowered == (("A"..."Z").contains(scalar) ? byte + 32 : byte))
      let digit = byte < 128 ? Character(scalar).hexDigitValue : nil
      #expect(byte.hexValue.map(Int.init) == digit)
    }
  }

  @Test func `named bytes are those of their characters`() {
    #expect(
      String(
        decoding: [
          .tab, .lineFeed, .carriageReturn, .space, .quote, .comma, .dash, .dot, .slash, .colon, .semicolon,
          .equals, .question, .backslash,
        ] as [UInt8], as: UTF8.self) == "\t\n\r \",-./:;=?\\")
  }

  @Test(arguments: [
    ("", "", true), ("a", "a", true), ("a", "b", false), ("a", "ab", false), ("ab", "a", false),
    ("Aa", "aa", false),
  ])
  func `equality is byte for byte`(_ one: String, _ other: String, _ expected: Bool) {
    #expect(bytes(one).equals(bytes(other)) == expected)
  }

  @Test(arguments: [
    ("", "", true), ("Host", "hOST", true), ("host", "hosts", false), ("host", "hosT ", false),
    // @ and ` differ by the same bit as letters do, and so do [ and {.
    ("@", "`", false), ("[", "{", false), ("É", "é", false),
  ])
  func `case is ignored for ASCII letters only`(_ one: String, _ other: String, _ expected: Bool) {
    #expect(bytes(one).equalsIgnoringCase(bytes(other)) == expected)
  }

  @Test func `equality with literals`() {
    #expect(bytes("gzip").equals("gzip"))
    #expect(!bytes("Gzip").equals("gzip"))
    #expect(!bytes("gzi").equals("gzip"))
    #expect(bytes("GZip").equalsIgnoringCase("gzip"))
    #expect(!bytes("GZips").equalsIgnoringCase("gzip"))
    #expect(bytes("").equals("") && bytes("").equalsIgnoringCase(""))
  }

  @Test(arguments: [
    ("", ""), (" ", ""), (" \t \t", ""), ("a", "a"), (" a", "a"), ("a\t", "a"), ("\t a b \t", "a b"),
    ("\u{b}a\r", "\u{b}a\r"),  // Only space and tab are white space (RFC 9110 §5.6.3).
  ])
  func `white space is trimmed from both ends`(_ text: String, _ expected: String) {
    let all = bytes(text)
    let range = all.trimmed(ByteRange(0, all.count))
    #expect(all.span.extracting(range).array == bytes(expected))
  }

  @Test func `trimming keeps within its range`() {
    let all = bytes("a  b  c")
    #expect(all.trimmed(ByteRange(1, 6)) == ByteRange(3, 4))
    #expect(all.trimmed(ByteRange(1, 3)).isEmpty)
    #expect(all.trimmed(ByteRange(3, 4)) == ByteRange(3, 4))
  }

  @Test func `a byte is found from a start on`() {
    let all = bytes("a,b,c")
    #expect(all.position(of: .comma) == 1)
    #expect(all.position(of: .comma, from: 1) == 1)
    #expect(all.position(of: .comma, from: 2) == 3)
    #expect(all.position(of: .comma, from: 4) == nil)
    #expect(all.position(of: .comma, from: 5) == nil)
    #expect([UInt8]().position(of: .comma) == nil)
  }

  @Test(
    arguments: [
      ("0", 0), ("9", 9), ("10", 10), ("007", 7), ("9223372036854775807", Int.max),
      ("9223372036854775808", nil),
      ("9999999999999999999", nil), ("0000000000000000001", 1), ("00000000000000000001", nil), ("", nil),
      ("-1", nil), ("+1", nil), (" 1", nil), ("1 ", nil), ("1a", nil), ("٣", nil), ("1_0", nil),
      ("0x10", nil),
    ] as [(String, Int?)])
  func `a decimal number is digits and nothing else`(_ text: String, _ expected: Int?) {
    #expect(bytes(text).span.decimal == expected)
  }

  @Test func `a range of offsets has the size of two of them`() {
    #expect(MemoryLayout<ByteRange>.size == 8)
    let range = ByteRange(3, 10)
    #expect(range.count == 7 && range.lower == 3 && range.upper == 10 && !range.isEmpty)
    #expect(ByteRange.empty.isEmpty && ByteRange.empty.count == 0)
    #expect(ByteRange(0, Int(UInt32.max)).count == Int(UInt32.max))
  }
}
