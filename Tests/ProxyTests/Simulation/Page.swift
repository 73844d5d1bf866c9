import Glibc

/// Pages whose every byte follows from their label, so that a wrong byte anywhere is seen.
enum Page {
  /// A length that no block or buffer is a multiple of.
  private static let pattern: [UInt8] = {
    var random = Randomness(seed: 4099)
    return (0..<4099).map { _ in UInt8(truncatingIfNeeded: random.next()) }
  }()

  static func body(_ label: String, length: Int) -> [UInt8] {
    var bytes = Array("\(label)\n".utf8)
    var at = label.utf8.reduce(0) { ($0 &* 31 &+ Int($1)) % pattern.count }
    while bytes.count < length {
      bytes.append(contentsOf: pattern[at..<min(pattern.count, at + length - bytes.count)])
      at = 0
    }
    bytes.removeLast(bytes.count - length)
    return bytes
  }

  enum Framing: CaseIterable { case length, chunked, untilEnd }

  /// A response that carries its label and length.
  static func response(
    _ label: String, length: Int = 100, status: String = "200 OK",
    _ fields: [String] = ["Cache-Control: max-age=100"],
    framing: Framing = .length, pieces: Int = 1
  ) -> [ServerStep] {
    var head = "HTTP/1.1 \(status)\r\nX-Label: \(label)\r\nX-Length: \(length)\r\n"
    for field in fields { head += "\(field)\r\n" }
    let body = body(label, length: length)
    var steps: [ServerStep]
    switch framing {
    case .length: steps = [.text(head + "Content-Length: \(length)\r\n\r\n")]
    case .chunked: steps = [.text(head + "Transfer-Encoding: chunked\r\n\r\n")]
    case .untilEnd: steps = [.text(head + "Connection: close\r\n\r\n")]
    }
    let size = max(1, (length + pieces - 1) / pieces)
    for start in stride(from: 0, to: length, by: size) {
      let part = Array(body[start..<min(start + size, length)])
      if framing == .chunked { steps.append(.text(String(part.count, radix: 16) + "\r\n")) }
      steps.append(.send(part))
      if framing == .chunked { steps.append(.text("\r\n")) }
    }
    if framing == .chunked { steps.append(.text("0\r\n\r\n")) }
    if framing == .untilEnd { steps.append(.close) }
    return steps
  }

  /// A part of a page, as an origin answers a range.
  static func part(_ label: String, _ range: ClosedRange<Int>, length: Int) -> [ServerStep] {
    let fields = [
      "X-Label: \(label)", "X-Length: \(length)", "Cache-Control: max-age=100",
      "Content-Range: bytes \(range.lowerBound)-\(range.upperBound)/\(length)",
      "Content-Length: \(range.count)",
    ]
    let head = "HTTP/1.1 206 Partial Content\r\n" + fields.map { "\($0)\r\n" }.joined() + "\r\n"
    return [.text(head), .send(Array(body(label, length: length)[range]))]
  }

  /// The body of several parts that begin and end as `reply` says they do.
  private static func composed(_ whole: [UInt8], as reply: Message, _ type: String) -> [UInt8]? {
    guard let boundary = type.split(separator: "=").last else { return nil }
    let delimiter = Array("--\(boundary)".utf8)
    let place = Array("Content-Range: bytes ".utf8)
    var made: [UInt8] = []
    var rest = reply.body[...]
    while rest.starts(with: delimiter), !rest.dropFirst(delimiter.count).starts(with: Array("--".utf8)) {
      let head = rest.dropFirst(delimiter.count + 2)
      guard head.starts(with: place), let lineEnd = head.firstIndex(of: 13) else { return nil }
      let line = String(decoding: head[head.startIndex..<lineEnd], as: UTF8.self)
      let numbers = line.dropFirst(place.count).split { $0 == "-" || $0 == "/" }.compactMap { Int($0) }
      guard numbers.count == 3, numbers[2] == whole.count, numbers[0] <= numbers[1], numbers[1] < numbers[2]
      else { return nil }
      let piece = delimiter + Array("\r\n\(line)\r\n\r\n".utf8) + whole[numbers[0]...numbers[1]] + [13, 10]
      made += piece
      rest = rest.dropFirst(piece.count)
    }
    return made + delimiter + Array("--\r\n".utf8)
  }

  /// What is wrong with a whole answer; `nil`: nothing.
  static func fault(of reply: Message, isHead: Bool = false) -> String? {
    guard let label = reply["x-label"], let length = reply["x-length"].flatMap({ Int($0) }) else {
      return "no label in \(reply.line)"
    }
    if isHead || reply.status == 304 { return reply.body.isEmpty ? nil : "a body where there is none" }
    var expected = body(label, length: length)
    if reply.status == 206, let type = reply["content-type"] {
      guard let made = composed(expected, as: reply, type) else { return "no parts" }
      expected = made
    } else if reply.status == 206 {
      guard let range = reply["content-range"]?.dropFirst("bytes ".count).split(separator: "/").first,
        let start = Int(range.split(separator: "-")[0]), let end = Int(range.split(separator: "-")[1])
      else { return "no Content-Range" }
      expected = Array(expected[start...end])
    }
    if isEqual(reply.body, expected) { return nil }
    return "a body of \(reply.body.count) bytes that is not that of \(label) (\(expected.count) bytes)"
  }

  /// What is wrong with the beginning of an answer that was cut.
  static func fault(ofPart part: [UInt8], head: Message?) -> String? {
    guard let head, head.status == 200, let label = head["x-label"],
      let length = head["x-length"].flatMap({ Int($0) }), part.count <= length
    else { return nil }
    return isEqual(part, Array(body(label, length: length).prefix(part.count)))
      ? nil : "wrong bytes of \(label)"
  }

  /// Debug builds compare arrays element by element through witnesses.
  private static func isEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    unsafe a.count == b.count && memcmp(a, b, a.count) == 0
  }
}
