import Testing
import TestSupport

/// S7: nobody can leave in the cache what others should not get, nor find there what is another's.
@Suite("Poisoning and deception, S7")
struct PoisoningTests {
  private let cached: Fields = ["Cache-Control": "max-age=600"]

  @Test func `S7 an error is stored only by an explicit word`() throws {
    let validators: Fields = ["Last-Modified": httpDate(-864_000), "ETag": "\"e\""]
    let statuses = [400, 403, 404, 405, 410, 413, 414, 421, 431, 451, 500, 501, 502, 503, 504]
    let origin = try MisbehavingOrigin { exchange in
      let parts = exchange.target.split(separator: "/")
      let explicit: Fields = parts[1] == "said" ? ["Cache-Control": "max-age=600"] : [:]
      try exchange.respond(Int(parts[0])!, validators + explicit, "error")
    }
    try withLarder(before: [origin]) { larder in
      let client = try larder.client()
      for status in statuses {
        for (path, hits) in [("guessed", false), ("said", true)] {
          for visit in 0..<3 {
            let response = try client.fetch("/\(status)/\(path)")
            #expect(response.status == status && response.text == "error")
            #expect((response.cacheStatus == "HIT") == (hits && visit > 0), "\(status) \(path) \(visit)")
          }
        }
      }
    }
  }

  @Test func `S7 an error that one client provokes is not what the next one gets`() throws {
    // As a server that refuses what is too long, or a method in a field.
    let origin = try MisbehavingOrigin { exchange in
      let isOdd = exchange.request.fields["X-Odd"] != nil
      try exchange.respond(
        isOdd ? 400 : 200, isOdd ? ["Last-Modified": httpDate(-864_000)] : ["Cache-Control": "max-age=600"],
        isOdd ? "bad" : "page")
    }
    try withLarder(before: [origin]) { larder in
      #expect(try larder.fetch("/", fields: ["X-Odd": String(repeating: "x", count: 20_000)]).status == 400)
      #expect(try larder.fetch("/").text == "page")
      let next = try larder.fetch("/", fields: ["X-Odd": "x"])
      #expect(next.cacheStatus == "HIT" && next.text == "page")
    }
  }

  private let claims: [(name: String, value: String)] = [
    ("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Proto", "gopher"), ("X-Forwarded-Host", "evil.test"),
    ("Forwarded", "for=203.0.113.7;host=evil.test"), ("X-Forwarded-Port", "666"),
    ("X-Forwarded-Prefix", "/evil"),
    ("X-Forwarded-Server", "evil.test"), ("X-Forwarded-Scheme", "gopher"), ("X-Forwarded-Ssl", "on"),
    ("X-Forwarded", "203.0.113.7"), ("X-Real-IP", "203.0.113.7"),
  ]

  @Test func `S7 L24 what a client claims about its way here is replaced, kept only from a trusted proxy`()
    throws
  {
    let origin = try MisbehavingOrigin { try $0.respond(200, [:], try $0.readBody()) }
    try withLarder(before: [origin]) { larder in
      for (number, method) in ["GET", "POST", "DELETE"].enumerated() {
        let lookalikes = claims.map { (name: $0.name.replacing("-", with: "_"), value: $0.value) }
        _ = try larder.fetch("/\(number)", method: method, fields: Fields(claims + lookalikes))
        let fields = try #require(origin.requests.last).fields
        #expect(fields.all("X-Forwarded-For") == ["127.0.0.1"] && fields.all("X-Forwarded-Proto") == ["http"])
        #expect(fields.all("X-Forwarded-Host") == ["a.test"] && fields.all("Forwarded").count == 1)
        let left = fields.names.filter { $0.hasPrefix("x-") || $0.contains("_") }
        #expect(
          left.sorted() == ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-request-id"])
        for word in ["203.0.113.7", "evil", "gopher", "666"] {
          #expect(!fields.text.contains(word), "\(word)")
        }
      }
    }
    try withLarder(["--trusted-proxy", "127.0.0.1/32"], before: [origin]) { larder in
      _ = try larder.fetch("/", fields: Fields(claims) + ["Connection": "X-Forwarded-For, Forwarded"])
      let fields = try #require(origin.requests.last).fields
      #expect(fields.all("X-Forwarded-For") == ["203.0.113.7, 127.0.0.1"])
      #expect(fields["X-Forwarded-Port"] == "666" && fields["X-Real-IP"] == "203.0.113.7")
      #expect(fields["Forwarded"]?.hasPrefix("for=203.0.113.7;host=evil.test, for=127.0.0.1") == true)
    }
  }

