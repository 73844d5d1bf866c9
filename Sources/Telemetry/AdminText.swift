public import Bytes

/// Bodies of the admin listener's JSON answers, each one line.
public enum AdminText {
  public static let contentType: StaticString = "application/json"

  /// `GET /health`: whoever can answer is alive.
  public static func writeHealth(version: String, uptimeSeconds: Int, to out: inout OutputBuffer) {
    out.append("{\"alive\": true, \"version\": ")
    out.append(jsonString: version)
    out.append(", \"uptimeSeconds\": ")
    out.append(decimal: uptimeSeconds)
    out.append("}\n")
  }

  /// `GET /ready`: every check by name.
  ///
  /// - Returns: The status of the answer: 200, or 503 when a check fails.
  public static func writeReadiness(_ checks: [ReadinessCheck], to out: inout OutputBuffer) -> UInt16 {
    let isReady = checks.allSatisfy(\.passes)
    out.append("{\"ready\": ")
    out.append(json: isReady)
    out.append(", \"checks\": {")
    for (index, check) in checks.enumerated() {
      if index > 0 { out.append(", ") }
      out.append(jsonString: check.name.description)
      out.append(": {\"passes\": ")
      out.append(json: check.passes)
      if let detail = check.detail {
        out.append(", \"detail\": ")
        out.append(jsonString: detail)
      }
      out.append("}")
    }
    out.append("}}\n")
    return isReady ? 200 : 503
  }

  /// A purge that was done (L23); `count` may be 0.
  ///
  /// - Parameter isDurable: False: the disk has refused to note it, so that a crash may undo it (L22).
  public static func writePurge(
    count: Int, host: Span<UInt8>, sequence: UInt64, isDurable: Bool = true, to out: inout OutputBuffer
  ) {
    out.append("{\"purged\": ")
    out.append(decimal: count)
    out.append(", \"host\": ")
    out.append(jsonString: host)
    out.append(", \"sequence\": ")
    out.append(decimal: Int(truncatingIfNeeded: sequence))
    if !isDurable { out.append(", \"durable\": false") }
    out.append("}\n")
  }

  /// A refusal. `offset`, if any, is where in the request's body the fault lies.
  public static func writeError(_ text: String, offset: Int? = nil, to out: inout OutputBuffer) {
    out.append("{\"error\": ")
    out.append(jsonString: text)
    if let offset {
      out.append(", \"offset\": ")
      out.append(decimal: offset)
    }
    out.append("}\n")
  }
}

/// One condition for taking traffic.
public struct ReadinessCheck: Sendable {
  public var name: StaticString
  public var passes: Bool
  /// What is wrong, or what was seen.
  public var detail: String?

  public init(_ name: StaticString, passes: Bool, detail: String? = nil) {
    self.name = name
    self.passes = passes
    self.detail = detail
  }

  /// Fails while the process drains (L30).
  public static func accepting(isDraining: Bool) -> ReadinessCheck {
    ReadinessCheck("accepting", passes: !isDraining, detail: isDraining ? "draining" : nil)
  }

  /// Passes even with a fault: without its disk the proxy serves from memory and the servers.
  public static func disk(fault: String?) -> ReadinessCheck {
    ReadinessCheck("disk", passes: true, detail: fault.map { "degraded: \($0)" })
  }

  /// Fails when no server of the pool is usable.
  public static func upstream(usable: Int, of total: Int) -> ReadinessCheck {
    ReadinessCheck("upstream", passes: usable > 0, detail: "\(usable) of \(total) servers up")
  }
}
