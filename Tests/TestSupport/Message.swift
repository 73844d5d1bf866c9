import Foundation

/// Header fields in order, duplicates kept: `["Vary": "A", "Vary": "B"]` are two lines.
public struct Fields: ExpressibleByDictionaryLiteral, Sendable, CustomStringConvertible {
  public var lines: [(name: String, value: String)]

  public init(dictionaryLiteral elements: (String, String)...) {
    lines = elements.map { (name: $0.0, value: $0.1) }
  }

  public init(_ lines: [(name: String, value: String)]) { self.lines = lines }

  /// The values of all lines of this name, joined by a comma; `nil`: no such line.
  public subscript(_ name: String) -> String? {
    let values = all(name)
    return values.isEmpty ? nil : values.joined(separator: ", ")
  }

  public func all(_ name: String) -> [String] {
    lines.filter { $0.name.lowercased() == name.lowercased() }.map(\.value)
  }

  public var names: [String] { lines.map { $0.name.lowercased() } }
  public var text: String { lines.map { "\($0.name): \($0.value)\r\n" }.joined() }
  public var description: String { text }

  public static func + (left: Fields, right: Fields) -> Fields { Fields(left.lines + right.lines) }
}

/// A response as a client got it.
public struct Response: Sendable, CustomStringConvertible {
  public enum Framing: Sendable, Equatable { case none, length(Int), chunked, untilClose }

  public var status: Int
  public var version: String
  public var reason: String
  public var fields: Fields
  public var framing: Framing = .none
  public var body: [UInt8] = []
  /// Why the body ended before its framing said so; `nil`: it is whole.
  public var cut: String?
  /// The 1xx responses that came before, in order.
  public var interim: [Response] = []

  public var text: String { String(decoding: body, as: UTF8.self) }
  public var isWhole: Bool { cut == nil }
  /// The value of `X-Cache-Status`, or "none".
  public var cacheStatus: String { fields["X-Cache-Status"] ?? "none" }
  public var age: Int? { fields["Age"].flatMap { Int($0) } }

  public var description: String {
    "HTTP/\(version) \(status) \(reason)\n\(fields.text)(\(framing), \(body.count) bytes, \(cut ?? "whole"))"
  }
}

/// A request as an origin got it.
public struct OriginRequest: Sendable {
  public var method: String
  public var target: String
  public var version: String
  public var fields: Fields
  /// Every byte of the head, the empty line included.
  public var rawHead: [UInt8]
  /// Every byte of the body as it came, chunk framing included; filled when the script reads the body.
  public var rawBody: [UInt8] = []
  /// The body without its framing.
  public var body: [UInt8] = []
  /// Which connection of this origin, counted from 0.
  public var connection: Int
  /// How many requests for this target came before, on any connection.
  public var visit: Int

  public var headText: String { String(decoding: rawHead, as: UTF8.self) }
}

/// Reads messages off a socket, strictly: what a careful peer would refuse throws `malformed`.
final class MessageReader {
  let socket: Socket
  private let record: ([UInt8]) -> Void
  private var buffer: [UInt8] = []
  private var start = 0
  /// Every byte taken out since it was last set to empty.
  var taken: [UInt8] = []

  /// - Parameter record: is told of all bytes as they come.
  init(_ socket: Socket, record: @escaping ([UInt8]) -> Void = { _ in }) {
    self.socket = socket
    self.record = record
  }

  var buffered: Int { buffer.count - start }

  private func fill(_ what: String) throws {
    let more = try socket.receive()
    if more.isEmpty { throw SupportError.peerClosed(what) }
    record(more)
    if start > 0 {
      buffer.removeFirst(start)
      start = 0
    }
    buffer += more
  }

  private func take(_ count: Int) -> [UInt8] {
    let bytes = Array(buffer[start..<(start + count)])
    start += count
    taken += bytes
    return bytes
  }

  /// One line without its CRLF. A bare LF or CR is malformed.
  func line(_ what: String) throws -> String {
    var scanned = start
    while true {
      if let feed = buffer[scanned...].firstIndex(of: 10) {
        let bytes = take(feed - start + 1)
        guard bytes.count >= 2, bytes[bytes.count - 2] == 13, !bytes.dropLast(2).contains(13) else {
          throw SupportError.malformed(
            "\(what): line without CRLF: \(String(decoding: bytes, as: UTF8.self))")
        }
        return String(decoding: bytes.dropLast(2), as: UTF8.self)
      }
      let already = buffer.count - start
      try fill(what)
      scanned = start + already
    }
  }

