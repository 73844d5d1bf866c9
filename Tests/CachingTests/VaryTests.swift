import Bytes
import Caching
import HTTP
import Testing

@Suite("Vary, RFC 9111 §4.1")
struct VaryTests {
  private static func list(_ fields: [String]) throws -> (names: String, isStar: Bool) {
    let list = try withResponse(fields) { VaryList.parse(from: $0) }
    return (String(decoding: list.names, as: UTF8.self), list.isStar)
  }

  @Test(
    arguments: [
      ([], "", "does not vary"),
      (["Vary: Foo"], "foo", "RFC 9110 §5.1: names in any case"),
      (["Vary: Foo, BAR"], "bar,foo", "order does not count"),
      (["Vary: Foo", "Vary: bar, , foo"], "bar,foo", "lines are one list; doubled names are one"),
      (["Vary: "], "", "an empty list"),
    ] as [([String], String, Comment)])
  func `the names, sorted`(_ fields: [String], _ names: String, _ reason: Comment) throws {
    let list = try Self.list(fields)
    #expect(list.names == names, reason)
    #expect(!list.isStar, reason)
  }

  @Test(
    arguments: [
      (["Vary: *"], "RFC 9110 §12.5.5"), (["Vary: *, *"], "doubled"),
      (["Vary: , *"], "behind an empty member"),
      (["Vary: Foo, *"], "among names"), (["Vary: Foo", "Vary: *"], "in a second line"),
      (["Vary: a b"], "not a field name"), (["Vary: \"a\""], "not a field name"),
      (["Vary: " + (0..<33).map { "x\($0)" }.joined(separator: ",")], "more names than anyone means"),
      (["Vary: " + String(repeating: "x", count: 1025)], "longer than anyone means"),
    ] as [([String], Comment)])
  func `never to be selected`(_ fields: [String], _ reason: Comment) throws {
    #expect(try Self.list(fields).isStar, reason)
  }

  @Test func `a variant's selecting fields are told as they were sent, in the order of the names`() throws {
    let fields = ["Foo: 1", "Accept-Encoding: gzip, br", "foo: 2", "Other: x"]
    let lines = try withFields(fields) { request in
      var output = OutputBuffer(capacity: 64)
      writeSelectingLines(octets("accept-encoding,bar,foo").span, request: request, to: &output)
      return text(output.bytes)
    }
    #expect(lines == "accept-encoding: gzip, br\nfoo: 1\nfoo: 2\n")
  }

  private static let seed = HashSeed(0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210)

  private static func hash(_ names: String, _ fields: [String], seed: HashSeed = seed) throws -> KeyHash {
    try withFields(fields) { selectingHash(octets(names).span, request: $0, seed: seed) }
  }

  @Test(
    arguments: [
      ("foo", ["Foo: 1"], ["foo:1"], "RFC 9110 §5.1: names in any case, whitespace around the value"),
      ("foo", ["Foo: 1, 2"], ["Foo: 1", "Foo: 2"], "§4.1: lines are one list"),
      ("foo", ["Foo: 1, 2"], ["Foo: 1 ,\t2"], "§4.1: whitespace around members"),
      ("foo", ["Foo: 1"], ["Bar: 3", "Foo: 1"], "other fields do not select"),
      ("", ["Foo: 1"], [], "nothing selects"),
      (
        "accept-language", ["Accept-Language: en, de"], ["Accept-Language: de,EN"],
        "§12.5.4: no order, no case"
      ),
      (
        "accept-encoding", ["Accept-Encoding: gzip;q=0.5, br"], ["Accept-Encoding: br, gzip ; q=0.5"],
        "§12.5.3"
      ),
      (
        "accept-encoding", ["Accept-Encoding: gzip", "Accept-Encoding: br"], ["Accept-Encoding: br, gzip"],
        "lines"
      ),
    ] as [(String, [String], [String], Comment)])
  func `L8: the same variant`(
    _ names: String, _ one: [String], _ other: [String], _ reason: Comment
  ) throws {
    #expect(try Self.hash(names, one) == Self.hash(names, other), reason)
  }

  @Test(
    arguments: [
      ("foo", ["Foo: 1"], ["Foo: 2"], "§4.1: another value"),
      ("foo", ["Foo: 1"], [], "§4.1: absent"),
      ("foo", ["Foo:"], [], "§4.1: empty is not absent"),
      ("foo", ["Foo: a"], ["Foo: A"], "values of unknown fields have case"),
      ("foo", ["Foo: 1, 2"], ["Foo: 2, 1"], "and order"),
      ("foo", ["Foo: 12"], ["Foo: 1 2"], "and inner whitespace"),
      ("foo", ["Foo: \"1, 2\""], ["Foo: \"1\", \"2\""], "RFC 9110 §5.6.4: a quoted comma does not part"),
      ("bar,foo", ["Foo: 1", "Bar: 2"], ["Foo: 2", "Bar: 1"], "which field has it"),
      ("bar,foo", ["Foo: 1"], ["Bar: 1"], "which field is there"),
      ("bar,foo", ["Bar: 1", "Foo: "], ["Bar: ", "Foo: 1"], "which field is empty"),
      ("accept-encoding", ["Accept-Encoding: gzip"], ["Accept-Encoding: br"], "another coding"),
      ("accept-encoding", ["Accept-Encoding: gzip"], ["Accept-Encoding: gzip;q=0"], "weights count"),
      ("accept-encoding", ["Accept-Encoding: gzip"], ["Accept-Encoding: gzip, br"], "one more"),
      ("accept-encoding", ["Accept-Encoding:"], [], "RFC 9110 §12.5.3: empty means identity, absent any"),
    ] as [(String, [String], [String], Comment)])
  func `L8: another variant`(
    _ names: String, _ one: [String], _ other: [String], _ reason: Comment
  ) throws {
    #expect(try Self.hash(names, one) != Self.hash(names, other), reason)
  }

  @Test func `the hash depends on the names`() throws {
    #expect(try Self.hash("foo", []) != Self.hash("bar", []))
    #expect(try Self.hash("foo", []) != Self.hash("", []))
  }

  @Test func `the hash depends on the seed`() throws {
    for fields in [["Accept-Encoding: gzip"], ["Accept-Encoding: gzip, br"], []] {
      #expect(
        try Self.hash("accept-encoding", fields)
          != Self.hash("accept-encoding", fields, seed: HashSeed(1, 2)))
    }
  }

  @Test func `100,000 values are 100,000 variants`() throws {
    var seen = Set<KeyHash>()
    for number in 0..<100_000 {
      let field = octets("ua/\(number)")
      var head = Head()
      head.append(.userAgent, field.span)
      seen.insert(selectingHash(octets("user-agent").span, request: head, seed: Self.seed))
    }
    #expect(seen.count == 100_000)
  }
}
