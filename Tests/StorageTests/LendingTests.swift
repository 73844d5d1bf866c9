import Bytes
import CLinux
import Glibc
import Testing

@testable import Storage

/// Two ends of a TCP connection over loopback: what one end sends lies in the other's queue as the sender's
/// pages.
private struct Connection {
  let near: CInt
  let far: CInt

  init() throws {
    let listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    defer { close(listener) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    near = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    let near = near
    let isConnected = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe bind(listener, $0, length) == 0 && listen(listener, 1) == 0
          && getsockname(listener, $0, &length) == 0 && connect(near, $0, length) == 0
      }
    }
    try #require(isConnected)
    far = accept(listener, nil, nil)
    try #require(far >= 0)
  }

  func receive(_ count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let got = unsafe bytes.withUnsafeMutableBytes {
      unsafe recv(far, $0.baseAddress, count, CInt(MSG_WAITALL))
    }
    return Array(bytes.prefix(max(got, 0)))
  }
}

@Suite("Pages lent to sockets")
struct LendingTests {
  private let span = SlabArena.spanBytes

  private func body(of letter: Character) -> String { String(repeating: letter, count: 2 * span) }

  private func store(_ letter: Character, under key: String, in larder: Larder) throws {
    guard case .started(let fill) = larder.join(key) else { throw Missing() }
    larder.head(fill, length: 2 * span)
    #expect(larder.finish(fill, body(of: letter)) == .stored)
  }

  @Test func `what a socket still holds stays as it was, whatever is stored in its place`() throws {
    let larder = Larder(budget: 1 << 20)
    let connection = try Connection()
    defer {
      close(connection.near)
      close(connection.far)
    }
    try store("a", under: "lent", in: larder)
    let lent = try lend("lent", of: larder, to: connection)
    #expect(larder.purge("lent") == 1)
    var isReused = false
    for round in 0..<8 {
      try store("b", under: "\(round)", in: larder)
      guard let handle = larder.handle("\(round)") else { throw Missing() }
      for i in 0..<handle.bodySegmentCount where lent.contains(address(of: i, in: handle)) { isReused = true }
    }
    #expect(isReused, "the test shows nothing if the memory was not used again")
    #expect(connection.receive(2 * span) == [UInt8](repeating: 97, count: 2 * span))
  }

  /// Sends the body without a copy. Returns where it lies.
  private func lend(_ key: String, of larder: Larder, to connection: Connection) throws -> [UInt] {
    guard let handle = larder.handle(key) else { throw Missing() }
    for i in 0..<2 {
      guard let part = handle.lendSegment(i) else { throw Missing() }
      #expect(linux_sendfile(connection.near, part.file, Int64(part.offset), span) == span)
    }
    return [address(of: 0, in: handle), address(of: 1, in: handle)]
  }

  private func address(of segment: Int, in handle: borrowing EntryHandle) -> UInt {
    unsafe UInt(bitPattern: handle.bodySegment(segment).0)
  }

  @Test func `a block that shares its pages with others is not lent`() throws {
    let larder = Larder()
    larder.fetch("small", "a short body")
    guard let handle = larder.handle("small") else { throw Missing() }
    let isLent = handle.lendSegment(0) != nil
    #expect(!isLent)
  }

  private struct Missing: Error {}
}
