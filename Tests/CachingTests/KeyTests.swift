import Bytes
import Caching
import HTTP
import Testing

@Suite("Keys, L6")
struct KeyTests {
  private static func key(_ template: KeyTemplate, scheme: StaticString = "http", _ lines: [String]) throws
    -> String
  {
    try withRequest(lines) { request in
      written { template.write(scheme: scheme, request: request, to: &$0) }
    }.replacing("\0", with: "|")
  }

  @Test(
    arguments: [
      (["GET /a?b=c HTTP/1.1", "Host: example.com"], "http|GET|example.com|/a?b=c|", "the parts"),
      (["HEAD /a HTTP/1.1", "Host: example.com"], "http|GET|example.com|/a|", "HEAD shares GET's"),
      (
        ["GET / HTTP/1.1", "Host: EXAMPLE.com"], "http|GET|example.com|/|",
        "RFC 9110 §4.2.3: host has no case"
      ),
      (["GET / HTTP/1.1", "Host: a:80"], "http|GET|a|/|", "RFC 9110 §4.2.3: the default port"),
      (["GET / HTTP/1.1", "Host: a:8080"], "http|GET|a:8080|/|", "another port is another origin"),
      (["GET / HTTP/1.1", "Host: a:443"], "http|GET|a:443|/|", "the other scheme's port is not default"),
      (["GET / HTTP/1.1", "Host: [::1]:80"], "http|GET|[::1]|/|", "IPv6"),
      (["GET http://A HTTP/1.1", "Host: b"], "http|GET|a|/|", "RFC 9112 §3.2.2: absolute form, empty path"),
      (
        ["GET http://a?q HTTP/1.1", "Host: b"], "http|GET|a|/?q|", "RFC 9110 §4.2.3: empty path with a query"
      ),
      (["GET /%7Ea/../B//?x= HTTP/1.1", "Host: a"], "http|GET|a|/%7Ea/../B//?x=|", "L6: byte for byte"),
      (["GET /? HTTP/1.1", "Host: a"], "http|GET|a|/?|", "L6: byte for byte"),
    ] as [([String], String, Comment)])
  func `the standard template`(_ lines: [String], _ expected: String, _ reason: Comment) throws {
    #expect(try Self.key(.standard, lines) == expected, reason)
    let spelled = try KeyTemplate("$scheme$request_method$host$request_uri")
    #expect(spelled == .standard)
  }

  @Test func `https has its own default port`() throws {
    let lines = ["GET / HTTP/1.1", "Host: a:443"]
    #expect(try Self.key(.standard, scheme: "https", lines) == "https|GET|a|/|")
  }

  private static let request = [
    "GET /p/q?V=1&b=2&v=3&c HTTP/1.1", "Host: Ex.com:81", "Cookie: s=1; Lang=de", "Cookie: t=2",
    "X-Own: a", "X-Own: b",
  ]

  @Test(
    arguments: [
      ("$host$uri", "ex.com:81|/p/q|", "path without query"),
      ("$host$args", "ex.com:81|V=1&b=2&v=3&c|", "query"),
      ("$host$query_string", "ex.com:81|V=1&b=2&v=3&c|", "its other name"),
      ("$host$uri$is_args$args", "ex.com:81|/p/q|?|V=1&b=2&v=3&c|", "nginx's idiom"),
      ("$http_host", "Ex.com:81|", "as received"),
      ("$host$arg_v", "ex.com:81|1|", "the first, case ignored, as in nginx"),
      ("$host$arg_b", "ex.com:81|2|", "the second"),
      ("$host$arg_c", "ex.com:81||", "no value"),
      ("$host$arg_zz", "ex.com:81||", "not there"),
      ("$host$cookie_lang", "ex.com:81|de|", "a cookie, case ignored, as in nginx"),
      ("$host$cookie_t", "ex.com:81|2|", "in the second line"),
      ("$host$cookie_x", "ex.com:81||", "not there"),
      ("$host$http_x_own", "ex.com:81|a, b|", "RFC 9110 §5.3: lines are joined"),
      ("$host$http_x_none", "ex.com:81||", "not there"),
      ("v1-${host}x${uri}", "v1-ex.com:81|x/p/q|", "literals and braces"),
    ] as [(String, String, Comment)])
  func `nginx's variables`(_ template: String, _ expected: String, _ reason: Comment) throws {
    #expect(try Self.key(KeyTemplate(template), Self.request) == expected, reason)
  }

