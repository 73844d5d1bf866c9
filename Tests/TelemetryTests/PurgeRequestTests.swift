import Bytes
import Testing

@testable import Telemetry

@Suite("Body of POST /purge")
struct PurgeRequestTests {
  @Test(arguments: [
    ("{\"url\":\"http://h/p\"}", ["http://h/p"], false),
    ("{\"urls\":[\"h/a\",\"h/b?c=d\"]}", ["h/a", "h/b?c=d"], false),
    ("{\"files\":[\"h/a\"],\"soft\":true}", ["h/a"], true),
    ("{\"soft\":false,\"url\":\"h/a\"}", ["h/a"], false),
    ("{\"url\":\"h/a\",\"urls\":[\"h/b\"],\"files\":[\"h/c\"]}", ["h/a", "h/b", "h/c"], false),
    ("{\"url\":\"h/\\u00e9\"}", ["h/é"], false),
  ])
  func `accepts`(_ body: String, _ urls: [String], _ soft: Bool) throws {
    let bytes = Array(body.utf8)
    let request = try PurgeRequest.parse(bytes.span)
    #expect(request.urls.map { String(decoding: $0, as: UTF8.self) } == urls)
    #expect(request.isSoft == soft)
  }

  @Test(arguments: [
    ("", PurgeRequestError.notJSON(.unexpectedEnd(at: 0))),
    ("{\"url\":\"h/a\"", .notJSON(.unexpectedEnd(at: 12))),
    ("[\"h/a\"]", .notAnObject(at: 0)),
    ("{}", .noURL(at: 0)), ("{\"urls\":[]}", .noURL(at: 0)), ("{\"soft\":true}", .noURL(at: 0)),
    ("{\"url\":\"\"}", .emptyURL(at: 7)),
    ("{\"url\":[\"h/a\"]}", .wrongType(at: 7, wanted: "a string")),
    ("{\"urls\":\"h/a\"}", .wrongType(at: 8, wanted: "an array of strings")),
    ("{\"urls\":[\"h/a\",1]}", .wrongType(at: 15, wanted: "a string")),
    ("{\"url\":\"h/a\",\"soft\":1}", .wrongType(at: 20, wanted: "true or false")),
    // A purge that was asked for and not done would be worse than a refusal.
    ("{\"url\":\"h/a\",\"tags\":[\"t\"]}", .unknownMember(at: 13)),
    ("{\"purge_everything\":true}", .unknownMember(at: 1)),
  ])
  func `refuses with the offset of the fault`(_ body: String, _ error: PurgeRequestError) {
    let bytes = Array(body.utf8)
    #expect(throws: error) { _ = try PurgeRequest.parse(bytes.span) }
    #expect(!error.text.isEmpty && error.offset <= bytes.count)
  }

  @Test func `takes as many URLs as allowed and no more`() throws {
    func body(_ count: Int) -> [UInt8] {
      Array("{\"urls\":[\(Array(repeating: "\"h/a\"", count: count).joined(separator: ","))]}".utf8)
    }
    let most = body(PurgeRequest.urlLimit)
    #expect(try PurgeRequest.parse(most.span).urls.count == PurgeRequest.urlLimit)
    let more = body(PurgeRequest.urlLimit + 1)
    #expect(throws: PurgeRequestError.tooManyURLs(at: 9 + 6 * PurgeRequest.urlLimit)) {
      _ = try PurgeRequest.parse(more.span)
    }
  }
}
