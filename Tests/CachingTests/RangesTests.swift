import Bytes
import Caching
import HTTP
import Testing

@Suite("Ranges, RFC 9110 §14")
struct RangesTests {
  private static func outcome(
    _ fields: [String], length: Int = 10, etag: String? = nil, lastModified: Int64? = nil,
    date: Int64? = nil
  ) throws -> RangeOutcome {
    let tag = octets(etag ?? "")
    return try withFields(fields) {
      evaluateRange(
        request: $0, length: length, etag: etag == nil ? nil : tag.span,
        lastModified: lastModified.map { noon + $0 }, date: date.map { noon + $0 })
    }
  }

  @Test(
    arguments: [
      ("bytes=0-1", 10, .part(0..<2), "§14.1.2"),
      ("bytes=1-", 10, .part(1..<10), "§14.1.2: to the end"),
      ("bytes=-3", 10, .part(7..<10), "§14.1.2: suffix"),
      ("bytes=-30", 10, .part(0..<10), "§14.1.2: suffix longer than all"),
      ("bytes=5-99", 10, .part(5..<10), "§14.1.2: past the end"),
      ("bytes=9-9", 10, .part(9..<10), "the last byte"),
      ("BYTES=0-0", 10, .part(0..<1), "§14.1: units in any case"),
      ("bytes=0-99999999999999999999", 10, .part(0..<10), "more than there can be"),
      ("bytes=-99999999999999999999", 10, .part(0..<10), "more than there can be"),
      ("bytes=10-", 10, .unsatisfiable, "§15.5.17: begins past the end"),
      ("bytes=99999999999999999999-", 10, .unsatisfiable, "§15.5.17: begins past the end"),
      ("bytes=-0", 10, .unsatisfiable, "§14.1.2: suffix of nothing"),
      ("bytes=0-", 0, .unsatisfiable, "§15.5.17: nothing there"),
      ("bytes=-5", 0, .whole, "§14.4: the range of nothing cannot be stated"),
      ("bytes=5-2", 10, .whole, "§14.1.1: invalid, ignored"),
      ("bytes=a-2", 10, .whole, "§14.2: invalid, ignored"),
      ("bytes=1-2x", 10, .whole, "§14.2: invalid, ignored"),
      ("bytes=-", 10, .whole, "§14.2: invalid, ignored"),
      ("bytes=", 10, .whole, "§14.2: invalid, ignored"),
      ("bytes=5", 10, .whole, "§14.2: invalid, ignored"),
      ("bytes=+1-2", 10, .whole, "§14.2: invalid, ignored"),
      ("lines=0-1", 10, .whole, "§14.2: unknown unit, ignored"),
    ] as [(String, Int, RangeOutcome, Comment)])
  func `single ranges`(
    _ value: String, _ length: Int, _ expected: RangeOutcome, _ reason: Comment
  ) throws {
    #expect(try Self.outcome(["Range: " + value], length: length) == expected, reason)
  }

  @Test func `no Range, or two`() throws {
    #expect(try Self.outcome([]) == .whole)
    #expect(try Self.outcome(["Range: bytes=0-1", "Range: bytes=0-1"]) == .whole)
  }

  @Test(
    arguments: [
      ("\"a\"", "\"a\"", nil, nil, true, "§13.1.5"),
      ("\"b\"", "\"a\"", nil, nil, false, "§13.1.5: another"),
      ("W/\"a\"", "W/\"a\"", nil, nil, false, "§13.1.5: strong comparison"),
      ("\"a\"", nil, nil, nil, false, "§13.1.5: nothing to compare with"),
      (date(-100), nil, -100, 0, true, "§8.8.2.2: modified before it was sent"),
      (date(-99), nil, -100, 0, false, "§13.1.5: exactly that date"),
      (date(0), nil, 0, 0, false, "§8.8.2.2: modified when it was sent: weak"),
      (date(-100), nil, -100, nil, false, "§8.8.2.2: when it was sent is not known"),
      ("x", nil, -100, 0, false, "neither tag nor date"),
    ] as [(String, String?, Int64?, Int64?, Bool, Comment)])
  func `If-Range`(
    _ condition: String, _ etag: String?, _ lastModified: Int64?, _ sent: Int64?, _ matches: Bool,
    _ reason: Comment
  ) throws {
    let outcome = try Self.outcome(
      ["Range: bytes=0-1", "If-Range: " + condition], etag: etag, lastModified: lastModified, date: sent)
    #expect(outcome == (matches ? .part(0..<2) : .whole), reason)
  }

