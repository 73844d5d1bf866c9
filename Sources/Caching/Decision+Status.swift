public import Bytes

extension Decision {
  /// The value of `X-Cache-Status`, in nginx's words (L18). Does not allocate.
  public var xCacheStatus: StaticString {
    switch self {
    case .hit: "HIT"
    case .miss, .collapsed: "MISS"
    case .expired: "EXPIRED"
    case .revalidated: "REVALIDATED"
    case .staleUpdating: "UPDATING"
    case .staleOnError: "STALE"
    case .bypass: "BYPASS"
    // Our own error replies, as what caused them.
    case .failed(_, .miss): "MISS"
    case .failed(_, .expired): "EXPIRED"
    case .failed(_, .bypass): "BYPASS"
    case .synthetic(.onlyIfCached): "MISS"
    case .synthetic(.refused), .synthetic(.overloaded), .synthetic(.policy), .synthetic(.rateLimited):
      "BYPASS"
    case .purge: "BYPASS"
    }
  }

  /// Whether the response came from the store without a word of the origin, RFC 9211 §2.1.
  public var isHit: Bool {
    switch self {
    case .hit, .staleUpdating, .staleOnError(.backingOff), .staleOnError(.originDown): true
    case .miss, .collapsed, .expired, .revalidated, .staleOnError(.attemptFailed), .bypass, .failed,
      .synthetic, .purge:
      false
    }
  }

  /// Why the request was forwarded, RFC 9211 §2.2; `nil` when it was not.
  public var forwardReason: StaticString? {
    switch self {
    case .hit, .staleUpdating, .staleOnError(.backingOff), .staleOnError(.originDown): nil
    case .miss(.cold): "uri-miss"
    case .miss(.variant): "vary-miss"
    case .miss(.released), .miss(.waitTimedOut), .collapsed: "miss"
    case .expired, .revalidated, .staleOnError(.attemptFailed): "stale"
    case .bypass(let reason): Self.forwardReason(of: reason)
    case .failed(_, .miss): "miss"
    case .failed(_, .expired): "stale"
    case .failed(_, .bypass): "bypass"
    case .synthetic, .purge: nil
    }
  }

  private static func forwardReason(of reason: BypassReason) -> StaticString {
    switch reason {
    case .method: "method"
    case .credentials, .requestDirective: "request"
    case .range: "miss"
    case .hitForMiss, .authorization, .precondition, .requestBody, .policy, .upgrade: "bypass"
    }
  }
}

/// The facts beside the decision that `Cache-Status` tells.
public struct CacheStatusFacts: Sendable {
  /// Freshness left in seconds; negative: stale for so long.
  public var ttl: Int64?
  /// The status that the origin answered with; 0 when it did not.
  public var forwardStatus: UInt16
  /// The response was stored.
  public var isStored: Bool
  /// `key` and `detail` may be told: a trusted peer or a token (L18, RFC 9211 §6).
  public var isTrusted: Bool

  @inlinable public init(
    ttl: Int64? = nil, forwardStatus: UInt16 = 0, isStored: Bool = false, isTrusted: Bool = false
  ) {
    self.ttl = ttl
    self.forwardStatus = forwardStatus
    self.isStored = isStored
    self.isTrusted = isTrusted
  }
}

extension Decision {
  /// Writes our member of `Cache-Status`, RFC 9211 §2, such as `larder; hit; ttl=30`. Does not allocate while
  /// `output` has room.
  ///
  /// - Parameter key: As `KeyTemplate` wrote it; told to the trusted only.
  public func writeCacheStatus(
    _ facts: CacheStatusFacts, key: Span<UInt8> = Span(), to output: inout OutputBuffer
  ) {
    if isHit {
      output.append("larder; hit")
    } else if let reason = forwardReason {
      output.append("larder; fwd=")
      output.append(reason)
      if facts.forwardStatus != 0 {
        output.append("; fwd-status=")
        output.append(decimal: Int(facts.forwardStatus))
      }
    } else {
      output.append("larder")
    }
    if let ttl = facts.ttl {
      output.append("; ttl=")
      output.append(decimal: Int(ttl))
    }
    if facts.isStored { output.append("; stored") }
    if case .collapsed = self { output.append("; collapsed") }
    guard facts.isTrusted else { return }
    if key.count > 0 {
      output.append("; key=")
      Self.writeString(key, to: &output)
    }
    output.append("; detail=")
    output.append(logName)
  }

  /// A string of RFC 8941 §3.3.3. It holds printable ASCII only: a NUL, which parts keys, becomes a space,
  /// any other byte is percent-encoded.
  private static func writeString(_ bytes: Span<UInt8>, to output: inout OutputBuffer) {
    output.append(.quote)
    for i in bytes.indices {
      switch bytes[i] {
      case 0: output.append(.space)
      case .quote, .backslash:
        output.append(.backslash)
        output.append(bytes[i])
      case 32...126: output.append(bytes[i])
      case let byte:
        output.append("%")
        output.append(hexDigit(byte >> 4))
        output.append(hexDigit(byte & 15))
      }
    }
    output.append(.quote)
  }

  private static func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 48 + value : 55 + value }
}
