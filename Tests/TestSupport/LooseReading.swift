/// How a careless server reads a stream of requests. Where two of these read one stream differently, a proxy
/// and a server may, and requests can be smuggled.
public struct LooseReading: Sendable, CaseIterable {
  /// Of Content-Length and Transfer-Encoding, which one counts when both are there.
  public var prefersLength: Bool
  /// Of several Content-Length lines, the last one counts.
  public var takesLastLength: Bool
  /// A bare LF ends a line, `_` is `-`, spaces before a colon and control bytes around values do not count,
  /// and whatever contains `chunked` is chunked.
  public var isSloppy: Bool
  /// A GET, HEAD or DELETE has no body, whatever its fields say.
  public var ignoresBodiesOfGET: Bool

  public static let allCases: [LooseReading] = (0..<16).map { bits in
    LooseReading(
      prefersLength: bits & 1 != 0, takesLastLength: bits & 2 != 0, isSloppy: bits & 4 != 0,
      ignoresBodiesOfGET: bits & 8 != 0)
  }

  public struct Request: Equatable, Sendable, CustomStringConvertible {
    public var line: String
    public var body: [UInt8]
    public var isComplete: Bool

    public var description: String { "\(line) [\(body.count) bytes\(isComplete ? "" : ", cut")]" }
  }

  /// The requests in `bytes`, in order, up to one that says `Connection: close`; the last may be cut.
  public func requests(in bytes: [UInt8]) -> [Request] {
    var cursor = Cursor(bytes: bytes, isSloppy: isSloppy)
    var found: [Request] = []
    while !cursor.isAtEnd {
      guard let line = cursor.line() else {
        found.append(Request(line: cursor.rest, body: [], isComplete: false))
        return found
      }
      // Servers read over empty lines between requests.
      if line.isEmpty { continue }
      var request = Request(line: line, body: [], isComplete: false)
      var isLast = true
      if let fields = cursor.fields() {
        request.isComplete = read(&request.body, fields, line, &cursor)
        isLast = fields["Connection"]?.lowercased() == "close"
      }
      found.append(request)
      if !request.isComplete || isLast { return found }
    }
    return found
  }

  private func read(_ body: inout [UInt8], _ fields: Fields, _ line: String, _ cursor: inout Cursor) -> Bool {
    if ignoresBodiesOfGET, ["GET ", "HEAD ", "DELETE "].contains(where: { line.hasPrefix($0) }) {
      return true
    }
    let lengths = fields.all("Content-Length")
    let length = (takesLastLength ? lengths.last : lengths.first).flatMap { Int($0) }
    let isChunked = fields.all("Transfer-Encoding").contains { value in
      isSloppy ? value.lowercased().contains("chunked") : value.lowercased() == "chunked"
    }
    if isChunked, !(prefersLength && length != nil) { return cursor.chunks(into: &body) }
    guard let length else { return true }
    return cursor.take(length, into: &body)
  }

  private struct Cursor {
    let bytes: [UInt8]
    let isSloppy: Bool
    var at = 0

    init(bytes: [UInt8], isSloppy: Bool) {
      self.bytes = bytes
      self.isSloppy = isSloppy
    }

    var isAtEnd: Bool { at >= bytes.count }
    var rest: String { String(decoding: bytes[at...], as: UTF8.self) }

    /// The next line without its end; `nil`: it is not all there.
    mutating func line() -> String? {
      var end = at
      while end < bytes.count, bytes[end] != 10 || !isSloppy && (end == 0 || bytes[end - 1] != 13) {
        end += 1
      }
      guard end < bytes.count else { return nil }
      defer { at = end + 1 }
      let hasReturn = end > at && bytes[end - 1] == 13
      return String(decoding: bytes[at..<(hasReturn ? end - 1 : end)], as: UTF8.self)
    }

    mutating func fields() -> Fields? {
      var fields = Fields([])
      while let text = line() {
        if text.isEmpty { return fields }
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { continue }
        var name = String(parts[0])
        var value = parts[1].trimming { $0 == " " || $0 == "\t" }
        if isSloppy {
          name = name.trimming { $0.asciiValue ?? 99 <= 32 }.replacing("_", with: "-")
          value = value.trimming { $0.asciiValue ?? 99 <= 32 }
        }
        fields.lines.append((name: name, value: value))
      }
      return nil
    }

    mutating func take(_ count: Int, into body: inout [UInt8]) -> Bool {
      let end = min(bytes.count, at + max(count, 0))
      body += bytes[at..<end]
      defer { at = end }
      return end - at == count
    }

    mutating func chunks(into body: inout [UInt8]) -> Bool {
      while let text = line() {
        let digits = text.prefix { $0.isHexDigit }
        guard let size = Int(digits, radix: 16) else { return false }
        if size == 0 {
          while let trailer = line() { if trailer.isEmpty { return true } }
          return false
        }
        guard take(size, into: &body), line() != nil else { return false }
      }
      return false
    }
  }
}

extension StringProtocol {
  fileprivate func trimming(_ isBlank: (Character) -> Bool) -> String {
    var text = Substring(self)
    while let first = text.first, isBlank(first) { text.removeFirst() }
    while let last = text.last, isBlank(last) { text.removeLast() }
    return String(text)
  }
}
