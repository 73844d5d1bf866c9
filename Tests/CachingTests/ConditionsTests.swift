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
      ("bytes=0-1", 10, .part(start: 0, end: 2), "§14.1.2"),
      ("bytes=1-", 10, .part(start: 1, end: 10), "§14.1.2: to the end"),
      ("bytes=-3", 10, .part(start: 7, end: 10), "§14.1.2: suffix"),
      ("bytes=-30", 10, .part(start: 0, end: 10), "§14.1.2: suffix longer than all"),
      ("bytes=5-99", 10, .part(start: 5, end: 10), "§14.1.2: past the end"),
      ("bytes=9-9", 10, .part(start: 9, end: 10), "the last byte"),
      ("BYTES=0-0", 10, .part(start: 0, end: 1), "§14.1: units in any case"),
      ("bytes=0-99999999999999999999", 10, .part(start: 0, end: 10), "more than there can be"),
      ("bytes=-99999999999999999999", 10, .part(start: 0, end: 10), "more than there can be"),
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
      ("bytes=0-1,4-5", 10, .whole, "§14.2: several, ignored"),
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
    #expect(outcome == (matches ? .part(start: 0, end: 2) : .whole), reason)
  }
}