  /// The first line and the fields after it.
  func head(_ what: String) throws -> (String, Fields) {
    let first = try line(what)
    var fields = Fields([])
    while true {
      let text = try line(what)
      if text.isEmpty { return (first, fields) }
      fields.lines.append(try Self.field(text, what))
    }
  }

  private static func field(_ line: String, _ what: String) throws -> (name: String, value: String) {
    guard let colon = line.firstIndex(of: ":") else { throw SupportError.malformed("\(what): field \(line)") }
    let name = String(line[..<colon])
    guard !name.isEmpty, !name.contains(where: { " \t".contains($0) }) else {
      throw SupportError.malformed("\(what): field name \(line)")
    }
    return (name, line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces))
  }

  func exactly(_ count: Int, into body: inout [UInt8], _ what: String) throws {
    var left = count
    while left > 0 {
      if buffered == 0 { try fill("\(what), \(left) of \(count) bytes missing") }
      let some = take(min(left, buffered))
      body += some
      left -= some.count
    }
  }

  /// A PROXY header of either version.
  func proxyHeader() throws -> [UInt8] {
    var header: [UInt8] = []
    try exactly(1, into: &header, "PROXY header")
    if header == Array("P".utf8) { return Array("P\(try line("PROXY header"))\r\n".utf8) }
    try exactly(15, into: &header, "PROXY header")
    try exactly(Int(header[14]) << 8 | Int(header[15]), into: &header, "PROXY header")
    return header
  }

  /// Exactly `count` bytes; `nil`: the peer has ended before the first of them.
  func bytes(_ count: Int) throws -> [UInt8]? {
    var bytes: [UInt8] = []
    do {
      try exactly(count, into: &bytes, "\(count) bytes")
    } catch SupportError.peerClosed where bytes.isEmpty {
      return nil
    }
    return bytes
  }

  /// Appends what is there, waiting for at least one byte. False: end of stream.
  func some(into body: inout [UInt8]) throws -> Bool {
    if buffered == 0 {
      do { try fill("body") } catch SupportError.peerClosed { return false }
    }
    body += take(buffered)
    return true
  }

  /// A chunked body and its trailers (RFC 9112 §7.1); extensions are read over.
  func chunked(into body: inout [UInt8], _ what: String) throws -> Fields {
    while true {
      let size = try line(what).split(separator: ";", omittingEmptySubsequences: false)[0]
      guard !size.isEmpty, size.allSatisfy(\.isHexDigit), let count = Int(size, radix: 16) else {
        throw SupportError.malformed("\(what): chunk size \(size)")
      }
      if count == 0 { break }
      try exactly(count, into: &body, what)
      guard try line(what).isEmpty else { throw SupportError.malformed("\(what): no CRLF after a chunk") }
    }
    var trailers = Fields([])
    while true {
      let text = try line(what)
      if text.isEmpty { return trailers }
      trailers.lines.append(try Self.field(text, what))
    }
  }
}

/// `length` bytes that repeat only every 8191, so that a piece in the wrong place is seen.
public func pattern(_ length: Int, seed: UInt8 = 0) -> [UInt8] {
  let block = (0..<8191).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) &+ seed }
  var bytes: [UInt8] = []
  bytes.reserveCapacity(length + block.count)
  while bytes.count < length { bytes += block }
  bytes.removeLast(bytes.count - length)
  return bytes
}

/// An IMF-fixdate, `seconds` from now.
public func httpDate(_ seconds: Int = 0) -> String {
  var when = time(nil) + seconds
  var parts = tm()
  gmtime_r(&when, &parts)
  let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
  let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
  func two(_ number: CInt) -> String { number < 10 ? "0\(number)" : "\(number)" }
  let day =
    "\(days[Int(parts.tm_wday)]), \(two(parts.tm_mday)) \(months[Int(parts.tm_mon)]) \(parts.tm_year + 1900)"
  return "\(day) \(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) GMT"
}