  @Test(
    arguments: [
      ("bytes=0-1,4-5", 10, .parts([0..<2, 4..<6]), "§14.1.2: several"),
      ("bytes= 0-1 ,\t4-5", 10, .parts([0..<2, 4..<6]), "§5.6.1: whitespace around members"),
      ("bytes=,0-1,,4-5,", 10, .parts([0..<2, 4..<6]), "§5.6.1.2: empty members"),
      ("bytes=0-0,-1", 10, .parts([0..<1, 9..<10]), "§14.1.2: the first and the last"),
      ("bytes=4-5,0-1", 10, .parts([4..<6, 0..<2]), "§15.3.7.2: in the order asked for"),
      ("bytes=0-5,3-7", 10, .part(0..<8), "§15.3.7.2: overlapping"),
      ("bytes=3-7,0-5", 10, .part(0..<8), "§15.3.7.2: overlapping"),
      ("bytes=0-1,2-3", 10, .part(0..<4), "adjacent"),
      ("bytes=2-3,0-1", 10, .part(0..<4), "adjacent"),
      ("bytes=0-0,0-0", 10, .part(0..<1), "twice the same"),
      ("bytes=0-,-1,3-4", 10, .part(0..<10), "within another"),
      ("bytes=0-1,4-5,8-9,1-4", 10, .parts([0..<6, 8..<10]), "one that joins two"),
      ("bytes=8-9,4-5,0-1,1-4", 10, .parts([8..<10, 0..<6]), "in the place of the first of them"),
      ("bytes=8-9,6-6,4-4,2-2,0-0,3-7", 10, .parts([2..<10, 0..<1]), "one that joins three"),
      ("bytes=6-6,4-4,2-2,8-8,4-6", 10, .parts([4..<7, 2..<3, 8..<9]), "others keep their places"),
      ("bytes=0-1,10-11", 10, .part(0..<2), "§14.1.2: what is past the end is left out"),
      ("bytes=10-11,-0,4-5", 10, .part(4..<6), "§14.1.2: what is past the end is left out"),
      ("bytes=10-,-0,99-100", 10, .unsatisfiable, "§15.5.17: none overlaps the body"),
      ("bytes=0-,1-", 0, .unsatisfiable, "§15.5.17: nothing there"),
      ("bytes=0-,-5", 0, .whole, "§14.4: the range of nothing cannot be stated"),
      ("bytes=0-1,x", 10, .whole, "§14.2: one is invalid"),
      ("bytes=0-1,5-2", 10, .whole, "§14.1.1: one is invalid"),
      ("bytes=0-1;4-5", 10, .whole, "§14.1.1: no list"),
      ("bytes=\"0-1,4-5\"", 10, .whole, "§14.1.1: quoted"),
      ("bytes=,", 10, .whole, "§5.6.1: a list of nothing"),
    ] as [(String, Int, RangeOutcome, Comment)])
  func `several ranges`(
    _ value: String, _ length: Int, _ expected: RangeOutcome, _ reason: Comment
  ) throws {
    #expect(try Self.outcome(["Range: " + value], length: length) == expected, reason)
  }

