import Bytes
import HTTP
import Testing

private enum ChunkedOutcome: Equatable {
  case complete(body: String, end: Int)
  case incomplete(body: String)
  case refused(ChunkedError)
}

/// Decodes what arrives in pieces that end at `cuts` and at the end.
private func decode(_ bytes: [UInt8], cutAt cuts: [Int] = []) -> ChunkedOutcome {
  var decoder = ChunkedDecoder()
  var body = ""
  var start = 0
  for end in cuts + [bytes.count] {
    let piece = Array(bytes[start..<end])
    var offset = 0
    pieceLoop: while true {
      let step: ChunkedStep
      do {
        step = try decoder.next(piece.span, from: offset)
      } catch {
        return .refused(error)
      }
      switch step {
      case .data(let range):
        body += text(piece.span.extracting(range))
        offset = range.upper
      case .needMore(let consumed):
        if consumed != piece.count { return .incomplete(body: "not all consumed") }
        break pieceLoop
      case .end(let consumed): return .complete(body: body, end: start + consumed)
      }
    }
    start = end
  }
  return .incomplete(body: body)
}

struct BadChunk: Sendable, CustomTestStringConvertible {
  var body: String
  var error: ChunkedError
  var testDescription: String { body.debugDescription }
  init(_ body: String, _ error: ChunkedError) {
    self.body = body
    self.error = error
  }
}

@Suite("Chunked bodies, RFC 9112 §7.1")
struct ChunkedDecoderTests {
  /// Body, and what it decodes to.
  static let good: [(String, String)] = [
    ("0\r\n\r\n", ""),
    ("5\r\nhello\r\n0\r\n\r\n", "hello"),
    ("5\r\nhello\r\nA\r\n, world!!!\r\n00\r\n\r\n", "hello, world!!!"),
    ("000000000000000a\r\n0123456789\r\n0000000000000000\r\n\r\n", "0123456789"),
    ("2\r\n\r\n\r\n0\r\n\r\n", "\r\n"),  // data may look like anything
    ("5;a\r\nhello\r\n0;b\r\n\r\n", "hello"), ("5;a ;b\r\nhello\r\n0\r\n\r\n", "hello"),
    ("5;a=b;c=\"d;\\\" \\\\ \t\u{e4}\"\r\nhello\r\n0\r\n\r\n", "hello"),
    ("5 \t; \ta \t= \tb \t; \tc=\"\" \t;d\r\nhello\r\n0\r\n\r\n", "hello"),  // bad whitespace, §7.1.1
    ("1\r\nx\r\n0\r\nA: b\r\nC:\t\u{e4} \t\r\n\r\n", "x"),
    ("1\r\nx\r\n0;e=f\r\nContent-Length: 5\r\nTransfer-Encoding: gzip\r\n\r\n", "x"),  // dropped, so harmless
  ]

  static let refused: [BadChunk] = [
    BadChunk("\r\n", .badSize),
    BadChunk("g\r\n", .badSize),
    BadChunk(" 5\r\n", .badSize),
    BadChunk("\t5\r\n", .badSize),
    BadChunk("-5\r\n", .badSize),
    BadChunk("+5\r\n", .badSize),
    BadChunk("0x5\r\n", .badSize),
    BadChunk("5x\r\n", .badSize),
    BadChunk("5,5\r\n", .badSize),
    BadChunk("5.\r\n", .badSize),
    BadChunk(";a\r\n", .badSize),
    BadChunk("\0\r\n", .badSize),
    BadChunk("5\0\r\n", .badSize),
    BadChunk("\u{ff}\r\n", .badSize),
    BadChunk("4000000000000001\r\n", .sizeTooLarge),  // 2⁶² + 1
    BadChunk("7fffffffffffffff\r\n", .sizeTooLarge),
    BadChunk("ffffffffffffffff\r\n", .sizeTooLarge),
    BadChunk("00000000000000005\r\n", .sizeTooLarge),  // 17 digits
    BadChunk("10000000000000005\r\n", .sizeTooLarge),  // 2⁶⁴ + 5
    BadChunk("5\n", .bareLineFeed),
    BadChunk("\n", .bareLineFeed),
    BadChunk("5;a\n", .bareLineFeed),
    BadChunk("5 \n", .bareLineFeed),
    BadChunk("5\rh", .bareCarriageReturn),
    BadChunk("5\r\r\n", .bareCarriageReturn),
    BadChunk("5;a\rb\r\n", .bareCarriageReturn),
    BadChunk("5 \r\n", .badExtension),  // padding that RFC 9112 does not know
    BadChunk("5 5\r\n", .badExtension),
    BadChunk("5;\r\n", .badExtension),
    BadChunk("5;;a\r\n", .badExtension),
    BadChunk("5; \r\n", .badExtension),
    BadChunk("5;=b\r\n", .badExtension),
    BadChunk("5;a=\r\n", .badExtension),
    BadChunk("5;a =\r\n", .badExtension),
    BadChunk("5;a \r\n", .badExtension),
    BadChunk("5;a b\r\n", .badExtension),
    BadChunk("5;a=b c\r\n", .badExtension),
    BadChunk("5;a=b \r\n", .badExtension),
    BadChunk("5;a==b\r\n", .badExtension),
    BadChunk("5;a/b\r\n", .badExtension),
    BadChunk("5;a=b,c\r\n", .badExtension),
    BadChunk("5;a\0\r\n", .badExtension),
    BadChunk("5;a=\"b\r\n", .badExtension),  // no CR within quotes
    BadChunk("5;a=\"b\nc\"\r\n", .bareLineFeed),
    BadChunk("5;a=\"b\u{7f}\"\r\n", .badExtension),
    BadChunk("5;a=\"b\\\r\n\"\r\n", .badExtension),
    BadChunk("5;a=\"b\"c\r\n", .badExtension),
    BadChunk("5;\u{e4}\r\n", .badExtension),
    BadChunk("5\r\nhello0\r\n\r\n", .badDataEnd),
    BadChunk("5\r\nhello\n0\r\n\r\n", .badDataEnd),
    BadChunk("5\r\nhello\r0\r\n\r\n", .badDataEnd),
    BadChunk("5\r\nhello!\r\n", .badDataEnd),  // longer than said
    BadChunk("5\r\nhell\r\n0\r\n\r\n", .badDataEnd),  // shorter than said
    BadChunk("5\r\nhello\r\n\r\n", .badSize),
    BadChunk("0\r\nA\r\n\r\n", .trailer(.badNameByte)),
    BadChunk("0\r\nA : b\r\n\r\n", .trailer(.spaceBeforeColon)),
    BadChunk("0\r\n A: b\r\n\r\n", .trailer(.foldedLine)),
    BadChunk("0\r\nA: b\r\n c\r\n\r\n", .trailer(.foldedLine)),
    BadChunk("0\r\n: b\r\n\r\n", .trailer(.emptyName)),
    BadChunk("0\r\nA\0: b\r\n\r\n", .trailer(.badNameByte)),
    BadChunk("0\r\nA: b\0\r\n\r\n", .trailer(.badValueByte)),
    BadChunk("0\r\nA: b\u{7f}\r\n\r\n", .trailer(.badValueByte)),
    BadChunk("0\r\nA: b\n\r\n", .trailer(.bareLineFeed)),
    BadChunk("0\r\n\n", .trailer(.bareLineFeed)),
    BadChunk("0\r\nA\n", .trailer(.bareLineFeed)),
    BadChunk("0\r\nA: b\rc\r\n\r\n", .trailer(.bareCarriageReturn)),
    BadChunk("0\r\n\r\r\n", .trailer(.bareCarriageReturn)),
    BadChunk("0\r\nGET / HTTP/1.1\r\n\r\n", .trailer(.spaceBeforeColon)),
  ]

