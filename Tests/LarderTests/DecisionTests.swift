import Foundation
import Testing
import TestSupport

/// One row of L18: what happened, and the word for it.
@Suite("X-Cache-Status, L18")
struct DecisionTests {
  private let control: Fields = ["Cache-Control": "max-age=600"]

  @Test(arguments: ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "REPORT"])
  func `L18 a method that is not cached is a BYPASS`(_ method: String) throws {
    let origin = try MisbehavingOrigin { [control] in try $0.respond(200, control, "done") }
    try withLarder(before: [origin]) { larder in
      for _ in 0..<2 {
        let response = try larder.fetch("/", method: method, body: method == "OPTIONS" ? nil : [1, 2, 3])
        #expect(response.status == 200 && response.cacheStatus == "BYPASS")
        #expect(response.cacheStatusDetails?.forward == "method")
      }
      #expect(origin.requests.map(\.method) == [method, method])
    }
  }

  @Test func `L18 Authorization without leave to share is a BYPASS`() throws {
    let origin = try MisbehavingOrigin { [control] in try $0.respond(200, control, "own") }
    try withLarder(before: [origin]) { larder throws in
      #expect(try larder.fetch("/", fields: ["Authorization": "x"]).cacheStatus == "BYPASS")
    }
  }

  @Test func `L18 a GET with a body is not mistaken for one without`() throws {
    let origin = try MisbehavingOrigin { [control] exchange in
      try exchange.respond(200, control, "echo \(String(decoding: try exchange.readBody(), as: UTF8.self))")
    }
    try withLarder(before: [origin]) { larder in
      for text in ["one", "two"] {
        let response = try larder.fetch("/", body: Array(text.utf8))
        #expect(response.text == "echo \(text)" && response.cacheStatus == "BYPASS")
      }
      #expect(try larder.fetch("/").cacheStatus == "MISS")
    }
  }

  @Test func `L18 hit-for-miss is a BYPASS, its first answer a MISS`() throws {
    let origin = try MisbehavingOrigin { try $0.respond(200, ["Cache-Control": "private"], "own") }
    try withLarder(before: [origin]) { larder in
      let words = try (0..<3).map { _ in try larder.fetch("/").cacheStatus }
      #expect(words == ["MISS", "BYPASS", "BYPASS"])
    }
  }

  @Test func `L18 a stale page that cannot be asked about by validators is EXPIRED`() throws {
    let origin = try MisbehavingOrigin { try $0.respond(200, ["Cache-Control": "max-age=1"], "\($0.visit)") }
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      let expired = try larder.fetchWhenStale("/")
      #expect(expired.cacheStatus == "EXPIRED" && expired.text == "1")
      #expect(expired.cacheStatusDetails?.forward == "stale")
    }
  }

  @Test func `L18 a validator that no longer fits is EXPIRED too`() throws {
    let origin = try MisbehavingOrigin { exchange in
      let fields: Fields = ["Cache-Control": "max-age=1", "ETag": "\"v\(exchange.visit)\""]
      try exchange.respond(200, fields, "\(exchange.visit)")
    }
    try withLarder(before: [origin]) { larder in
      _ = try larder.fetch("/")
      let expired = try larder.fetchWhenStale("/")
      #expect(expired.cacheStatus == "EXPIRED" && expired.text == "1")
    }
  }

  @Test func `L18 our own error replies carry their cause, and Cache-Status says that nothing was stored`()
    throws
  {
    try withLarder(backends: ["127.0.0.1:\(try refusingPort())"]) { larder in
      let refused = try larder.fetch("/")
      #expect(refused.status == 503 || refused.status == 502)
      #expect(refused.cacheStatus == "MISS")
      #expect(refused.cacheStatusDetails?.isHit == false && refused.cacheStatusDetails?.isStored == false)
      #expect(try larder.fetch("/", method: "POST", body: [1]).cacheStatus == "BYPASS")
    }
  }

  @Test func `L18 a Cache-Status from the origin is kept before ours`() throws {
    let origin = try MisbehavingOrigin { exchange in
      let fields: Fields = [
        "Cache-Control": "max-age=600", "Cache-Status": "Inner; hit; ttl=7", "X-Cache-Status": "X",
      ]
      try exchange.respond(200, fields, "page")
    }
    try withLarder(before: [origin]) { larder in
      for word in ["MISS", "HIT"] {
        let response = try larder.fetch("/")
        let members = response.fields["Cache-Status"]?.components(separatedBy: ", ") ?? []
        #expect(members.count == 2 && members.first?.hasPrefix("Inner") == true)
        #expect(response.cacheStatus == word)  // one value only, ours
      }
    }
  }

  @Test func `an unsafe method's success drops the stored page before its answer is sent`() throws {
    let origin = try MisbehavingOrigin { [control] exchange in
      try exchange.readBody()
      let status = exchange.target == "/refused" && exchange.request.method == "POST" ? 403 : 200
      try exchange.respond(status, control, "\(exchange.visit)")
    }
    try withLarder(before: [origin]) { larder in
      for method in ["POST", "PUT", "DELETE", "PATCH"] {
        _ = try larder.fetch("/page")
        #expect(try larder.fetch("/page").cacheStatus == "HIT")
        #expect(try larder.fetch("/page", method: method, body: [1]).status == 200)
        #expect(try larder.fetch("/page").cacheStatus == "MISS", "\(method)")
      }
      _ = try larder.fetch("/refused")
      _ = try larder.fetch("/refused", method: "POST", body: [1])  // an error, RFC 9111 §4.4
      #expect(try larder.fetch("/refused").cacheStatus == "HIT")
      _ = try larder.fetch("/page", method: "OPTIONS")
      #expect(try larder.fetch("/page").cacheStatus == "HIT")
    }
  }
}
