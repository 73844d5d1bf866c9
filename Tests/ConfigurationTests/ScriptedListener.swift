import Bytes
import Foundation
import Glibc
import IO
import Testing

/// An admin listener on loopback that takes one connection, keeps the request, and answers what it was told.
final class ScriptedListener: Sendable {
  /// `127.0.0.1:PORT`.
  let address: String
  private let socket: CInt
  private let received = Guarded<[UInt8]>([])
  private let finished = DispatchSemaphore(value: 0)

  /// - Parameter pieces: Sent one write each, once the request is whole. Then the connection is closed. `nil`
  ///   keeps the port without listening, so that the kernel refuses connections.
  init(answering pieces: [String]?) throws {
    let number = Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    try #require(number >= 0)
    socket = number
    let bound = unsafe SocketAddress(ipv4: 0x7f00_0001, port: 0).withSockaddr { unsafe bind(number, $0, $1) }
    try #require(bound == 0 && (pieces == nil || listen(number, 8) == 0))
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let named = unsafe withUnsafeMutableBytes(of: &storage) { bytes in
      unsafe getsockname(number, bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), &length)
    }
    try #require(named == 0)
    address = try #require(SocketAddress(storage: storage, length: length)).description
    guard let pieces else { return }
    Thread.detachNewThread { self.serve(pieces) }
  }

  deinit { close(socket) }

  /// What the client sent. Waits until the listener is done with it.
  func request() -> String {
    finished.wait()
    finished.signal()
    return String(decoding: received.withLock { $0 }, as: UTF8.self)
  }

  private func serve(_ pieces: [String]) {
    let client = accept(socket, nil, nil)
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 4096)
    while !Self.isWhole(bytes) {
      let got = unsafe block.withUnsafeMutableBytes { unsafe recv(client, $0.baseAddress, $0.count, 0) }
      if got <= 0 { break }
      bytes += block.prefix(got)
    }
    for piece in pieces {
      let text = Array(piece.utf8)
      _ = unsafe text.withUnsafeBytes { unsafe send(client, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
    }
    close(client)
    received.withLock { $0 = bytes }
    finished.signal()
  }

  /// The tests' requests have a JSON body, which ends with a brace, or none.
  private static func isWhole(_ bytes: [UInt8]) -> Bool {
    let text = String(decoding: bytes, as: UTF8.self)
    return text.contains("\r\n\r\n{") && text.hasSuffix("}")
      || text.hasPrefix("GET ") && text.hasSuffix("\r\n\r\n")
  }
}