  @Test(arguments: good)
  func `good bodies, whole and in any pieces`(_ encoded: String, _ body: String) {
    let bytes = octets(encoded + "0\r\n\r\n")
    let expected = ChunkedOutcome.complete(body: body, end: bytes.count - 5)
    #expect(decode(bytes) == expected)
    for cut in 0...bytes.count { #expect(decode(bytes, cutAt: [cut]) == expected, "\(cut)") }
    #expect(decode(bytes, cutAt: Array(0..<bytes.count)) == expected)
  }

  @Test(arguments: good)
  func `every prefix is incomplete`(_ encoded: String, _ body: String) {
    let bytes = octets(encoded)
    for size in 0..<bytes.count {
      guard case .incomplete(let part) = decode(Array(bytes.prefix(size))) else {
        Issue.record("complete or refused after \(size) bytes")
        continue
      }
      #expect(body.unicodeScalars.starts(with: part.unicodeScalars))
    }
  }

  @Test(arguments: refused)
  func `is refused, whole and in any pieces`(_ chunk: BadChunk) {
    #expect(!chunk.error.text.description.isEmpty)
    let bytes = octets(chunk.body)
    #expect(decode(bytes) == .refused(chunk.error))
    for cut in 0...bytes.count { #expect(decode(bytes, cutAt: [cut]) == .refused(chunk.error), "\(cut)") }
    #expect(decode(bytes, cutAt: Array(0..<bytes.count)) == .refused(chunk.error))
  }

  @Test func `the largest size is taken, and its data is handed on as it comes`() throws {
    var decoder = ChunkedDecoder()
    let bytes = octets("4000000000000000\r\nabc")
    let first = try decoder.next(bytes.span, from: 0)
    #expect(first == .data(ByteRange(18, 21)))
    let second = try decoder.next(bytes.span, from: 21)
    #expect(second == .needMore(consumed: 21))
  }

  @Test func `extensions are bounded over the whole body`() {
    let fitting = "1;" + String(repeating: "a", count: 4094) + "\r\nx\r\n"
    #expect(decode(octets(fitting + "0\r\n\r\n")) == .complete(body: "x", end: fitting.utf8.count + 5))
    let longer = "1;" + String(repeating: "a", count: 4096) + "\r\nx\r\n"
    #expect(decode(octets(longer)) == .refused(.extensionsTooLong))
    let many = String(repeating: "1;ab=c\r\nx\r\n", count: 1000)
    #expect(decode(octets(many)) == .refused(.extensionsTooLong))
    let blanks = "1" + String(repeating: " ", count: 5000)
    #expect(decode(octets(blanks)) == .refused(.extensionsTooLong))
  }

  @Test func `trailers are bounded`() {
    let fitting = "0\r\nA: " + String(repeating: "b", count: 8192 - 7) + "\r\n\r\n"
    #expect(decode(octets(fitting)) == .complete(body: "", end: 3 + 8192))
    let longer = "0\r\nA: " + String(repeating: "b", count: 8192 - 6) + "\r\n\r\n"
    #expect(decode(octets(longer)) == .refused(.trailersTooLong))
  }

  @Test func `after the end nothing more is consumed`() throws {
    var decoder = ChunkedDecoder()
    let bytes = octets("0\r\n\r\nGET /")
    #expect(try decoder.next(bytes.span, from: 0) == .end(consumed: 5))
    #expect(try decoder.next(bytes.span, from: 5) == .end(consumed: 5))
  }
}
