import Bytes
import Foundation
import Testing

@testable import Telemetry

@Suite("Answers of the admin listener")
struct AdminTextTests {
  private func object(_ out: borrowing OutputBuffer) throws -> NSDictionary {
    let parsed = try JSONSerialization.jsonObject(with: Data(string(out).utf8))
    return try #require(parsed as? NSDictionary)
  }

  @Test func `health says that the process answers`() throws {
    var out = OutputBuffer(capacity: 8)
    AdminText.writeHealth(version: "0.1.0", uptimeSeconds: 12, to: &out)
    #expect(try object(out) == ["alive": true, "version": "0.1.0", "uptimeSeconds": 12])
  }

  @Test(arguments: [(false, 2, UInt16(200)), (true, 2, 503), (false, 0, 503), (true, 0, 503)])
  func `not ready while draining or without a server (L30)`(_ draining: Bool, _ up: Int, _ status: UInt16)
    throws
  {
    var out = OutputBuffer(capacity: 8)
    let answer = AdminText.writeReadiness(
      [.accepting(isDraining: draining), .upstream(usable: up, of: 2)], to: &out)
    #expect(answer == status)
    let body = try object(out)
    #expect(body["ready"] as? Bool == (status == 200))
    let checks = try #require(body["checks"] as? [String: [String: Any]])
    #expect(checks["accepting"]?["passes"] as? Bool == !draining)
    #expect(checks["upstream"]?["passes"] as? Bool == (up > 0))
    #expect(checks["upstream"]?["detail"] as? String == "\(up) of 2 servers up")
  }

  @Test func `no checks at all are ready`() throws {
    var out = OutputBuffer(capacity: 8)
    #expect(AdminText.writeReadiness([], to: &out) == 200)
    #expect(try object(out) == ["ready": true, "checks": [String: String]()])
  }

  @Test func `a purge answers count, host and sequence (L23)`() throws {
    let host = Array("ex\"ample".utf8)
    var out = OutputBuffer(capacity: 8)
    AdminText.writePurge(count: 0, host: host.span, sequence: 7, to: &out)
    #expect(try object(out) == ["purged": 0, "host": "ex\"ample", "sequence": 7])
  }

  @Test func `an error answers text and, if known, offset`() throws {
    var out = OutputBuffer(capacity: 8)
    AdminText.writeError("not JSON", offset: 3, to: &out)
    #expect(try object(out) == ["error": "not JSON", "offset": 3])
    out.removeAll()
    AdminText.writeError("no", to: &out)
    #expect(try object(out) == ["error": "no"])
  }
}
