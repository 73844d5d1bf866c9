import Glibc
import IO

/// A blocking socket for the far ends, which are not measured.
struct Blocking {
  let fd: CInt

  static func listener() -> (Blocking, UInt16) {
    do throws(SystemError) {
      let (descriptors, address) = try ListeningSocket.open(
        SocketAddress(ipv4: 0x7f00_0001, port: 0), count: 1)
      _ = fcntl(descriptors[0], F_SETFL, 0)
      return (Blocking(fd: descriptors[0]), address.port)
    } catch {
      fatalError("listen: \(error.reason)")
    }
  }

  static func connected(to port: UInt16) -> Blocking {
    let fd = Kernel().connect(SocketAddress(ipv4: 0x7f00_0001, port: port))
    guard fd >= 0 else { fatalError("connect: \(-fd)") }
    _ = fcntl(fd, F_SETFL, 0)
    return Blocking(fd: fd)
  }

  func accept() -> Blocking { Blocking(fd: Glibc.accept(fd, nil, nil)) }

  func send(_ text: String) {
    let bytes = Array(text.utf8)
    let sent = unsafe bytes.withUnsafeBytes { unsafe Glibc.send(fd, $0.baseAddress, $0.count, 0) }
    guard sent == bytes.count else { fatalError("send: \(errno)") }
  }

  /// A request's head; empty: the peer has ended.
  func receiveRequest() -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.headLength == 0 {
      guard receive(into: &bytes) else { return [] }
    }
    return bytes
  }

  /// A response with its body; the text of its head.
  func receiveResponse(hasBody: Bool) -> String {
    var bytes: [UInt8] = []
    while bytes.headLength == 0 {
      guard receive(into: &bytes) else { fatalError("the response is cut") }
    }
    let head = String(decoding: bytes[..<bytes.headLength], as: UTF8.self)
    guard hasBody else { return head }
    let line = head.split(separator: "\r\n").first { $0.hasPrefix("Content-Length: ") }
    guard let length = line.flatMap({ Int($0.dropFirst(16)) }) else { fatalError("no length: \(head)") }
    let end = bytes.headLength + length
    while bytes.count < end {
      guard receive(into: &bytes) else { fatalError("the body is cut") }
    }
    return head
  }

  private func receive(into bytes: inout [UInt8]) -> Bool {
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    let count = unsafe recv(fd, &chunk, chunk.count, 0)
    guard count > 0 else { return false }
    bytes += chunk[..<count]
    return true
  }
}

extension [UInt8] {
  /// Bytes of the head with its empty line; 0: it is not complete.
  var headLength: Int {
    for i in indices.dropLast(3) where self[i..<(i + 4)].elementsEqual([13, 10, 13, 10]) { return i + 4 }
    return 0
  }
}
