import Bytes
import Caching
import HTTP
import Testing

@Suite("Requests of fills, L10, and invalidation, RFC 9111 §4.4")
struct FillRequestTests {
  /// The head of `lines`, changed by `change`.
  private static func changed(_ lines: [String], _ change: (inout Head) -> Void) throws -> String {
    let bytes = octets((["GET / HTTP/1.1", "Host: a"] + lines).map { $0 + "\r\n" }.joined() + "\r\n")
    var request = RequestHead()
    return try unsafe bytes.withUnsafeBufferPointer { bytes in
      // SAFETY: the bytes stay in place while the head is used.
      try #require(unsafe request.parse(bytes.baseAddress!, count: bytes.count))
      change(&request.head)
      return written { request.head.write(to: &$0) }
    }
  }

  @Test(arguments: [
    "If-Match: \"a\"", "If-None-Match: \"a\"", "If-Modified-Since: x", "If-Unmodified-Since: x",
    "If-Range: \"a\"", "Range: bytes=0-1", "Expect: 100-continue", "TE: trailers", "Cache-Control: no-cache",
    "Pragma: no-cache", "X-Original-URL: /admin", "X-Rewrite-URL: /admin", "X-Host: evil", "Soft-Purge: 1",
  ])
  func `what makes a response one client's, or misleads the origin, is removed`(_ line: String) throws {
    #expect(try Self.changed([line]) { buildFillHead(&$0) } == "Host: a\r\n")
  }

  @Test func `the rest stays`() throws {
    let lines = ["Accept-Encoding: br", "Cookie: a=b", "X-Own: 1"]
    let expected = "Host: a\r\nAccept-Encoding: br\r\nCookie: a=b\r\nX-Own: 1\r\n"
    #expect(try Self.changed(lines) { buildFillHead(&$0) } == expected)
  }

  @Test func `a revalidation has the stored response's validators, not the client's`() throws {
    let head = try Self.changed(["If-None-Match: \"client\""]) { head in
      buildFillHead(&head)
      addValidators(etag: octets("\"a\"").span, lastModified: octets("then").span, to: &head)
    }
    #expect(head == "Host: a\r\nIf-None-Match: \"a\"\r\nIf-Modified-Since: then\r\n")
    let one = try Self.changed([]) { addValidators(etag: nil, lastModified: octets("then").span, to: &$0) }
    #expect(one == "Host: a\r\nIf-Modified-Since: then\r\n")
  }

  @Test(
    arguments: [
      (.post, 200, true, "§4.4"), (.put, 201, true, "§4.4"), (.delete, 204, true, "§4.4"),
      (.patch, 200, true, "§4.4"), (.other, 200, true, "§4.4: a method whose safety is not known"),
      (.post, 303, true, "§4.4: 3xx is no error"), (.put, 404, false, "§4.4: an error"),
      (.delete, 500, false, "§4.4: an error"), (.get, 200, false, "safe"), (.head, 200, false, "safe"),
      (.options, 200, false, "safe"), (.purge, 200, false, "ours, with rules of its own"),
    ] as [(HTTP.Method, UInt16, Bool, Comment)])
  func `unsafe methods that succeed invalidate`(
    _ method: HTTP.Method, _ status: UInt16, _ expected: Bool, _ reason: Comment
  ) {
    #expect(invalidates(method, status: status) == expected, reason)
  }

  @Test(
    arguments: [
      ("/x", "ex.com/x", "absolute path"),
      ("http://EX.com/x?y", "ex.com/x?y", "the same host"),
      ("https://ex.com/x", "ex.com/x", "in the other scheme"),
      ("//ex.com/x", "ex.com/x", "without scheme"),
      ("x", "ex.com/dir/x", "relative to the directory"),
      ("x?y=a:b", "ex.com/dir/x?y=a:b", "a colon in the query is no scheme"),
      ("http://other.com/x", nil, "§4.4: another host"),
      ("//other.com/x", nil, "§4.4: another host"),
      ("http://ex.com.evil/x", nil, "§4.4: another host"),
      ("http://ex.com:8080/x", nil, "§4.4: another port"),
      ("mailto:x", nil, "no URL of ours"),
      ("../x", nil, "not resolved"),
      ("?q", nil, "not resolved"),
      ("", nil, "nothing"),
      ("/a b", nil, "not a URL"),
    ] as [(String, String?, Comment)])
  func `Location and Content-Location name further URLs of the same host`(
    _ reference: String, _ expected: String?, _ reason: Comment
  ) throws {
    let url = try withRequest("POST /dir/page?a=/b HTTP/1.1", "Host: Ex.com", "Content-Length: 0") {
      invalidatedURL(octets(reference).span, of: $0)
    }
    #expect(url == expected.map { octets($0) }, reason)
  }
}
