import Testing
import TestSupport

@Suite("Keys, L6 and L7")
struct KeyTests {
  private func origin() throws -> MisbehavingOrigin {
    try MisbehavingOrigin { exchange in
      let host = exchange.request.fields["Host"] ?? "none"
      try exchange.respond(200, ["Cache-Control": "max-age=600"], "\(host) \(exchange.target)")
    }
  }

  @Test func `L6 path and query go into the key and to the origin byte for byte`() throws {
    let targets = [
      "/a%2Fb", "/a/b", "/a%2fb", "/A/b", "/a/b/", "/a//b", "/a/./b", "/a/../b", "/a/b?", "/a/b?x=1&y=2",
      "/a/b?y=2&x=1", "/a/b?x=1&x=1", "/%61/b", "/a/b;v=1", "/a/b?q=%20", "/a/b?q=+", "//a/b",
    ]
    let origin = try origin()
    try withLarder(before: [origin]) { larder in
      let client = try larder.client()
      for target in targets {
        let response = try client.fetch(target)
        #expect(response.cacheStatus == "MISS" && response.text == "a.test \(target)")
      }
      for target in targets {
        let response = try client.fetch(target)
        #expect(response.cacheStatus == "HIT" && response.text == "a.test \(target)")
      }
      #expect(origin.requests.map(\.target) == targets)
    }
  }

  @Test func `L6 host case and the default port are one, other hosts and ports are not`() throws {
    let origin = try origin()
    try withLarder(before: [origin]) { larder throws in
      #expect(try larder.fetch("/", host: "site.test").cacheStatus == "MISS")
      for host in ["SITE.test", "site.test:80", "Site.Test:80"] {
        #expect(try larder.fetch("/", host: host).cacheStatus == "HIT", "\(host)")
      }
      for host in ["site.test:8080", "other.test", "www.site.test", "[::1]", "[::1]:81"] {
        #expect(try larder.fetch("/", host: host).cacheStatus == "MISS", "\(host)")
      }
    }
  }

  @Test func `L6 the absolute form is the same page, its authority beats Host, an empty path is a slash`()
    throws
  {
    let origin = try origin()
    try withLarder(before: [origin]) { larder in
      #expect(try larder.fetch("/", host: "site.test").cacheStatus == "MISS")
      for target in ["http://site.test/", "http://SITE.test:80/", "http://site.test", "HTTP://site.test/"] {
        let hit = try larder.fetch(target, host: "ignored.test")
        #expect(hit.cacheStatus == "HIT" && hit.text == "site.test /", "\(target)")
      }
      let miss = try larder.fetch("http://site.test?x=1", host: "ignored.test")
      #expect(miss.text == "site.test /?x=1")
      #expect(origin.requests.allSatisfy { $0.fields["Host"] == "site.test" })
    }
  }

  @Test func `--key builds keys from nginx's variables`() throws {
    let origin = try origin()
    try withLarder(["--key", "$host$uri$arg_page$cookie_lang"], before: [origin]) { larder throws in
      #expect(try larder.fetch("/list?page=1&utm=x").cacheStatus == "MISS")
      #expect(try larder.fetch("/list?utm=y&page=1").cacheStatus == "HIT")
      #expect(try larder.fetch("/list?page=2").cacheStatus == "MISS")
      #expect(try larder.fetch("/list?page=1", fields: ["Cookie": "a=b; lang=de"]).cacheStatus == "MISS")
      #expect(try larder.fetch("/list?page=1", fields: ["Cookie": "lang=de; a=c"]).cacheStatus == "HIT")
    }
  }

  @Test func `no two keys meet by running their parts together`() throws {
    let origin = try origin()
    try withLarder(["--key", "$host$arg_a$arg_b"], before: [origin]) { larder throws in
      #expect(try larder.fetch("/?a=1&b=23").cacheStatus == "MISS")
      #expect(try larder.fetch("/?a=12&b=3").cacheStatus == "MISS")
    }
  }

  @Test func `L7 a purge by URL finds every variant and every key built from it`() throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.respond(
        200, ["Cache-Control": "max-age=600", "Vary": "Accept-Language"], "\(exchange.visit)")
    }
    try withLarder(["--key", "$host$request_uri$http_x_tenant"], before: [origin]) { larder throws in
      let requests: [Fields] = [
        [:], ["Accept-Language": "de"], ["X-Tenant": "one"], ["X-Tenant": "two", "Accept-Language": "de"],
      ]
      for fields in requests { #expect(try larder.fetch("/p", fields: fields).cacheStatus == "MISS") }
      for fields in requests { #expect(try larder.fetch("/p", fields: fields).cacheStatus == "HIT") }
      #expect(try larder.fetch("/p", method: "PURGE").purged == 4)
      for fields in requests { #expect(try larder.fetch("/p", fields: fields).cacheStatus == "MISS") }
    }
  }

  @Test func `L7 the purge's host is normalised, its path and query are not`() throws {
    let origin = try origin()
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/p?x=1", host: "site.test")
      for (target, host) in [("/p", "site.test"), ("/p?x=2", "site.test"), ("/p?x=1", "other.test")] {
        #expect(try larder.fetch(target, method: "PURGE", host: host).purged == 0)
      }
      #expect(try larder.fetch("/p?x=1", host: "site.test").cacheStatus == "HIT")
      let purge = try larder.fetch("/p?x=1", method: "PURGE", host: "SITE.test:80")
      #expect(purge.purged == 1)
      #expect(try larder.fetch("/p?x=1", host: "site.test").cacheStatus == "MISS")
    }
  }
}
