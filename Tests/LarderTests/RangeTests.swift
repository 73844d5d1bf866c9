import Testing
import TestSupport

@Suite("Ranges, RFC 9110 §14, decision 16")
struct RangeTests {
  private static let digits = "0123456789"
  private static let cached: Fields = [
    "Cache-Control": "max-age=600", "ETag": "\"v1\"", "Content-Type": "text/plain",
  ]

  /// One part of a multipart body, its head's lines and its bytes.
  private struct Part: Equatable {
    var head: [String]
    var body: [UInt8]
  }

  /// Reads a multipart body by its boundary and the places it states, RFC 2046 §5.1.1.
  private func parts(of response: Response) throws -> [Part] {
    let type = try #require(response.fields["Content-Type"])
    let prefix = "multipart/byteranges; boundary="
    try #require(type.hasPrefix(prefix))
    let boundary = Array("--\(type.dropFirst(prefix.count))".utf8)
    var rest = response.body[...]
    func take(_ bytes: [UInt8]) throws {
      try #require(rest.starts(with: bytes))
      rest = rest.dropFirst(bytes.count)
    }
    var parts: [Part] = []
    try take(boundary)
    while !rest.starts(with: Array("--".utf8)) {
      try take([13, 10])
      var head: [String] = []
      while true {
        let end = try #require(rest.firstIndex(of: 13))
        let line = String(decoding: rest[rest.startIndex..<end], as: UTF8.self)
        rest = rest[end...].dropFirst(2)
        if line.isEmpty { break }
        head.append(line)
      }
      let place = try #require(head.first { $0.hasPrefix("Content-Range: bytes ") })
      let numbers = place.dropFirst(21).split { $0 == "-" || $0 == "/" }.compactMap { Int($0) }
      let count = numbers[1] - numbers[0] + 1
      parts.append(Part(head: head, body: Array(rest.prefix(count))))
      rest = rest.dropFirst(count)
      try take(Array("\r\n".utf8) + boundary)
    }
    #expect(Array(rest) == Array("--\r\n".utf8))
    return parts
  }

  private func part(_ first: Int, _ last: Int, of whole: [UInt8], type: String? = nil) -> Part {
    let lines = type.map { ["Content-Type: \($0)"] } ?? []
    return Part(
      head: lines + ["Content-Range: bytes \(first)-\(last)/\(whole.count)"], body: Array(whole[first...last])
    )
  }

