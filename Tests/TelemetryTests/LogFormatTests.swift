import Foundation
import Testing

@testable import Telemetry

/// The format in one word per part: literals in quotes, variables by name, with the field's name behind.
private func shape(_ source: String) throws -> [String] {
  let format = try LogFormat(source)
  func text(_ lower: Int, _ upper: Int) -> String {
    String(decoding: format.text[lower..<upper], as: UTF8.self)
  }
  return format.parts.flatMap { part in
    let literal = text(part.literal.lower, part.literal.upper)
    let name = text(part.name.lower, part.name.upper)
    return (literal.isEmpty ? [] : ["'\(literal)'"]) + (part.variable.map { [$0.rawValue + name] } ?? [])
  }
}

@Suite("Access log format")
struct LogFormatTests {
  @Test func `combined is nginx's`() throws {
    #expect(
      try shape("combined") == [
        "remote_addr", "' - '", "remote_user", "' ['", "time_local", "'] \"'", "request", "'\" '", "status",
        "' '", "body_bytes_sent", "' \"'", "http_referer", "'\" \"'", "http_user-agent", "'\"'",
      ])
    #expect(try LogFormat("combined").escaping == .hexadecimal)
  }

  @Test func `json has a member for each thing there is to say`() throws {
    let format = try LogFormat("json")
    #expect(format.escaping == .json)
    let variables = Set(format.parts.compactMap(\.variable))
    for variable in [
      LogVariable.isoTime, .remoteAddress, .method, .host, .requestURI, .status, .bodyBytesSent, .decision,
      .keyHash, .upstreamAddress, .attempts, .waitTime, .connectTime, .firstByteTime, .requestTime,
      .requestID,
    ] {
      #expect(variables.contains(variable), "\(variable)")
    }
  }

  @Test(arguments: LogVariable.allCases)
  func `every variable is taken, with and without braces`(_ variable: LogVariable) throws {
    let name = variable.rawValue + (variable.takesName ? "x" : "")
    #expect(try shape("$\(name)") == [name])
    #expect(try shape("${\(name)}s") == [name, "'s'"])
  }

  @Test func `a field's name is in lower case with dashes, as in nginx`() throws {
    #expect(try shape("$http_X_Forwarded_For") == ["http_x-forwarded-for"])
    #expect(try shape("$sent_http_content_type,") == ["sent_http_content-type", "','"])
  }

  @Test func `escape=json asks for JSON's escaping, and is no part of the line`() throws {
    #expect(try LogFormat("escape=json $status").escaping == .json)
    #expect(try shape("escape=json $status") == ["status"])
    #expect(try LogFormat("escape=none $status").escaping == .hexadecimal)
  }

  @Test(arguments: [
    ("$stauts", LogFormatError.unknownVariable("stauts")), ("$status$http_", .unknownVariable("http_")),
    ("$Status", .unknownVariable("Status")),  // nginx's are lower-case
    ("$", .malformedVariable), ("${status", .malformedVariable), ("$-", .malformedVariable),
    ("$status\n", .controlCharacter), ("\u{1B}[$status", .controlCharacter),
    ("", .withoutVariable), ("combine", .withoutVariable),
    (String(repeating: "$status", count: 65), .tooLong),
    (String(repeating: "x", count: 4096) + "$status", .tooLong),
  ])
  func `what is no format is refused with its reason`(_ text: String, _ error: LogFormatError) {
    #expect(throws: error) { _ = try LogFormat(text) }
  }

  /// Otherwise a client could keep its requests out of the log.
  @Test(arguments: [
    "json", "combined", String(repeating: "$http_cookie", count: 64), String(repeating: "$status", count: 64),
  ])
  func `the longest values still make a line that fits into a chunk`(_ source: String) throws {
    let format = try LogFormat(source)
    var line = LogLine(format)
    line.begin(wallSeconds: 0)
    let long = [UInt8](repeating: 0xFF, count: 100_000)
    // The longest value that is ours: an address, a Unix path with every byte escaped.
    let bounded = [UInt8](repeating: 0xFF, count: 112)
    unsafe line.append(
      literal: Array(repeating: 120, count: LogFormat.lengthLimit), count: LogFormat.lengthLimit)
    for part in format.parts {
      line.append(value: part.variable?.isUnbounded == true ? long.span : bounded.span)
    }
    line.endLine()
    #expect(line.text.count <= LogRing.chunkBytes)
  }
}