  @Test func `no question mark without arguments`() throws {
    let template = try KeyTemplate("$host$is_args")
    #expect(try Self.key(template, ["GET / HTTP/1.1", "Host: a"]) == "a||")
    #expect(try Self.key(template, ["GET /? HTTP/1.1", "Host: a"]) == "a||")
  }

  @Test func `different parts never add up to one key`() throws {
    let template = try KeyTemplate("$host$arg_a$arg_b")
    let one = try Self.key(template, ["GET /?a=1&b=23 HTTP/1.1", "Host: a"])
    let other = try Self.key(template, ["GET /?a=12&b=3 HTTP/1.1", "Host: a"])
    #expect(one != other)
  }

  @Test(arguments: [
    ("$host$nope", KeyTemplateError.unknownVariable("nope")),
    ("$host$arg_", .unknownVariable("arg_")),
    ("$host$", .malformedVariable),
    ("$host$-", .malformedVariable),
    ("${host", .malformedVariable),
    ("$host\u{0}", .controlCharacter),
    ("$request_uri", .withoutHost),
    ("", .withoutHost),
  ])
  func `a bad template is refused`(_ template: String, _ error: KeyTemplateError) {
    #expect(throws: error) { try KeyTemplate(template) }
  }
}

@Suite("Canonical URLs, L7")
struct CanonicalURLTests {
  @Test(
    arguments: [
      (["GET /a?b HTTP/1.1", "Host: EX.com"], "ex.com/a?b", "no scheme, host without case"),
      (
        ["POST /a HTTP/1.1", "Host: ex.com:80", "Content-Length: 0"], "ex.com/a", "every method; default port"
      ),
      (["GET /A HTTP/1.1", "Host: ex.com:443"], "ex.com/A", "either scheme's default port"),
      (["GET / HTTP/1.1", "Host: ex.com:8080"], "ex.com:8080/", "another port"),
      (["GET http://ex.com HTTP/1.1", "Host: ex.com"], "ex.com/", "empty path"),
    ] as [([String], String, Comment)])
  func `of a request`(_ lines: [String], _ expected: String, _ reason: Comment) throws {
    let url = try withRequest(lines) { request in written { writeCanonicalURL(request, to: &$0) } }
    #expect(url == expected, reason)
    // What a purge names is found under it.
    #expect(canonicalURL(from: octets(url).span) == octets(url), reason)
  }

  @Test(
    arguments: [
      ("http://EX.com/a?b", "ex.com/a?b", "the scheme does not count"),
      ("HTTPS://ex.com:443/a", "ex.com/a", "nor does its port"),
      ("//ex.com/a", "ex.com/a", "without scheme"),
      ("ex.com/a", "ex.com/a", "as larder writes it"),
      ("ex.com", "ex.com/", "empty path"),
      ("http://ex.com?q", "ex.com/?q", "empty path with a query"),
      ("http://ex.com:8080/", "ex.com:8080/", "another port"),
      ("http://ex.com:/", "ex.com/", "RFC 9110 §4.2.3: an empty port"),
      ("http://[::1]:80/a", "[::1]/a", "IPv6"),
      ("http://ex.com/a#top", "ex.com/a", "a fragment never reaches a server"),
      ("http://ex.com/%7e//..", "ex.com/%7e//..", "L6: byte for byte"),
      ("", nil, "nothing"),
      ("http://", nil, "no host"),
      ("/a", nil, "no host"),
      ("http:///a", nil, "no host"),
      ("http://:80/a", nil, "no host"),
      ("http://ex.com:80:/a", nil, "an empty port behind a port"),
      ("http://u@ex.com/", nil, "user information"),
      ("http://ex.com/a b", nil, "a space"),
      ("http://ex.com/\r\n", nil, "control bytes"),
      ("http://[::1/a", nil, "unclosed bracket"),
      ("http://[]/a", nil, "empty brackets"),
      ("http://[/a", nil, "one bracket"),
      ("ftp://ex.com/", nil, "another scheme"),
      ("mailto:a", nil, "no URL of ours"),
      ("#", nil, "only a fragment"),
    ] as [(String, String?, Comment)])
  func `of a text`(_ text: String, _ expected: String?, _ reason: Comment) {
    #expect(canonicalURL(from: octets(text).span) == expected.map { octets($0) }, reason)
  }

  @Test func `no text makes it trap`() {
    let alphabet = octets("a:/?#[]@.8 \0%")
    var text: [UInt8] = []
    for number in 0..<200_000 {
      var rest = number
      text.removeAll(keepingCapacity: true)
      while rest > 0 {
        text.append(alphabet[rest % alphabet.count])
        rest /= alphabet.count
      }
      _ = canonicalURL(from: text.span)
    }
  }
}