  @Test(arguments: [
    ("bytes=0-1,4-5", [(0, 1), (4, 5)]), ("bytes=4-5,0-1", [(4, 5), (0, 1)]),
    ("bytes=-2, 0-0 ,3-4", [(8, 9), (0, 0), (3, 4)]), ("bytes=0-2,1-3,6-6,99-", [(0, 3), (6, 6)]),
  ])
  func `several ranges come as parts, in the order asked for`(_ range: String, _ places: [(Int, Int)]) throws
  {
    let origin = try MisbehavingOrigin { try $0.respond(200, Self.cached, Self.digits) }
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      let client = try larder.client()
      let response = try client.fetch("/", fields: ["Range": range])
      #expect(response.status == 206 && response.cacheStatus == "HIT")
      #expect(response.fields.all("Content-Range").isEmpty && response.fields["ETag"] == "\"v1\"")
      #expect(response.fields["Content-Length"] == "\(response.body.count)")
      let whole = Array(Self.digits.utf8)
      #expect(
        try parts(of: response) == places.map { part($0.0, $0.1, of: whole, type: "text/plain") })
      // The connection goes on right behind it.
      #expect(try client.fetch("/").text == Self.digits)
    }
  }

  @Test func `what several ranges come down to`() throws {
    let origin = try MisbehavingOrigin { try $0.respond(200, Self.cached, Self.digits) }
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      let client = try larder.client()
      let one = try client.fetch("/", fields: ["Range": "bytes=0-3,2-5"])
      #expect(one.status == 206 && one.text == "012345" && one.fields["Content-Range"] == "bytes 0-5/10")
      let left = try client.fetch("/", fields: ["Range": "bytes=10-,8-"])
      #expect(left.status == 206 && left.text == "89" && left.fields["Content-Range"] == "bytes 8-9/10")
      let none = try client.fetch("/", fields: ["Range": "bytes=10-,20-30,-0"])
      #expect(none.status == 416 && none.fields["Content-Range"] == "bytes */10")
      let many = "bytes=" + (0..<17).map { "\($0)-\($0)" }.joined(separator: ",")
      let whole = try client.fetch("/", fields: ["Range": many])
      #expect(whole.status == 200 && whole.text == Self.digits)
      let changed = try client.fetch("/", fields: ["Range": "bytes=0-0,2-2", "If-Range": "\"v0\""])
      #expect(changed.status == 200 && changed.text == Self.digits)
      let same = try client.fetch("/", fields: ["Range": "bytes=0-0,2-2", "If-Range": "\"v1\""])
      #expect(try parts(of: same).map(\.body) == [[48], [50]])
      let confirmed = try client.fetch("/", fields: ["Range": "bytes=0-0,2-2", "If-None-Match": "\"v1\""])
      #expect(confirmed.status == 304 && confirmed.body.isEmpty)
      let head = try client.fetch("/", method: "HEAD", fields: ["Range": "bytes=0-0,2-2"])
      #expect(head.status == 200 && head.fields["Content-Length"] == "10")
      #expect(origin.requests.count == 1)
    }
  }

  @Test func `parts of a large page are whole, byte for byte, to a slow reader`() throws {
    let body = pattern(5 << 20)
    let origin = try MisbehavingOrigin { try $0.respond(200, ["Cache-Control": "max-age=600"], body) }
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      let client = try larder.client(receiveBuffer: 4096)
      try client.sendRequest(
        "/", fields: ["Range": "bytes=3000000-4999999,65535-65536,0-0,-700000,131072-262143"])
      try client.sendRequest("/", fields: ["Range": "bytes=1-1000000"])
      let length = body.count
      let expected = [
        (3_000_000, 4_999_999), (65535, 65536), (0, 0), (131_072, 262_143),
      ]
      let several = try client.readResponse()
      let got = try parts(of: several)
      // The suffix overlaps the first, and is one with it.
      #expect(got.first == part(3_000_000, length - 1, of: body))
      #expect(Array(got.dropFirst()) == expected.dropFirst().map { part($0.0, $0.1, of: body) })
      #expect(try client.readResponse().body == Array(body[1...1_000_000]))
    }
  }

  @Test func `curl -r gets one range and several`() throws {
    let origin = try MisbehavingOrigin { try $0.respond(200, Self.cached, Self.digits) }
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/", host: "127.0.0.1:\(larder.port)")
      let url = "http://127.0.0.1:\(larder.port)/"
      func curl(_ range: String) throws -> String {
        let curl = try LarderProcess(
          program: "/usr/bin/curl", arguments: ["--silent", "--show-error", "-r", range, url])
        #expect(try curl.awaitExit().status == 0)
        return curl.standardOutput
      }
      #expect(try curl("2-4") == "234")
      #expect(try curl("-3") == "789")
      let several = try curl("0-1,8-9")
      #expect(several.contains("Content-Range: bytes 0-1/10\r\n\r\n01\r\n--"))
      #expect(several.contains("Content-Range: bytes 8-9/10\r\n\r\n89\r\n--"))
    }
  }

  // MARK: A fill in flight

  @Test func `ranges of a fill come as soon as their bytes are there, in the body's order`() throws {
    let rest = Gate("the rest")
    let body = pattern(300_000)
    let origin = try MisbehavingOrigin { exchange in
      try exchange.sendHead(200, ["Cache-Control": "max-age=600", "Content-Length": "\(body.count)"])
      try exchange.send(Array(body[..<200_000]))
      try rest.wait()
      try exchange.send(Array(body[200_000...]))
    }
    try withLarder(before: [origin]) { larder in
      let first = try larder.client()
      try first.sendRequest("/")
      var whole = try first.readFinalHead()
      try first.readSome(200_000, of: &whole)
      // All of it is there.
      let one = try larder.fetch("/", fields: ["Range": "bytes=1000-150000"])
      #expect(one.status == 206 && one.body == Array(body[1000...150_000]))
      let several = try larder.fetch("/", fields: ["Range": "bytes=150000-199999,10-20"])
      #expect(try parts(of: several) == [part(10, 20, of: body), part(150_000, 199_999, of: body)])
      // Some of it is to come.
      let waiting = try larder.client()
      try waiting.sendRequest("/", fields: ["Range": "bytes=-1000,199990-200009,5-5"])
      let late = try larder.client()
      try late.sendRequest("/", fields: ["Range": "bytes=250000-"])
      let lateHead = try late.readFinalHead()
      #expect(lateHead.status == 206 && lateHead.fields["Content-Length"] == "50000")
      rest.open()
      #expect(
        try parts(of: try waiting.readResponse())
          == [part(5, 5, of: body), part(199_990, 200_009, of: body), part(299_000, 299_999, of: body)])
      var lateResponse = lateHead
      try late.readBody(of: &lateResponse)
      #expect(lateResponse.body == Array(body[250_000...]))
      try first.readBody(of: &whole)
      #expect(whole.body == body)
      #expect(origin.requests.count == 1)
    }
  }

  @Test func `a range far behind what has arrived does not wait for it`() throws {
    let rest = Gate("the rest")
    let length = 40 << 20
    let origin = try MisbehavingOrigin { exchange in
      if let range = exchange.request.fields["Range"] {
        #expect(range == "bytes=30000000-30000003")
        return try exchange.respond(
          206, ["Cache-Control": "max-age=600", "Content-Range": "bytes 30000000-30000003/\(length)"], "part")
      }
      try exchange.sendHead(200, ["Cache-Control": "max-age=600", "Content-Length": "\(length)"])
      try exchange.send([UInt8](repeating: 120, count: 1000))
      try rest.wait()
      exchange.close()
    }
    try withLarder(["--max-object", "64MiB", "--memory", "256MiB"], before: [origin]) { larder in
      let first = try larder.client()
      try first.sendRequest("/")
      var whole = try first.readFinalHead()
      try first.readSome(1000, of: &whole)
      let near = try larder.fetch("/", fields: ["Range": "bytes=0-9"])
      #expect(near.status == 206 && near.text == "xxxxxxxxxx" && near.cacheStatus == "MISS")
      #expect(origin.requests.count == 1)
      let far = try larder.fetch("/", fields: ["Range": "bytes=30000000-30000003"])
      #expect(far.status == 206 && far.text == "part" && far.cacheStatus == "BYPASS")
      #expect(origin.requests.count == 2)
      rest.open()
    }
  }

  // MARK: Misses

  /// Answers ranges of `size` bytes itself, as origins do.
  private func rangeOrigin(
    size: Int, _ fields: Fields = ["Cache-Control": "max-age=600", "ETag": "\"v1\""]
  ) throws -> MisbehavingOrigin {
    let body = pattern(min(size, 1 << 20))
    return try MisbehavingOrigin { exchange in
      if exchange.request.fields["Range"] == "bytes=2-5" {
        return try exchange.respond(
          206, fields + ["Content-Range": "bytes 2-5/\(size)"], Array(body[2...5]))
      }
      try exchange.respond(200, fields, body)
    }
  }

  @Test func `a range of what is not there is passed, and if that is small, the whole is fetched behind it`()
    throws
  {
    let origin = try rangeOrigin(size: 1000)
    try withLarder(before: [origin]) { larder in
      let first = try larder.fetch("/", fields: ["Range": "bytes=2-5", "If-Range": "\"v1\""])
      #expect(first.status == 206 && first.cacheStatus == "BYPASS" && first.body == Array(pattern(6)[2...]))
      let asked = try origin.awaitRequests(2)
      #expect(asked[0].fields["Range"] == "bytes=2-5" && asked[0].fields["If-Range"] == "\"v1\"")
      #expect(asked[1].fields["Range"] == nil && asked[1].fields["If-Range"] == nil)
      let next = try larder.fetch("/", fields: ["Range": "bytes=0-9"])
      #expect(next.status == 206 && next.body == pattern(10))
      #expect(try larder.fetch("/").body == pattern(1000))
      #expect(origin.requests.count == 2)
    }
  }

  @Test(
    arguments: [
      (16 << 20 + 1, ["Cache-Control": "max-age=600"]), (1000, ["Cache-Control": "private"]),
      (1000, ["Cache-Control": "no-store"]), (1000, ["Cache-Control": "max-age=600", "Set-Cookie": "a=b"]),
    ] as [(Int, Fields)])
  func `a range of what is large or not for all is passed each time, and nothing more`(
    _ size: Int, _ fields: Fields
  ) throws {
    let origin = try rangeOrigin(size: size, fields)
    try withLarder(before: [origin]) { larder in
      for _ in 0..<3 {
        let part = try larder.fetch("/", fields: ["Range": "bytes=2-5"])
        #expect(part.status == 206 && part.cacheStatus == "BYPASS")
      }
      try larder.settle()
      #expect(origin.requests.map { $0.fields["Range"] } == ["bytes=2-5", "bytes=2-5", "bytes=2-5"])
    }
  }

  @Test func `an origin that does not know ranges is asked for the whole once more, and then hit`() throws {
    let origin = try MisbehavingOrigin { try $0.respond(200, Self.cached, Self.digits) }
    try withLarder(before: [origin]) { larder in
      let first = try larder.fetch("/", fields: ["Range": "bytes=2-5"])
      #expect(first.status == 200 && first.text == Self.digits && first.cacheStatus == "BYPASS")
      try origin.awaitRequests(2)
      #expect(try larder.fetch("/", fields: ["Range": "bytes=2-5"]).text == "2345")
      #expect(origin.requests.count == 2)
    }
  }

  @Test func `L14 a range of what is known to be somebody's own goes to the origin as it is`() throws {
    let origin = try rangeOrigin(size: 1000, ["Cache-Control": "private"])
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      let part = try larder.fetch("/", fields: ["Range": "bytes=2-5"])
      #expect(part.status == 206 && part.cacheStatus == "BYPASS")
      #expect(origin.requests.last?.fields["Range"] == "bytes=2-5")
    }
  }

  @Test func `a range of a small stale page has the whole of it asked for`() throws {
    let origin = try rangeOrigin(size: 1000, ["Cache-Control": "max-age=1", "ETag": "\"v1\""])
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      let part = try larder.fetchWhenStale("/", fields: ["Range": "bytes=2-5"])
      #expect(part.status == 206 && part.cacheStatus == "EXPIRED" && part.body == Array(pattern(6)[2...]))
      #expect(origin.requests.last?.fields["If-None-Match"] == "\"v1\"")
      #expect(origin.requests.last?.fields["Range"] == nil)
    }
  }
}
