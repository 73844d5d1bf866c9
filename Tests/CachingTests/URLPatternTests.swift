import Caching
import Testing

@Suite("Patterns of URLs")
struct URLPatternTests {
  @Test(
    arguments: [
      ("http://shop.example/img/*", "shop.example/img/a.png", true),
      ("https://SHOP.example:443/img/*", "shop.example/img/a/b.png", true),
      ("shop.example/img/*", "shop.example/img/", true),
      ("shop.example/img/*", "shop.example/IMG/a", false),
      ("shop.example/img/*", "other.example/shop.example/img/a", false),
      ("shop.example", "shop.example/", true),
      ("shop.example", "shop.example/a", false),
      ("*", "shop.example/a?b=c", true),
      ("http://*/", "shop.example/", true),
      ("*.Example/A", "shop.example/A", true),
      ("*.example/A", "shop.example/a", false),
      ("*.png", "shop.example/a.png", true),
      ("*.png", "shop.example/a.png?x", false),
      ("a.test/*b*c", "a.test/xbxbxc", true),
      ("a.test/*b*c", "a.test/xcxb", false),
      ("a.test/?q=*", "a.test/?q=1", true),
      ("a.test/?q=*", "a.test/xq=1", false),
      ("a.test/**", "a.test/", true),
    ])
  func `a star is any text, a slash too; host and scheme are as in the canonical URL`(
    _ pattern: String, _ url: String, _ matches: Bool
  ) throws {
    let pattern = try #require(URLPattern(pattern))
    let found = pattern.matches(Array(url.utf8).span)
    #expect(found == matches)
  }

  @Test(arguments: ["", "a b", "http://", "a.test/\u{7f}", "/path", "http:///x"])
  func `what no URL can match is no pattern`(_ text: String) {
    #expect(URLPattern(text) == nil)
  }

  @Test func `many stars take no time that grows with their number's power`() throws {
    let pattern = try #require(URLPattern("a.test/" + String(repeating: "*a", count: 200) + "b"))
    let url = "a.test/" + String(repeating: "a", count: 8000)
    let found = pattern.matches(Array(url.utf8).span)
    #expect(!found)
  }
}
