import Foundation

/// The last member of a `Cache-Status` field, the one of the cache nearest to the client (RFC 9211 §2).
public struct CacheStatus: Sendable {
  public var cache: String
  /// Parameters by name; one without a value is "?1", a Boolean's true (RFC 8941 §3.1.2).
  public var parameters: [String: String] = [:]

  public var isHit: Bool { parameters["hit"] == "?1" }
  public var isStored: Bool { parameters["stored"] == "?1" }
  public var isCollapsed: Bool { parameters["collapsed"] == "?1" }
  public var forward: String? { parameters["fwd"] }
  public var forwardStatus: Int? { parameters["fwd-status"].flatMap { Int($0) } }
  public var timeLeft: Int? { parameters["ttl"].flatMap { Int($0) } }
}

extension Response {
  /// `nil` when the response has no `Cache-Status`.
  public var cacheStatusDetails: CacheStatus? {
    guard let last = fields.all("Cache-Status").last?.components(separatedBy: ", ").last else { return nil }
    let parts = last.components(separatedBy: ";").map { $0.trimmingCharacters(in: .whitespaces) }
    var status = CacheStatus(cache: parts[0])
    for part in parts.dropFirst() {
      let pair = part.split(separator: "=", maxSplits: 1)
      guard let name = pair.first else { continue }
      status.parameters[String(name)] = pair.count == 2 ? String(pair[1]) : "?1"
    }
    return status
  }
}

extension Response {
  /// The number in a purge's JSON answer (L23).
  public var purged: Int? {
    let json = try? JSONSerialization.jsonObject(with: Data(body)) as? [String: Any]
    return json?["purged"] as? Int
  }
}

extension Larder {
  /// Returns when both workers have handled everything that clients had sent before this call.
  ///
  /// The kernel reports readiness in order, so a later request's answer shows that earlier ones were read.
  /// A request without Host is answered by the proxy alone. Many connections, because the kernel spreads them
  /// over the workers as it likes: that 24 in a row miss one of two workers happens once in 8 million times.
  public func settle() throws {
    for _ in 0..<24 {
      let client = try client()
      try client.send("GET /settle HTTP/1.1\r\n\r\n")
      _ = try client.readToEnd()
      client.close()
    }
  }
}
