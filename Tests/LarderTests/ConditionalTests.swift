import Testing
import TestSupport

@Suite("Conditional requests, HEAD and ranges, RFC 9110 §13 and §14")
struct ConditionalTests {
  private static let modified = "Mon, 05 Jan 2026 10:00:00 GMT"
  private static let earlier = "Mon, 05 Jan 2026 09:59:59 GMT"
  private static let body = "0123456789"

  private func origin(etag: String = "\"v1\"") throws -> MisbehavingOrigin {
    try MisbehavingOrigin { exchange in
      try exchange.respond(
        200, ["Cache-Control": "max-age=600", "ETag": etag, "Last-Modified": Self.modified, "X-Own": "kept"],
        Self.body)
    }
  }

  @Test(
    arguments: [
      (["If-None-Match": "\"v1\""], 304), (["If-None-Match": "W/\"v1\""], 304),  // weak comparison, §13.1.2
      (["If-None-Match": "\"v2\""], 200), (["If-None-Match": "\"v0\", \"v1\""], 304),
      (["If-None-Match": "\"v0\"", "If-None-Match": "\"v1\""], 304),  // several lines are one list
      (["If-None-Match": "*"], 304), (["If-None-Match": "v1"], 200),  // without quotes it is no entity tag
      (["If-Modified-Since": Self.modified], 304), (["If-Modified-Since": Self.earlier], 200),
      (["If-Modified-Since": "Monday, 05-Jan-26 10:00:00 GMT"], 304),  // RFC 850's form
      (["If-Modified-Since": "Mon Jan  5 10:00:00 2026"], 304),  // asctime's form
      (["If-Modified-Since": "yesterday"], 200),
      // If-None-Match decides alone, §13.2.2
      (["If-None-Match": "\"v2\"", "If-Modified-Since": Self.modified], 200),
      (["If-None-Match": "\"v1\"", "If-Modified-Since": Self.earlier], 304),
    ] as [(Fields, Int)])
  func `a client's condition is answered from the cache`(_ fields: Fields, _ status: Int) throws {
    let origin = try origin()
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      let response = try larder.fetch("/", fields: fields)
      #expect(response.status == status && response.cacheStatus == "HIT")
      #expect(response.text == (status == 304 ? "" : Self.body))
      #expect(response.fields["ETag"] == "\"v1\"" && response.fields["Cache-Control"] == "max-age=600")
      #expect(response.fields["Date"] != nil)
      #expect(origin.requests.count == 1)
    }
  }

  @Test func `a 304 has no body, and the connection goes on behind it`() throws {
    let origin = try origin()
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      let client = try larder.client()
      #expect(try client.fetch("/", fields: ["If-None-Match": "\"v1\""]).status == 304)
      #expect(try client.fetch("/").text == Self.body)
    }
  }

  @Test func `HEAD is answered from the stored GET, with its length and no body`() throws {
    let origin = try origin()
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      let client = try larder.client()
      let head = try client.fetch("/", method: "HEAD")
      #expect(head.status == 200 && head.cacheStatus == "HIT" && head.fields["Content-Length"] == "10")
      #expect(head.fields["X-Own"] == "kept")
      #expect(try client.fetch("/").text == Self.body)
      #expect(try client.fetch("/", method: "HEAD", fields: ["If-None-Match": "\"v1\""]).status == 304)
      #expect(origin.requests.count == 1)
    }
  }

  @Test(arguments: [
    ("bytes=0-3", "0123", "bytes 0-3/10"), ("bytes=4-", "456789", "bytes 4-9/10"),
    ("bytes=-3", "789", "bytes 7-9/10"), ("bytes=8-100", "89", "bytes 8-9/10"),
    ("bytes=-100", "0123456789", "bytes 0-9/10"), ("bytes=9-9", "9", "bytes 9-9/10"),
  ])
  func `a single range comes from the stored whole`(_ range: String, _ text: String, _ place: String) throws {
    let origin = try origin()
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      let client = try larder.client()
      let part = try client.fetch("/", fields: ["Range": range])
      #expect(part.status == 206 && part.text == text && part.fields["Content-Range"] == place)
      #expect(part.fields["ETag"] == "\"v1\"")
      #expect(try client.fetch("/").text == Self.body)
      #expect(origin.requests.count == 1)
    }
  }

  @Test(arguments: [
    "bytes=5-2", "bytes=a-b", "bytes=", "lines=1-2", "bytes=0-1,3-4,x", "bytes 0-1", "bytes=--1",
    "bytes=0--1",
  ])
  func `what is no valid range gets the whole`(_ range: String) throws {
    let origin = try origin()
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      let whole = try larder.fetch("/", fields: ["Range": range])
      #expect(whole.status == 200 && whole.text == Self.body)
    }
  }

  @Test(arguments: ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=18446744073709551616-"])
  func `a range past the end gets 416 with the length`(_ range: String) throws {
    let origin = try origin()
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      let client = try larder.client()
      let refused = try client.fetch("/", fields: ["Range": range])
      #expect(refused.status == 416 && refused.fields["Content-Range"] == "bytes */10")
      #expect(try client.fetch("/").text == Self.body)
    }
  }

  @Test(arguments: [
    ("\"v1\"", 206), ("\"v2\"", 200), ("W/\"v1\"", 200),  // only strong comparison, §13.1.5
    (Self.modified, 206), (Self.earlier, 200),
  ])
  func `If-Range lets the range through only for the same bytes`(_ value: String, _ status: Int) throws {
    let origin = try origin()
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      let response = try larder.fetch("/", fields: ["Range": "bytes=0-3", "If-Range": value])
      #expect(response.status == status)
      #expect(response.text == (status == 206 ? "0123" : Self.body))
    }
  }

  @Test func `a stale entry is asked about with its validators, and a 304 refreshes the stored head`() throws
  {
    let origin = try MisbehavingOrigin { exchange in
      guard exchange.visit > 0 else {
        return try exchange.respond(
          200,
          [
            "Cache-Control": "max-age=1", "ETag": "\"v1\"", "Last-Modified": Self.modified, "X-Head": "old",
            "X-Kept": "kept",
          ], Self.body)
      }
      try exchange.respond(304, ["Cache-Control": "max-age=600", "ETag": "\"v1\"", "X-Head": "new"])
    }
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      let refreshed = try larder.fetchWhenStale("/")
      #expect(refreshed.status == 200 && refreshed.text == Self.body)
      #expect(refreshed.cacheStatus == "REVALIDATED")
      let second = try #require(origin.requests.last)
      #expect(origin.requests.count == 2)
      #expect(second.fields["If-None-Match"] == "\"v1\"")
      #expect(second.fields["If-Modified-Since"] == Self.modified)
      let hit = try larder.fetch("/")
      #expect(hit.cacheStatus == "HIT" && hit.text == Self.body)
      #expect(hit.fields["X-Head"] == "new" && hit.fields["X-Kept"] == "kept")
      #expect(hit.fields["Content-Length"] == "10")
    }
  }

  @Test func `a client's own 304 does not replace the page, and a changed page gets through`() throws {
    let origin = try MisbehavingOrigin { exchange in
      let tag = exchange.visit == 0 ? "\"v1\"" : "\"v2\""
      let fields: Fields = ["Cache-Control": "max-age=1", "ETag": tag]
      if exchange.request.fields["If-None-Match"]?.contains(tag) == true {
        return try exchange.respond(304, fields)
      }
      try exchange.respond(200, fields, "page \(tag)")
    }
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      // The client holds v2 already, the cache still v1: the origin must be asked about what the cache holds.
      let response = try larder.fetchWhenStale("/", fields: ["If-None-Match": "\"v2\""])
      #expect(response.status == 304)
      #expect(try larder.fetch("/").text == "page \"v2\"")
    }
  }
}
