import Testing
import TestSupport

/// What a hostile client sends on one connection, and what must come of it.
struct Attack: Sendable, CustomStringConvertible {
  enum Outcome: Sendable {
    /// One answer of these statuses, and the connection ends. The origin hears nothing of it.
    case refused([Int])
    /// The same, but the origin may have seen the beginning: never a complete request.
    case cut([Int])
    /// These requests arrive at the origin, in order, and no others; each has its answer.
    case passes([String])
  }

  var bytes: [UInt8]
  var outcome: Outcome
  var reason: String

  /// - Parameter text: Scalars up to U+00FF stand for one byte each, others for their UTF-8.
  init(_ text: String, _ outcome: Outcome, because reason: String) {
    bytes = text.unicodeScalars.flatMap { $0.value < 256 ? [UInt8($0.value)] : Array(String($0).utf8) }
    self.outcome = outcome
    self.reason = reason
  }

  var description: String { reason }

  /// Arrives at the origin as a request of its own only where something has gone wrong.
  static let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n"
  static let host = "Host: a.test\r\n"

  static func request(_ fields: String, _ body: String = "", method: String = "POST") -> String {
    "\(method) / HTTP/1.1\r\n\(host)\(fields)\r\n\r\n\(body)"
  }

  /// A request whose chunked body begins with `body`.
  static func chunks(_ body: String) -> String { request("Transfer-Encoding: chunked", body) }
}

/// Runs attacks, each on a connection of its own, before an origin that records every byte; then reads what
/// the origin got in all the ways in which a careless server might.
func check(_ attacks: [Attack]) throws {
  let origin = try MisbehavingOrigin { exchange in
    let body = try exchange.readBody()
    try exchange.respond(200, [:], "\(exchange.target) \(body.count)")
  }
  var expected: [String] = []
  try withLarder(before: [origin]) { larder in
    for attack in attacks {
      let client = try larder.client()
      defer { client.close() }
      try client.sendAsFarAsTaken(attack.bytes)
      switch attack.outcome {
      case .refused(let statuses), .cut(let statuses):
        let response = try #require(try? client.readResponse(), "\(attack): no answer")
        #expect(statuses.contains(response.status), "\(attack): got \(response.status)")
        #expect(response.fields["Connection"]?.lowercased() == "close", "\(attack)")
        try client.sendAsFarAsTaken(Array(Attack.smuggled.utf8))
        #expect(try client.isEnded(), "\(attack): the connection goes on")
      case .passes(let lines):
        expected += lines
        for line in lines {
          let method = String(line.prefix { $0 != " " })
          let response = try #require(try? client.readResponse(to: method), "\(attack): no answer to \(line)")
          #expect(response.status == 200, "\(attack): \(line) got \(response.status)")
        }
      }
    }
  }
  try origin.awaitConnections(open: 0)
  checkReadings(of: origin.received, expected)
}

/// All careless readings of what came agree, and are what was expected, in whatever order.
func checkReadings(of streams: [[UInt8]], _ expected: [String]) {
  var found: [String] = []
  for stream in streams {
    let readings = LooseReading.allCases.map { $0.requests(in: stream).filter(\.isComplete) }
    for reading in readings where reading.map(\.line) != readings[0].map(\.line) {
      Issue.record("read as \(readings[0]) and as \(reading):\n\(String(decoding: stream, as: UTF8.self))")
    }
    found += readings[0].map { String($0.line.dropLast(" HTTP/1.1".count)) }
  }
  #expect(found.sorted() == expected.sorted())
}
