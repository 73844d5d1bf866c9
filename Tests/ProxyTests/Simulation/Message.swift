import Glibc

/// A message as a far end sees it.
struct Message {
  /// Status or request line.
  var line = ""
  /// Names in lower case, in order.
  var fields: [(name: String, value: String)] = []
  var body: [UInt8] = []
  /// Milliseconds when its last byte was taken.
  var at: Int64 = 0

  var status: Int { Int(line.split(separator: " ").dropFirst().first ?? "") ?? 0 }
  var method: String { String(line.split(separator: " ").first ?? "") }
  var target: String { String(line.split(separator: " ").dropFirst().first ?? "") }
  var bodyText: String { String(decoding: body, as: UTF8.self) }

  subscript(name: String) -> String? { fields.first { $0.name == name }?.value }
  func values(of name: String) -> [String] { fields.filter { $0.name == name }.map { $0.value } }

  var cacheStatus: String { self["x-cache-status"] ?? "" }
}

enum MessageError: Error, Equatable {
  case badHead(String)
  case badChunk
  /// The stream ended inside a message.
  case cutShort
}

/// Takes messages apart, a few bytes at a time. Made for tests: strict, and independent of the parsers that
/// are tested.
struct MessageReader {
  private enum Stage {
    case head
    case length(Int)
    case chunkSize
    case chunk(Int)
    case chunkEnd
    case trailers
    case untilEnd
  }

  private var bytes: [UInt8] = []
  private var start = 0
  private var stage = Stage.head
  private var message = Message()
  /// Requests have no body unless they say so; responses end with the stream.
  let readsRequests: Bool

  init(readsRequests: Bool) { self.readsRequests = readsRequests }

  /// Bytes of a message that is not complete.
  var isInside: Bool {
    if case .head = stage { return start < bytes.count }
    return true
  }

  /// The part of a response's body that is here.
  var partialBody: [UInt8] { message.body }
  var partialHead: Message? { if case .head = stage { nil } else { message } }

  mutating func feed(_ more: [UInt8]) {
    if start == bytes.count {
      bytes = more
      start = 0
    } else {
      bytes.append(contentsOf: more)
    }
  }

  /// The next complete message. `isHead`: it answers a HEAD.
  mutating func next(isHead: Bool = false, streamHasEnded: Bool = false) throws(MessageError) -> Message? {
    while true {
      switch stage {
      case .head:
        guard let line = takeHead() else { return try unfinished(streamHasEnded) }
        message = try Self.parse(line)
        stage = try bodyStage(isHead: isHead)
        if case .length(0) = stage { return finish() }
      case .length(let left):
        let taken = take(left)
        if taken == left { return finish() }
        stage = .length(left - taken)
        return try unfinished(streamHasEnded)
      case .chunkSize:
        guard let line = takeLine() else { return try unfinished(streamHasEnded) }
        guard let size = Int(line, radix: 16), size >= 0 else { throw .badChunk }
        stage = size == 0 ? .trailers : .chunk(size)
      case .chunk(let left):
        let taken = take(left)
        guard taken == left else {
          stage = .chunk(left - taken)
          return try unfinished(streamHasEnded)
        }
        stage = .chunkEnd
      case .chunkEnd:
        guard let line = takeLine() else { return try unfinished(streamHasEnded) }
        guard line.isEmpty else { throw .badChunk }
        stage = .chunkSize
      case .trailers:
        guard let line = takeLine() else { return try unfinished(streamHasEnded) }
        if line.isEmpty { return finish() }
      case .untilEnd:
        _ = take(.max)
        return streamHasEnded ? finish() : nil
      }
    }
  }

  private func unfinished(_ streamHasEnded: Bool) throws(MessageError) -> Message? {
    if streamHasEnded, isInside { throw .cutShort }
    return nil
  }

  private mutating func finish() -> Message {
    stage = .head
    let whole = message
    message = Message()
    return whole
  }

  private func bodyStage(isHead: Bool) throws(MessageError) -> Stage {
    let coding = message["transfer-encoding"]
    let lengths = message.values(of: "content-length")
    if coding != nil, !lengths.isEmpty { throw .badHead("both framings") }
    if lengths.count > 1 { throw .badHead("two lengths") }
    if !readsRequests {
      let status = message.status
      if isHead || status < 200 || status == 204 || status == 304 { return .length(0) }
    }
    if coding?.lowercased() == "chunked" { return .chunkSize }
    if let text = lengths.first {
      guard let length = Int(text), length >= 0 else { throw .badHead(text) }
      return .length(length)
    }
    return readsRequests ? .length(0) : .untilEnd
  }

  private mutating func take(_ most: Int) -> Int {
    let count = min(most, bytes.count - start)
    message.body.append(contentsOf: bytes[start..<start + count])
    start += count
    return count
  }

  private mutating func takeHead() -> String? {
    guard let end = find("\r\n\r\n") else { return nil }
    let text = String(decoding: bytes[start..<end], as: UTF8.self)
    start = end + 4
    return text
  }

  private mutating func takeLine() -> String? {
    guard let end = find("\r\n") else { return nil }
    let text = String(decoding: bytes[start..<end], as: UTF8.self)
    start = end + 2
    return text
  }

  private func find(_ text: String) -> Int? {
    let wanted = Array(text.utf8)
    let from = start
    return unsafe bytes.withUnsafeBytes { all -> Int? in
      guard let base = all.baseAddress else { return nil }
      var at = from
      while at + wanted.count <= all.count {
        guard let found = unsafe memchr(base + at, CInt(wanted[0]), all.count - at) else { return nil }
        at = unsafe UnsafeRawPointer(found) - base
        if at + wanted.count > all.count { return nil }
        if unsafe memcmp(base + at, wanted, wanted.count) == 0 { return at }
        at += 1
      }
      return nil
    }
  }

  private static func parse(_ head: String) throws(MessageError) -> Message {
    var message = Message()
    var isFirst = true
    for line in head.split(separator: "\r\n", omittingEmptySubsequences: false) {
      if isFirst {
        message.line = String(line)
        isFirst = false
        continue
      }
      guard let colon = line.utf8.firstIndex(of: 58), colon > line.startIndex else {
        throw .badHead(String(line))
      }
      let value = line[line.utf8.index(after: colon)...].drop { $0 == " " }
      message.fields.append((line[..<colon].lowercased(), String(value)))
    }
    guard message.line.contains("HTTP/1.") else { throw .badHead(message.line) }
    return message
  }
}