  @Test func `S7 fields by which a framework routes past the cache are dropped`() throws {
    let origin = try MisbehavingOrigin {
      try $0.respond(200, ["Cache-Control": "max-age=600"], try $0.readBody())
    }
    let names = ["X-Original-URL", "X-Rewrite-URL", "X-Host", "x_original_url", "X-Rewrite_URL", "X_Host"]
    let routing = Fields(names.map { (name: $0, value: "/admin") })
    let methods: Fields = [
      "X-HTTP-Method-Override": "POST", "X-HTTP-Method": "PUT", "X-Method-Override": "DELETE",
      "X_HTTP_Method_Override": "POST",
    ]
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/", fields: routing + methods)
      let filled = try #require(origin.requests.last).fields
      #expect(!filled.text.contains("admin") && !filled.text.lowercased().contains("method"))
      #expect(try larder.fetch("/").cacheStatus == "HIT")
      // A method in a field is the business of who sends it past the cache.
      _ = try larder.fetch("/", method: "POST", fields: routing + methods, body: [65])
      let passed = try #require(origin.requests.last).fields
      #expect(!passed.text.contains("admin") && passed["X-HTTP-Method-Override"] == "POST")
    }
  }

  @Test func `S7 a name that CGI cannot tell from a known one is dropped, other underscores pass`() throws {
    let origin = try MisbehavingOrigin { try $0.respond(200, [:], "page") }
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch(
        "/",
        fields: ["Content_Type": "x", "If_None-Match": "y", "user_agent": "z", "X_My_Field": "w", "_": "v"])
      let names = try #require(origin.requests.last).fields.names
      #expect(names.filter { $0.contains("_") } == ["x_my_field", "_"])
    }
  }

  @Test func `S7 a response with Set-Cookie is its own client's, however fresh it says it is`() throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.respond(
        200, ["Cache-Control": "public, max-age=600, s-maxage=600", "Set-Cookie": "id=\(exchange.visit)"],
        "page of \(exchange.visit)")
    }
    try withLarder(before: [origin]) { larder in
      for visit in 0..<3 {
        let response = try larder.fetch("/")
        #expect(response.text == "page of \(visit)" && response.fields["Set-Cookie"] == "id=\(visit)")
      }
    }
  }

  @Test func `S7 Host is in the key, with its port, in every form of the request`() throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.respond(
        301, ["Cache-Control": "max-age=600", "Location": "http://\(exchange.request.fields["Host"]!)/x"], "")
    }
    let hosts = [
      "a.test", "evil.test", "a.test:8080", "a.test.", "xa.test", "a.test-evil", "127.0.0.1", "[::1]",
    ]
    try withLarder(before: [origin]) { larder in
      for visit in 0..<2 {
        for host in hosts {
          let response = try larder.fetch("/", host: host)
          #expect(response.fields["Location"] == "http://\(host)/x")
          #expect(response.cacheStatus == (visit == 0 ? "MISS" : "HIT"), "\(host)")
          let absolute = try larder.send("GET http://\(host)/ HTTP/1.1\r\nHost: other.test\r\n\r\n")
            .readResponse()
          #expect(absolute.fields["Location"] == "http://\(host)/x" && absolute.cacheStatus == "HIT")
        }
      }
    }
  }

  @Test func `S7 a key with $http_host has the host that the origin was asked for, not another`() throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.respond(
        200, ["Cache-Control": "max-age=600"], "page of \(exchange.request.fields["Host"]!)")
    }
    try withLarder(["--key", "$http_host$request_uri"], before: [origin]) { larder in
      let client = try larder.send("GET http://evil.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n")
      #expect(try client.readResponse().text == "page of evil.test")
      let other = try larder.fetch("/")
      #expect(other.text == "page of a.test" && other.cacheStatus == "MISS")
    }
  }

  @Test func `S7 two Vary lines are one list`() throws {
    let origin = try MisbehavingOrigin { exchange in
      let fields = exchange.request.fields
      try exchange.respond(
        200, ["Cache-Control": "max-age=600", "Vary": "X-One", "X-Other": "y", "vary": "x-TWO ,, X-Three"],
        "\(fields["X-One"] ?? "-")\(fields["X-Two"] ?? "-")\(fields["X-Three"] ?? "-")")
    }
    try withLarder(before: [origin]) { larder in
      for word in ["MISS", "HIT"] {
        for names in [[], ["X-One"], ["X-Two"], ["X-Three"], ["X-One", "X-Two"], ["X-One", "X-Three"]] {
          let response = try larder.fetch("/", fields: Fields(names.map { (name: $0, value: "v") }))
          let expected = ["X-One", "X-Two", "X-Three"].map { names.contains($0) ? "v" : "-" }.joined()
          #expect(response.text == expected && response.cacheStatus == word, "\(names)")
        }
      }
    }
  }

  @Test func `S7 a 304 with a body changes nothing but the head`() throws {
    let forged = "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: 6\r\n\r\nforged"
    let origin = try MisbehavingOrigin { exchange in
      if exchange.target == "/other" { return try exchange.respond(200, [:], "other") }
      if exchange.visit == 0 {
        return try exchange.respond(200, ["Cache-Control": "max-age=0", "ETag": "\"a\"", "X-V": "1"], "page")
      }
      try exchange.send(
        "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nCache-Control: max-age=600\r\nX-V: 2\r\n"
          + "Content-Type: text/evil\r\nContent-Encoding: evil\r\nTransfer-Encoding: chunked\r\n\r\n"
          + "6\r\nforged\r\n0\r\n\r\n\(forged)")
    }
    try withLarder(["--workers", "1"], before: [origin]) { larder in
      let client = try larder.client()
      #expect(try client.fetch("/").text == "page")
      for word in ["REVALIDATED", "HIT"] {
        let response = try client.fetch("/")
        #expect(response.text == "page" && response.cacheStatus == word && response.fields["X-V"] == "2")
        #expect(response.fields["Content-Encoding"] == nil && response.fields["Content-Length"] == "4")
        #expect(try client.fetch("/other").text == "other")
      }
    }
  }

  @Test func `S7 nothing of the query or path is left out of the key or changed on the way`() throws {
    let origin = try MisbehavingOrigin { try $0.respond(200, ["Cache-Control": "max-age=600"], $0.target) }
    let targets = [
      "/", "/?", "/?a=1", "/?a=1&a=2", "/?a=2&a=1", "/?a=1;a=2", "/?A=1", "/?a=1&", "/?&a=1", "/?a=1%26a=2",
      "/?utm_content=x", "/?_=1", "/?a[]=1", "/?a%5b%5d=1", "//", "/./", "/a/../", "/a", "/a/", "/A", "/%61",
      "/a%2f",
      "/a%2F", "/a;x", "/a;.css", "/a.css", "/a%00", "/a%0a", "/a%23.css", "/a%3f.css", "/a\\.css",
      "/?/a.css",
    ]
    try withLarder(before: [origin]) { larder in
      let client = try larder.client()
      for word in ["MISS", "HIT"] {
        for target in targets {
          let response = try client.fetch(target)
          #expect(response.text == target && response.cacheStatus == word, "\(target)")
        }
      }
      #expect(try larder.fetch("/#.css").status == 400)
    }
  }

  @Test(
    arguments: [
      [:], ["Cache-Control": "private, max-age=600"], ["Cache-Control": "no-store"],
      ["Cache-Control": "no-cache"],
      ["Set-Cookie": "a=b", "Cache-Control": "max-age=600"], ["Last-Modified": httpDate(-864_000)],
      ["Cache-Control": "max-age=600", "Vary": "Cookie"],
    ] as [Fields])
  func `S7 deception - a private page is not stored because its path looks like a file's`(_ fields: Fields)
    throws
  {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.respond(200, fields, "page of \(exchange.request.fields["Cookie"] ?? "nobody")")
    }
    let paths = [
      "/account/x.css", "/account;x.css", "/account%2fx.css", "/account%0ax.css", "/static/..%2faccount",
      "/a.js",
    ]
    try withLarder(before: [origin]) { larder throws in
      for path in paths {
        #expect(try larder.fetch(path, fields: ["Cookie": "victim"]).text == "page of victim")
        for own in ["attacker", "nobody"] {
          let cookie: Fields = own == "nobody" ? [:] : ["Cookie": own]
          #expect(try larder.fetch(path, fields: cookie).text == "page of \(own)", "\(path)")
        }
      }
    }
  }

  @Test func `S7 a field that Connection takes away is not in the key either`() throws {
    let origin = try MisbehavingOrigin { exchange in
      let fields = exchange.request.fields
      try exchange.respond(
        200, ["Cache-Control": "max-age=600"], "\(fields["X-Version"] ?? "-") \(fields["Cookie"] ?? "-")")
    }
    let flags = ["--key", "$host$request_uri$http_x_version$cookie_plan"]
    try withLarder(flags, before: [origin]) { larder in
      let own: Fields = ["X-Version": "2", "Cookie": "plan=gold"]
      let stripped = try larder.fetch("/", fields: own + ["Connection": "X-Version, Cookie"])
      #expect(stripped.text == "- -")
      let whole = try larder.fetch("/", fields: own)
      #expect(whole.text == "2 plan=gold" && whole.cacheStatus == "MISS")
      let plain = try larder.fetch("/")
      #expect(plain.text == "- -" && plain.cacheStatus == "HIT")
    }
  }
}
