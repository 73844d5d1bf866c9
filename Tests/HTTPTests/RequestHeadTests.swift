import HTTP
import Testing

@Suite("Request head, RFC 9112 §2 to 6")
struct RequestHeadTests {
  @Test func `an ordinary request`() {
    let outcome = parseRequest(
      octets("GET /a?b=c HTTP/1.1\r\nHost: example.com:8080\r\nAccept: */*\r\nX-Own:\t a b \t\r\n\r\nnext"))
    guard case .complete(let request) = outcome else {
      Issue.record("\(outcome)")
      return
    }
    #expect(request.method == .get)
    #expect(request.methodText == "GET")
    #expect(request.target == "/a?b=c")
    #expect(request.form == .origin)
    #expect(request.authority == "example.com:8080")
    #expect(request.pathAndQuery == "/a?b=c")
    #expect(request.minorVersion == 1)
    #expect(request.framing == BodyFraming.none)
    #expect(request.keepsAlive)
    #expect(!request.expectsContinue)
    #expect(request.end == 75)
    #expect(request.fields == ["Host|example.com:8080", "Accept|*/*", "X-Own|a b"])
  }
}