  @Test func `§17.15: more than sixteen ranges get the whole, also where they would be one`() throws {
    let sixteen = (0..<16).map { "\(3 * $0)-\(3 * $0)" }
    let parts = (0..<16).map { 3 * $0..<3 * $0 + 1 }
    let allowed = "Range: bytes=" + sixteen.joined(separator: ",")
    #expect(try Self.outcome([allowed], length: 100) == .parts(parts))
    #expect(try Self.outcome([allowed + ",99-99"], length: 100) == .whole)
    let overlapping = "Range: bytes=" + String(repeating: "0-,", count: 17)
    #expect(try Self.outcome([overlapping], length: 100) == .whole)
    let past = "Range: bytes=" + String(repeating: "100-,", count: 17)
    #expect(try Self.outcome([past], length: 100) == .whole)
  }

  @Test(
    arguments: [
      ("bytes=0-1", true), ("bytes=-1", true), ("bytes=5-,0-1", true), ("bytes=-0", true),
      ("bytes=5-2", false), ("lines=0-1", false), ("bytes=", false),
      ("bytes=" + String(repeating: "0-1,", count: 17), false),
    ])
  func `whether parts are asked for, whatever the length`(_ value: String, _ expected: Bool) throws {
    #expect(try withFields(["Range: " + value]) { asksForPart($0) } == expected)
    #expect(try withFields(["Range: " + value, "If-Range: \"x\""]) { asksForPart($0) } == expected)
  }

  @Test(
    arguments: [
      ("bytes 0-1/4", 4), ("bytes 42-1233/1234", 1234), ("bytes */1234", 1234), ("Bytes 0-1/4", 4),
      ("bytes 0-1/*", nil), ("bytes 0-1/", nil), ("bytes 0-1/-4", nil),
      ("bytes 0-1/99999999999999999999", nil),
      ("lines 0-1/4", nil), ("bytes 0-1", nil), ("", nil),
    ] as [(String, Int?)])
  func `§14.4: the length that Content-Range states`(_ value: String, _ expected: Int?) {
    #expect(completeLength(contentRange: octets(value).span) == expected)
  }

  /// The multipart body as a client sees it, from the whole body.
  private static func body(_ composed: Multipart, of whole: [UInt8]) -> String {
    var bytes: [UInt8] = []
    var at = 0
    for piece in composed.pieces {
      bytes += composed.text[at..<piece.textEnd] + whole[piece.part]
      at = piece.textEnd
    }
    #expect(bytes.count == composed.length)
    return String(decoding: bytes, as: UTF8.self)
  }

  private static let boundary = KeyHash(low: 0xFEDC_BA98_7654_3210, high: 0x0123_4567_89AB_CDEF)
  private static let boundaryText = "0123456789abcdeffedcba9876543210"

  @Test func `§14.6 and RFC 2046 §5.1.1: the body of several parts`() {
    let composed = Multipart(
      [4..<6, 0..<1], of: 10, contentType: octets("text/plain").span, boundary: Self.boundary)
    #expect(
      Self.body(composed, of: octets("0123456789")) == """
        --\(Self.boundaryText)\r
        Content-Type: text/plain\r
        Content-Range: bytes 4-5/10\r
        \r
        45\r
        --\(Self.boundaryText)\r
        Content-Type: text/plain\r
        Content-Range: bytes 0-0/10\r
        \r
        0\r
        --\(Self.boundaryText)--\r

        """)
  }

  @Test func `§15.3.7.2: parts have a type only if the whole has one`() {
    let composed = Multipart([0..<1, 2..<3], of: 3, contentType: nil, boundary: Self.boundary)
    #expect(
      Self.body(composed, of: octets("abc")) == """
        --\(Self.boundaryText)\r
        Content-Range: bytes 0-0/3\r
        \r
        a\r
        --\(Self.boundaryText)\r
        Content-Range: bytes 2-2/3\r
        \r
        c\r
        --\(Self.boundaryText)--\r

        """)
  }

  @Test func `§15.3.7.2: the head of several parts has their type and no place`() {
    let stored = octets(
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Range: x\r\nETag: \"a\"\r\n")
    #expect(
      written { write206Head(stored: stored.span, boundary: Self.boundary, to: &$0) } == """
        HTTP/1.1 206 Partial Content\r
        ETag: "a"\r
        Content-Type: multipart/byteranges; boundary=\(Self.boundaryText)\r

        """)
  }
}
