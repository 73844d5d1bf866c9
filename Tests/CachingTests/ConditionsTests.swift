import Caching
import HTTP
import Testing

@Suite("Conditions, RFC 9110 §13 and RFC 9111 §4.3.2")
struct ConditionsTests {
  private static func outcome(
    _ fields: [String], etag: String? = nil, lastModified: Int64? = nil, status: UInt16 = 200
  ) throws -> ConditionalOutcome {
    let tag = octets(etag ?? "")
    return try withFields(fields) {
      evaluateConditions(
        request: $0, etag: etag == nil ? nil : tag.span, lastModified: lastModified.map { noon + $0 },
        status: status)
    }
  }

  @Test(
    arguments: [
      ("\"a\"", "\"a\"", .notModified, "§13.1.2"),
      ("W/\"a\"", "\"a\"", .notModified, "§8.8.3.2: weak comparison"),
      ("\"a\"", "W/\"a\"", .notModified, "§8.8.3.2: weak comparison"),
      ("W/\"a\"", "W/\"a\"", .notModified, "§8.8.3.2: weak comparison"),
      ("\"b\"", "\"a\"", .deliver, "another"),
      ("\"A\"", "\"a\"", .deliver, "§8.8.3: case counts"),
      ("\"x\", \"a\", \"y\"", "\"a\"", .notModified, "§13.1.2: a list"),
      ("\"x\",,\"a\"", "\"a\"", .notModified, "RFC 9110 §5.6.1.2: empty members"),
      ("\"x,\", \"a\"", "\"a\"", .notModified, "§8.8.3: a comma within a tag"),
      ("\"x, \"", "\" \"", .deliver, "§8.8.3: a comma within a tag"),
      ("\"x\\\", \"a\"", "\"a\"", .notModified, "§8.8.3: a backslash is an ordinary byte"),
      ("*", "\"a\"", .notModified, "§13.1.2: anything stored"),
      ("*", nil, .notModified, "§13.1.2: anything stored"),
      ("\"*\"", "\"a\"", .deliver, "a tag that looks like it"),
      ("\"a\"", nil, .deliver, "no tag stored"),
      ("", "\"a\"", .deliver, "an empty list matches nothing"),
      ("a", "a", .notModified, "what is no tag matches itself"),
      ("w/\"a\"", "\"a\"", .deliver, "§8.8.3: the prefix is upper case"),
    ] as [(String, String?, ConditionalOutcome, Comment)])
  func `If-None-Match`(
    _ condition: String, _ etag: String?, _ expected: ConditionalOutcome, _ reason: Comment
  ) throws {
    #expect(try Self.outcome(["If-None-Match: " + condition], etag: etag) == expected, reason)
  }

  @Test func `If-None-Match over two lines is one list`() throws {
    #expect(
      try Self.outcome(["If-None-Match: \"x\"", "If-None-Match: \"a\""], etag: "\"a\"") == .notModified)
  }

  @Test(
    arguments: [
      (date(0), 0, .notModified, "§13.1.3: not modified since"),
      (date(10), 0, .notModified, "§13.1.3"),
      (date(-1), 0, .deliver, "§13.1.3: modified since"),
      ("Sunday, 15-Jun-25 12:00:00 GMT", 0, .notModified, "§5.6.7: obsolete form"),
      ("yesterday", 0, .deliver, "§13.1.3: no date, ignored"),
      (date(10), nil, .deliver, "nothing to compare with"),
    ] as [(String, Int64?, ConditionalOutcome, Comment)])
  func `If-Modified-Since`(
    _ condition: String, _ lastModified: Int64?, _ expected: ConditionalOutcome, _ reason: Comment
  ) throws {
    let fields = ["If-Modified-Since: " + condition]
    #expect(try Self.outcome(fields, lastModified: lastModified) == expected, reason)
  }

  @Test func `two If-Modified-Since are none`() throws {
    let fields = ["If-Modified-Since: " + date(10), "If-Modified-Since: " + date(10)]
    #expect(try Self.outcome(fields, lastModified: 0) == .deliver)
  }

  @Test func `§13.2.2: If-None-Match goes before If-Modified-Since`() throws {
    let fields = ["If-Modified-Since: " + date(10), "If-None-Match: \"b\""]
    #expect(try Self.outcome(fields, etag: "\"a\"", lastModified: 0) == .deliver)
  }

  @Test(
    arguments: [
      (200, .notModified), (204, .notModified), (301, .deliver), (404, .deliver), (503, .deliver),
    ] as [(UInt16, ConditionalOutcome)])
  func `§13.2.1: conditions count for 2xx only`(
    _ status: UInt16, _ expected: ConditionalOutcome
  ) throws {
    #expect(try Self.outcome(["If-None-Match: \"a\""], etag: "\"a\"", status: status) == expected)
  }

  @Test func `L10: If-Match and If-Unmodified-Since are the origin's`() throws {
    #expect(try withFields(["If-Match: \"a\""]) { mustAskOrigin($0) })
    #expect(try withFields(["If-Unmodified-Since: " + date(0)]) { mustAskOrigin($0) })
    #expect(try !withFields(["If-None-Match: \"a\"", "If-Modified-Since: x"]) { mustAskOrigin($0) })
  }
}
