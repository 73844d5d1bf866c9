import Bytes

/// What one line of the access log says. Values are as received: they are escaped when written. An empty one
/// is written as `-`.
public struct AccessRecord: ~Escapable {
  /// Address without port.
  public let client: Span<UInt8>
  /// Method, target and version as received.
  public let requestLine: Span<UInt8>
  public let referer: Span<UInt8>
  public let userAgent: Span<UInt8>
  /// Address of the server asked; empty when none was.
  public let upstream: Span<UInt8>
  public var status: UInt16 = 0
  /// Body bytes sent to the client.
  public var bodyBytes = 0
  /// As in `X-Cache-Status`.
  public var cacheStatus: StaticString = "-"
  /// Why, as the decision has it.
  public var reason: StaticString = "-"
  public var requestMicroseconds = 0
  /// From the request sent upstream to the first byte of its answer; `nil` when none came.
  public var firstByteMicroseconds: Int?

  @_lifetime(copy client, copy requestLine, copy referer, copy userAgent, copy upstream)
  public init(
    client: Span<UInt8>, requestLine: Span<UInt8>, referer: Span<UInt8>, userAgent: Span<UInt8>,
    upstream: Span<UInt8>
  ) {
    self.client = client
    self.requestLine = requestLine
    self.referer = referer
    self.userAgent = userAgent
    self.upstream = upstream
  }

  /// Longest escaped form of one value in bytes; more is cut and ends in `...`. Three of them and the rest of
  /// a line fit into a chunk of the log.
  static let valueLimit = 16 << 10

  /// nginx's `combined` format, then cache status, reason, server, and the two times in seconds.
  func write(clock: borrowing LogClock, to out: inout OutputBuffer) {
    append(client, to: &out)
    out.append(" - - [")
    out.append(clock.bytes)
    out.append("] \"")
    append(requestLine, to: &out)
    out.append("\" ")
    out.append(decimal: Int(status))
    out.append(.space)
    out.append(decimal: bodyBytes)
    out.append(" \"")
    append(referer, to: &out)
    out.append("\" \"")
    append(userAgent, to: &out)
    out.append("\" ")
    out.append(cacheStatus)
    out.append(" \"")
    out.append(reason)
    out.append("\" ")
    append(upstream, to: &out)
    out.append(.space)
    out.append(paddedSecondsOf: requestMicroseconds)
    out.append(.space)
    if let firstByteMicroseconds {
      out.append(paddedSecondsOf: firstByteMicroseconds)
    } else {
      out.append(.dash)
    }
    out.append(.lineFeed)
  }

  private func append(_ value: Span<UInt8>, to out: inout OutputBuffer) {
    if value.isEmpty { out.append(.dash) } else { out.append(escaped: value, limit: AccessRecord.valueLimit) }
  }
}

extension OutputBuffer {
  /// As nginx escapes logged values: quote, backslash, everything below 32 and above 126 as `\xNN`, upper
  /// case. So no value can end its field or its line, or reach a terminal.
  ///
  /// Source: `ngx_http_log_escape` of nginx.
  mutating func append(escaped value: Span<UInt8>, limit: Int) {
    let end = count + limit
    for i in value.indices {
      let byte = value[i]
      let isPlain = byte >= 32 && byte < 127 && byte != .quote && byte != .backslash
      guard count + (isPlain ? 1 : 4) <= end else { return append("...") }
      if isPlain {
        append(byte)
      } else {
        append("\\x")
        append(upperHexDigit(byte >> 4))
        append(upperHexDigit(byte & 15))
      }
    }
  }

  /// Always six decimals, so that columns line up and no reader meets an integer.
  mutating func append(paddedSecondsOf microseconds: Int) {
    let time = max(microseconds, 0)
    append(decimal: time / 1_000_000)
    append(.dot)
    appendPadded(time % 1_000_000, digits: 6)
  }

  mutating func appendPadded(_ value: Int, digits: Int) {
    var unit = 1
    for _ in 1..<digits { unit *= 10 }
    while unit > 0 {
      append(48 + UInt8(truncatingIfNeeded: value / unit % 10))
      unit /= 10
    }
  }
}

private func upperHexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 48 + value : 55 + value }
