import Foundation
import Testing
import TestSupport

@Suite("Overload, R5 and R6", .serialized)
struct OverloadTests {
  private func origin() throws -> MisbehavingOrigin {
    try MisbehavingOrigin { try $0.respond(200, ["Cache-Control": "max-age=600"], "page") }
  }

  /// Of one processor, in the next second.
  private func processorShare(_ larder: Larder) throws -> Double {
    let before = try larder.process.processorSeconds()
    pause(milliseconds: 1000)
    return try larder.process.processorSeconds() - before
  }

  /// `make goals` says how soon.
  private func awaitService(_ larder: Larder, clients count: Int) throws {
    try eventually("full service") {
      let clients = try (0..<count).map { _ in try larder.client() }
      defer { for client in clients { client.close() } }
      return clients.allSatisfy { (try? $0.fetch("/").status) == 200 }
    }
  }

  @Test func `R5 with ulimit -n 64 and four times as many clients it does not spin, and serves on`() throws {
    let origin = try origin()
    try withLarder(backends: [origin.address], descriptors: 64) { larder in
      #expect(larder.process.standardOutput.contains("Clients limited to 17"))
      _ = try larder.fetch("/")
      let crowd = try (0..<256).map { _ in try larder.client() }
      for (index, client) in crowd.enumerated() {
        try client.sendAsFarAsTaken(Array("GET /\(index) HTTP/1.1\r\nHost: a.t".utf8))
      }
      #expect(try processorShare(larder) <= 0.05)
      #expect(try larder.process.openDescriptors() <= 64)
      // The operator looks in meanwhile, and those who got in have a server to ask.
      #expect(try metric("larder_client_connections_limit", larder) == 17)
      #expect(try metric("larder_client_connections_refused_total{reason=\"max_clients\"}", larder) >= 200)
      let inside = crowd.filter { client in
        (try? client.sendAsFarAsTaken(Array("est\r\n\r\n".utf8))) != nil
          && (try? client.readResponse().status) == 200
      }
      #expect(inside.count >= 12 && inside.count <= 17)
      for client in crowd { client.close() }
      try awaitService(larder, clients: 12)
    }
  }

  @Test func `R5 when descriptors run out all the same accepting rests, and the operator still gets in`()
    throws
  {
    let origin = try origin()
    try withLarder(before: [origin]) { larder throws in
      _ = try larder.fetch("/")
      // Eight more than it has now.
      try larder.process.limit(descriptors: try larder.process.openDescriptors() + 8)
      let crowd = try (0..<40).map { _ in try larder.client(timeout: 1) }
      for client in crowd { try client.send("GET / HTTP/1.1\r\nHost: a.t") }
      try eventually("a pause") { try metric("larder_accept_pauses_total", larder) > 0 }
      #expect(try processorShare(larder) <= 0.05)
      // None of them is lost: they wait in the listener's queue.
      try larder.process.limit(descriptors: 1000)
      for client in crowd { try client.send("est\r\n\r\n") }
      for client in crowd { #expect(try client.readResponse().status == 200) }
      for client in crowd { client.close() }
    }
  }

  @Test func `R5 out of descriptors for a server a miss is 503 with Retry-After, a hit is a hit`() throws {
    let origin = try MisbehavingOrigin { exchange in
      try exchange.respond(200, ["Cache-Control": "max-age=600", "Connection": "close"], "page")
      exchange.close()
    }
    try withLarder(["--admin", "off"], before: [origin]) { larder throws in
      let client = try larder.client()
      _ = try client.fetch("/")
      // What it has stays open; there is nothing below for more.
      try larder.process.limit(descriptors: 3)
      let miss = try client.fetch("/other")
      #expect(miss.status == 503 && miss.fields["Retry-After"] == "1")
      #expect(try client.fetch("/").cacheStatus == "HIT")
      try larder.process.limit(descriptors: 1000)
      #expect(try client.fetch("/other").text == "page")
    }
  }

  @Test func `R5 clients between two requests make room for others`() throws {
    let origin = try origin()
    try withLarder(["--max-clients", "10", "--workers", "1"], before: [origin]) { larder throws in
      let idle = try (0..<10).map { _ in try larder.client() }
      for client in idle { #expect(try client.fetch("/").status == 200) }
      try awaitService(larder, clients: 3)
      #expect(try metric("larder_client_idle_connections_ended_total", larder) > 0)
    }
  }

  /// Readers who take nothing for a while, of pages that are kept and of pages that are not, more of each
  /// than there is memory for.
  @Test func `R6 memory stays within its budget and a quarter, and what does not fit is 503`() throws {
    // More than the kernel takes for a reader who does not read.
    let page = pattern(4 << 20)
    let origin = try MisbehavingOrigin { exchange in
      let control = exchange.target.hasPrefix("/kept") ? "max-age=600" : "no-store"
      try exchange.respond(200, ["Cache-Control": control], page)
    }
    let budget = 64 << 20
    // Less than thirty windows of 64 KiB, and 16 KiB for each of sixty fetches.
    let flags = ["--memory", "64MiB", "--max-connections", "60", "--max-in-flight", "2MiB"]
    try withLarder(flags, before: [origin]) { larder throws in
      let start = try larder.process.memory("VmRSS")
      let clients = try (0..<150).map { index in
        let client = try larder.client(timeout: 20, receiveBuffer: 16384)
        try client.sendRequest(index % 2 == 0 ? "/kept\(index)" : "/passed\(index)")
        return client
      }
      // The operator sees it, and it lasts as long as nobody reads.
      let limit = try metric("larder_in_flight_memory_limit_bytes", larder)
      #expect(limit == 2 << 20)
      try eventually("the limit to be reached", seconds: 30) {
        try metric("larder_in_flight_memory_bytes", larder) > limit
      }
      let refused = try larder.fetch("/more")
      #expect(refused.status == 503 && refused.fields["Retry-After"] == "1")
      #expect(try metric("larder_requests_total{decision=\"exhausted\",status=\"5xx\"}", larder) > 0)
      for (index, client) in clients.enumerated() {
        var response = try client.readFinalHead()
        #expect(response.status == 200 || response.fields["Retry-After"] == "1")
        // The others leave with the rest unread.
        guard response.status == 200, index < 10 else { continue }
        try client.readBody(of: &response)
        #expect(response.body == page && response.cut == nil)
      }
      for client in clients { client.close() }
      #expect(try larder.process.memory("VmHWM") - start <= budget + budget / 4)
      try eventually("all to be given back") { try metric("larder_in_flight_memory_bytes", larder) == 0 }
      #expect(try larder.fetch("/kept-after").cacheStatus == "MISS")
      #expect(try larder.fetch("/kept-after").cacheStatus == "HIT")
    }
  }
}
