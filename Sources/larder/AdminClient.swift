import Bytes
import Glibc
import IO
import Proxy
import Upstream

/// Why the admin listener did not do what it was asked.
enum AdminError: Error {
  /// The flag with the listener's address, and what happened.
  case unreachable(at: String, reason: String)
  case refused(at: String, status: Int, answer: String)
  case unreadable(at: String)

  var message: String {
    switch self {
    case .unreachable(let listener, let reason):
      "\(listener): \(reason), expected the admin listener of a running larder"
    case .refused(let listener, let status, let answer): "\(listener): refused with \(status) \(answer)"
    case .unreadable(let listener): "\(listener): the answer is not that of an admin listener"
    }
  }
}

/// Asks the admin listener of a running Larder, one request per connection, waiting for the answer.
struct AdminClient {
  private let destination: BackendAddress
  private let token: String?
  private let flag: String
  /// For connecting, and between two reads, in seconds.
  private let patienceSeconds: Int

  /// Longest answer that is read, in bytes.
  private static let answerLimit = 64 << 20

  /// - Parameter flag: That the address was given with.
  init(_ destination: BackendAddress, token: String?, flag: String, patienceSeconds: Int = 10) {
    self.destination = destination
    self.token = token
    self.flag = flag
    self.patienceSeconds = patienceSeconds
  }

  /// - Returns: The listener's answer, JSON in one line.
  func purge(_ url: String) throws(AdminError) -> String {
    let body = "{\"url\":\(jsonString(url))}"
    return line(try ask("POST", "/purge", body))
  }

  /// - Returns: The answer's body, where its status is 200.
  func ask(_ method: String, _ path: String, _ body: String = "") throws(AdminError) -> [UInt8] {
    let (status, answer) = try exchange(method, path, body)
    guard status == 200 else { throw .refused(at: listener, status: status, answer: line(Array(answer))) }
    return Array(answer)
  }

  /// For whoever cannot make anything of an answer.
  var isUnreadable: AdminError { .unreadable(at: listener) }

  private var listener: String { "\(flag) \(quoted("\(destination)"))" }

  private func line(_ answer: [UInt8]) -> String {
    String(decoding: answer.map { $0 < 0x20 ? UInt8.space : $0 }, as: UTF8.self).trimmingSuffix(" ")
  }

  private func exchange(
    _ method: String, _ path: String, _ body: String
  ) throws(AdminError) -> (status: Int, body: ArraySlice<UInt8>) {
    let (address, socket) = try connect()
    defer { close(socket) }
    // A literal address as Host tells the listener that no web page's name led here (L26).
    let host = address.isUnix ? "127.0.0.1" : "\(address)"
    var request = "\(method) \(path) HTTP/1.1\r\nHost: \(host)\r\n"
    if method == "POST" {
      request += "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n"
    }
    request += "Connection: close\r\n"
    if let token { request += "Authorization: Bearer \(token)\r\n" }
    guard send(Array("\(request)\r\n\(body)".utf8), to: socket) else { throw unreachable(errno) }
    let answer = try receive(from: socket)
    guard let parsed = AdminAnswer(answer) else { throw .unreadable(at: listener) }
    return (parsed.status, parsed.body)
  }

  private func connect() throws(AdminError) -> (SocketAddress, CInt) {
    var code = ECONNREFUSED
    for address in try addresses() {
      let family = unsafe address.withSockaddr { pointer, _ in unsafe CInt(pointer.pointee.sa_family) }
      let socket = socket(family, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
      guard socket >= 0 else {
        code = errno
        continue
      }
      var patience = timeval(tv_sec: patienceSeconds, tv_usec: 0)
      for option in [SO_SNDTIMEO, SO_RCVTIMEO] {
        unsafe setsockopt(socket, SOL_SOCKET, option, &patience, socklen_t(MemoryLayout<timeval>.size))
      }
      if unsafe address.withSockaddr({ unsafe Glibc.connect(socket, $0, $1) }) == 0 {
        return (address, socket)
      }
      code = errno
      close(socket)
    }
    throw unreachable(code)
  }

  private func addresses() throws(AdminError) -> [SocketAddress] {
    if let fixed = destination.fixed { return [fixed] }
    do {
      return try SocketAddress.resolve(host: destination.host, port: destination.port)
    } catch {
      throw .unreachable(at: listener, reason: error.text)
    }
  }

  private func send(_ bytes: [UInt8], to socket: CInt) -> Bool {
    var done = 0
    while done < bytes.count {
      // SAFETY: the kernel reads at most the rest of `bytes`.
      let sent = unsafe bytes.withUnsafeBytes {
        unsafe Glibc.send(socket, $0.baseAddress! + done, $0.count - done, CInt(MSG_NOSIGNAL))
      }
      guard sent > 0 else { return false }
      done += sent
    }
    return true
  }

  /// Everything until the listener closes or its answer is whole.
  private func receive(from socket: CInt) throws(AdminError) -> [UInt8] {
    var answer: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 16384)
    while answer.count < Self.answerLimit, AdminAnswer(answer) == nil {
      // SAFETY: the kernel writes at most `count` bytes into `block`.
      let got = unsafe block.withUnsafeMutableBytes { unsafe recv(socket, $0.baseAddress, $0.count, 0) }
      guard got >= 0 else { throw unreachable(errno) }
      if got == 0 { break }
      answer += block.prefix(got)
    }
    return answer
  }

  private func unreachable(_ code: CInt) -> AdminError {
    // A time-out of the socket reads as "try again", which nobody outside would understand.
    let isTimeOut = code == EAGAIN || code == EINPROGRESS
    // SAFETY: strerror returns a text that ends with a zero byte; no other thread runs here.
    let text = isTimeOut ? "no answer in \(patienceSeconds)s" : unsafe String(cString: strerror(code))
    return .unreachable(at: listener, reason: text)
  }
}

/// A whole answer with a stated length, RFC 9112; `nil` for anything else.
struct AdminAnswer {
  let status: Int
  let body: ArraySlice<UInt8>

  init?(_ bytes: [UInt8]) {
    let separator = Array("\r\n\r\n".utf8)
    guard let headEnd = bytes.indices.first(where: { bytes[$0...].starts(with: separator) }) else {
      return nil
    }
    let lines = String(decoding: bytes[..<headEnd], as: UTF8.self).split(separator: "\r\n")
    let words = lines.first?.split(separator: " ", maxSplits: 2) ?? []
    guard words.count >= 2, words[0] == "HTTP/1.1" || words[0] == "HTTP/1.0", let status = Int(words[1])
    else {
      return nil
    }
    var length: Int?
    for line in lines.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1)
      guard parts.count == 2, parts[0].lowercased() == "content-length" else { continue }
      length = Int(parts[1].filter { $0 != " " })
    }
    let start = headEnd + separator.count
    guard let length, length >= 0, length <= bytes.count - start else { return nil }
    self.status = status
    body = bytes[start..<start + length]
  }
}

/// `text` as a JSON string, RFC 8259 §7.
func jsonString(_ text: String) -> String {
  var json = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"", "\\": json += "\\\(scalar)"
    case "\u{0}"..<"\u{20}":
      let digits = String(scalar.value, radix: 16)
      json += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
    default: json.unicodeScalars.append(scalar)
    }
  }
  return json + "\""
}

extension String {
  fileprivate func trimmingSuffix(_ ending: Character) -> String {
    var text = self[...]
    while text.last == ending { text = text.dropLast() }
    return String(text)
  }
}
