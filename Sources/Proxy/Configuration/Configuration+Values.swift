import Telemetry
import Caching
import IO
import Upstream

/// Readers and writers of values that are neither numbers nor amounts.
enum ValueText {
  static func address(_ text: String) throws(Rejection) -> SocketAddress {
    do { return try SocketAddress.parse(listen: text) } catch {
      throw Rejection(text, expected: "\(error.expectation)")
    }
  }

  static func listen(_ text: String) throws(Rejection) -> ListenSetting {
    do { return try ListenSetting.parse(text) } catch {
      throw Rejection(text, expected: "\(error.expectation)")
    }
  }

  static func backend(_ text: String) throws(Rejection) -> BackendAddress {
    do { return try BackendAddress.parse(text) } catch {
      throw Rejection(text, expected: "\(error.expectation)")
    }
  }

  /// Where a command of ours connects to.
  static func destination(_ text: String) throws(Rejection) -> BackendAddress {
    let address = try backend(text)
    guard address.proxyHeader == nil else { throw Rejection(text) }
    return address
  }

  static func network(_ text: String) throws(Rejection) -> CIDR {
    do { return try CIDR(parsing: text) } catch { throw Rejection(text, expected: error.expectation) }
  }

  /// `token68` of RFC 9110 §11.2, which is what `Authorization: Bearer` can carry.
  static func token(_ text: String) throws(Rejection) -> String? {
    if text == "none" { return nil }
    let body = text.utf8.reversed().drop { $0 == UInt8(ascii: "=") }
    guard !body.isEmpty, body.allSatisfy({ isAlphanumeric($0) || "-._~+/".utf8.contains($0) }) else {
      throw Rejection(text)
    }
    return text
  }

  static func accessLog(_ text: String) throws(Rejection) -> AccessLogTarget {
    guard !text.isEmpty, text != "-", !text.hasSuffix("/"), !text.utf8.contains(0) else {
      throw Rejection(text)
    }
    return AccessLogTarget(text)
  }

  /// `nil` for `none`.
  static func path(_ text: String) throws(Rejection) -> String? {
    guard !text.isEmpty, !text.hasSuffix("/"), !text.utf8.contains(0) else { throw Rejection(text) }
    return text == "none" ? nil : text
  }

  /// `nil` for `none`.
  static func process(_ text: String) throws(Rejection) -> Int? {
    if text == "none" { return nil }
    guard let id = Int(text), 1...1 << 22 ~= id else { throw Rejection(text) }
    return id
  }

  static func logFormat(_ text: String) throws(Rejection) -> LogFormat {
    do { return try LogFormat(text) } catch {
      let expected =
        switch error {
        case .unknownVariable(let name): "a variable such as $status, $request or $http_NAME, not $\(name)"
        case .malformedVariable: "a name after each $, as in $status or ${status}"
        case .controlCharacter: "no control characters"
        case .withoutVariable: "json, combined or a format with at least one variable such as $status"
        case .tooLong: "at most \(LogFormat.lengthLimit) bytes and \(LogFormat.variableLimit) variables"
        }
      throw Rejection(text, expected: expected)
    }
  }

  /// `uri-host [ ":" port ]` of RFC 9110 §7.2, without percent-encoding.
  static func hostHeader(_ text: String) throws(Rejection) -> HostHeader {
    switch text {
    case "preserve": return .preserve
    case "backend": return .backend
    default:
      guard isHost(text) || isHostAndPort(text) else { throw Rejection(text) }
      return .fixed(text)
    }
  }

  static func write(_ host: HostHeader) -> String {
    switch host {
    case .preserve: "preserve"
    case .backend: "backend"
    case .fixed(let value): value
    }
  }

  static func key(_ text: String) throws(Rejection) -> KeySetting {
    do { return try KeySetting(text) } catch {
      let expected =
        switch error {
        case .unknownVariable(let name): "a variable such as $host, $request_uri or $arg_NAME, not $\(name)"
        case .malformedVariable: "a name after each $, as in $host or ${host}"
        case .controlCharacter: "no control characters"
        case .withoutHost: "$host or $http_host in it, or one host's pages would be another's"
        }
      throw Rejection(text, expected: expected)
    }
  }

  private static func isHostAndPort(_ text: String) -> Bool {
    guard let (host, _) = try? SocketAddress.split(text) else { return false }
    return isHost(host) || SocketAddress(numeric: host, port: 0) != nil
  }

  private static func isHost(_ text: String) -> Bool {
    !text.isEmpty && text.utf8.allSatisfy { isAlphanumeric($0) || "-._".utf8.contains($0) }
  }

  static func isAlphanumeric(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
    case UInt8(ascii: "0")...UInt8(ascii: "9"): true
    default: false
    }
  }
}
