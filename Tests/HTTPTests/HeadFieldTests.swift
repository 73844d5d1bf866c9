import Bytes
import HTTP
import Testing

@Suite("Lists, RFC 9110 §5.6.1")
struct ListMembersTests {
  @Test(
    arguments: [
      ("", []), (" \t", []), (",", []), (" , ,\t,", []), ("a", ["a"]), (" a\t", ["a"]), ("a,b", ["a", "b"]),
      (", a , ,b c ,", ["a", "b c"]), ("a=\"b, c\", d", ["a=\"b, c\"", "d"]),
      ("\"a\\\", b\", c", ["\"a\\\", b\"", "c"]), ("\"a\\\\\", b", ["\"a\\\\\"", "b"]),
      ("a, \"b, c", ["a", "\"b, c"]), ("\"a\\", ["\"a\\"]),
      ("a\\, b", ["a\\", "b"]),  // no escape outside quotes
      ("W/\"x,y\" , \"z\"", ["W/\"x,y\"", "\"z\""]),
    ] as [(String, [String])])
  func `members`(_ value: String, _ members: [String]) {
    let bytes = octets(value)
    var found: [String] = []
    forEachListMember(of: bytes.span) { found.append(text($0)) }
    #expect(found == members)
  }
}

@Suite("Known fields")
struct KnownFieldTests {
  @Test func `each is known by its name in any case, and its name is a token`() {
    for field in KnownField.allCases where field != .other {
      let name = octets("\(field.name)")
      for bytes in [name, name.map(\.lowered), octets("\(field.name)".uppercased())] {
        let found = KnownField.identify(bytes.span)
        #expect(found == field)
      }
    }
  }

  @Test func `a name with one byte changed, added or missing is another`() {
    for field in KnownField.allCases where field != .other {
      let name = octets("\(field.name)")
      for i in name.indices {
        for byte in UInt8.min...UInt8.max where byte.lowered != name[i].lowered {
          var changed = name
          changed[i] = byte
          let found = KnownField.identify(changed.span)
          #expect(found == .other, "\(text(changed.span))")
        }
        var shorter = name
        shorter.remove(at: i)
        let found = KnownField.identify(shorter.span)
        #expect(found == .other)
      }
      for longer in [name + octets("s"), octets("X") + name] {
        let found = KnownField.identify(longer.span)
        #expect(found == .other)
      }
    }
    let nothing: [UInt8] = []
    let found = KnownField.identify(nothing.span)
    #expect(found == .other)
  }
}

@Suite("Fields of one connection, RFC 9110 §7.6.1")
struct HopByHopTests {
  @Test(
    arguments: [
      ("Host: a\r\nAccept: b\r\n", ["Host|a", "Accept|b"]),
      (
        "Host: a\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nProxy-Authorization: x\r\n"
          + "Proxy-Authenticate: x\r\nTE: x\r\nTrailer: x\r\nUpgrade: h2c\r\nVia: b\r\n", ["Host|a", "Via|b"]
      ),
      (
        "Host: a\r\nConnection: X-One, close , x-TWO\r\nX-One: 1\r\nX-Two: 2\r\nX-Three: 3\r\n",
        ["Host|a", "X-Three|3"]
      ),
      ("X-One: 1\r\nHost: a\r\nConnection: b\r\nB: 1\r\nConnection: x-one\r\nB: 2\r\n", ["Host|a"]),
      ("Host: a\r\nConnection: upgrade, http2-settings\r\nHTTP2-Settings: x\r\nUpgrade: h2c\r\n", ["Host|a"]),
      ("Host: a\r\nConnection: cookie\r\nCookie: b\r\n", ["Host|a"]),
      // Naming what frames a message, or says what it is and whether it may be stored, has no effect.
      (
        "Connection: host, content-length, cache-control, vary, content-encoding, date, age\r\nHost: a\r\n"
          + "Connection: forwarded, x-forwarded-for\r\nForwarded: for=b\r\nX-Forwarded-For: b\r\n"
          + "Content-Length: 5\r\nCache-Control: private\r\nVary: b\r\nContent-Encoding: gzip\r\nDate: c\r\n"
          + "Age: 1\r\n",
        [
          "Host|a", "Forwarded|for=b", "X-Forwarded-For|b", "Content-Length|5", "Cache-Control|private",
          "Vary|b", "Content-Encoding|gzip", "Date|c",
          "Age|1",
        ]
      ),
      ("Host: a\r\nTransfer-Encoding: chunked\r\n", ["Host|a"]),
    ] as [(String, [String])])
  func `are removed`(_ fields: String, _ kept: [String]) throws {
    var request = RequestHead()
    let bytes = octets("GET / HTTP/1.1\r\n" + fields + "\r\n")
    let arrived = Arrived(bytes)
    defer { withExtendedLifetime(arrived) {} }
    let isComplete = unsafe try request.parse(arrived.base, count: bytes.count)
    #expect(isComplete)
    request.head.removeHopByHop()
    let left = fieldTexts(request.head)
    #expect(left == kept)
    let hasConnection = request.head.has(.connection)
    let hasHost = request.head.has(.host)
    #expect(!hasConnection)
    #expect(hasHost)
  }

  @Test func `added lines can be named too`() throws {
    var head = Head()
    head.append(.connection, "x-added")
    let name = octets("X-Added")
    let value = octets("1")
    head.append(name: name.span, value: value.span)
    head.append(.via, "b")
    head.removeHopByHop()
    let left = fieldTexts(head)
    #expect(left == ["Via|b"])
  }
}

@Suite("Status texts")
struct StatusTextTests {
  @Test(
    arguments: [
      (200, "OK"), (304, "Not Modified"), (404, "Not Found"), (413, "Content Too Large"),
      (431, "Request Header Fields Too Large"), (502, "Bad Gateway"), (504, "Gateway Timeout"),
      (299, "Success"), (499, "Client Error"), (599, "Server Error"), (0, ""), (600, ""),
    ] as [(UInt16, String)])
  func `reason`(_ status: UInt16, _ reason: String) {
    #expect("\(StatusText.reason(status))" == reason)
  }
}
