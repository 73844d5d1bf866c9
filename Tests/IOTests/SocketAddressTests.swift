import Bytes
import Glibc
import IO
import Testing

@Suite("Socket addresses")
struct SocketAddressTests {
  @Test(arguments: [
    (":8080", ":8080"), ("127.0.0.1:8080", "127.0.0.1:8080"), ("0.0.0.0:0", "0.0.0.0:0"),
    ("[::1]:8080", "[::1]:8080"), ("[::]:65535", "[::]:65535"),
    ("unix:/run/larder.sock", "unix:/run/larder.sock"),
    ("[2001:DB8:0:0:1:0:0:1]:80", "[2001:db8::1:0:0:1]:80"),  // lower case, first of equal runs
    ("[2001:db8:0:1:1:1:1:1]:80", "[2001:db8:0:1:1:1:1:1]:80"),  // one zero is not shortened
    ("[2001:0:0:1:0:0:0:1]:80", "[2001:0:0:1::1]:80"),  // the longest run
    ("[1::]:80", "[1::]:80"), ("[fe80:0012::00ab]:80", "[fe80:12::ab]:80"),
    ("[::ffff:192.0.2.7]:80", "192.0.2.7:80"),  // IPv4-mapped
  ])
  func `a listening address is read and written back in its RFC 5952 form`(_ text: String, _ written: String)
    throws
  {
    let address = try SocketAddress.parse(listen: text)
    #expect(address.description == written)
    #expect(try SocketAddress.parse(listen: written) == address)
  }

  @Test(arguments: [
    ("", AddressError.missingPort), ("8080", .missingPort), ("127.0.0.1", .missingPort),
    ("127.0.0.1:", .missingPort),
    ("[::1]", .missingPort), (":", .missingPort),
    (":65536", .badPort), (":-1", .badPort), (":+80", .badPort), (":8 0", .badPort), (":000080", .badPort),
    ("127.0.0.1:http", .badPort),
    ("::1:8080", .badAddress),  // which colon begins the port?
    ("localhost:8080", .badAddress), ("127.1:80", .badAddress), ("127.0.0.256:80", .badAddress),
    ("[127.0.0.1]:80", .badAddress), ("[::1:80", .badAddress), ("[::1]x:80", .badAddress),
    ("[]:80", .badAddress),
    ("[1::2::3]:80", .badAddress), ("127.0.0.1\0:80", .badAddress),
    ("unix:", .badPath), ("unix:run/larder.sock", .badPath), ("unix:/a\0b", .badPath),
    ("unix:/" + String(repeating: "a", count: 107), .pathTooLong),
  ])
  func `what is not an address is refused with its reason`(_ text: String, _ error: AddressError) {
    #expect(throws: error) { _ = try SocketAddress.parse(listen: text) }
  }

  @Test(arguments: [
    (":8080", sa_family_t(AF_INET6), 28), ("192.0.2.1:8080", sa_family_t(AF_INET), 16),
    ("[2001:db8::1]:8080", sa_family_t(AF_INET6), 28), ("unix:/a", sa_family_t(AF_UNIX), 5),
    ("unix:/" + String(repeating: "a", count: 106), sa_family_t(AF_UNIX), 110),
  ])
  func `the kernel's form has family, length and the same address`(
    _ text: String, _ family: sa_family_t, _ size: Int
  )
    throws
  {
    let address = try SocketAddress.parse(listen: text)
    let (seenFamily, seenSize, back) = unsafe address.withSockaddr { pointer, length in
      unsafe (pointer.pointee.sa_family, Int(length), SocketAddress(pointer, length: length))
    }
    #expect(seenFamily == family)
    #expect(seenSize == size)
    #expect(back == (address.family == .any ? SocketAddress(ipv6: 0, 0, port: 8080) : address))
  }

  @Test func `bytes are in network order`() throws {
    let four = try SocketAddress.parse(listen: "1.2.3.4:258")
    let bytes = unsafe four.withSockaddr { pointer, length in
      unsafe Array(UnsafeRawBufferPointer(start: pointer, count: Int(length))[2..<8])
    }
    #expect(bytes == [1, 2, 1, 2, 3, 4])
    let six = try SocketAddress.parse(listen: "[102:304:506:708:90a:b0c:d0e:f10]:258")
    let more = unsafe six.withSockaddr { pointer, length in
      unsafe Array(UnsafeRawBufferPointer(start: pointer, count: Int(length))[8..<24])
    }
    #expect(more == Array(1...16))
  }

  @Test func `short and foreign kernel addresses are refused`() {
    var storage = sockaddr_storage()
    storage.ss_family = sa_family_t(AF_INET)
    #expect(SocketAddress(storage: storage, length: 15) == nil)
    #expect(SocketAddress(storage: storage, length: 16) == SocketAddress(ipv4: 0, port: 0))
    #expect(SocketAddress(storage: storage, length: 1) == nil)
    #expect(SocketAddress(storage: storage, length: 0) == nil)
    storage.ss_family = sa_family_t(AF_INET6)
    #expect(SocketAddress(storage: storage, length: 27) == nil)
    storage.ss_family = sa_family_t(AF_NETLINK)
    #expect(SocketAddress(storage: storage, length: 128) == nil)
  }

  @Test func `a Unix peer without a name is a Unix address with an empty path`() {
    var storage = sockaddr_storage()
    storage.ss_family = sa_family_t(AF_UNIX)
    let peer = SocketAddress(storage: storage, length: 2)
    #expect(peer?.isUnix == true)
    #expect(peer?.path == [])
  }

  @Test(arguments: [
    ("127.0.0.1:1", true), ("127.255.255.255:1", true), ("[::1]:1", true), ("[::ffff:127.0.0.1]:1", true),
    ("128.0.0.1:1", false), ("[::]:1", false), ("[1::1]:1", false), (":1", false), ("unix:/a", false),
  ])
  func `loopback is 127.0.0.0/8 and ::1, mapped or not`(_ text: String, _ expected: Bool) throws {
    #expect(try SocketAddress.parse(listen: text).isLoopback == expected)
  }

  @Test func `a listening socket takes the address and reports its port`() throws {
    let socket = Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    defer { close(socket) }
    let wanted = try SocketAddress.parse(listen: "127.0.0.1:0")
    #expect(unsafe wanted.withSockaddr { unsafe bind(socket, $0, $1) } == 0)
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let result = unsafe withUnsafeMutableBytes(of: &storage) { bytes in
      unsafe getsockname(socket, bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), &length)
    }
    #expect(result == 0)
    let bound = try #require(SocketAddress(storage: storage, length: length))
    #expect(bound.port != 0)
    #expect(bound == wanted.with(port: bound.port))
  }

  @Test func `numbers are resolved without the resolver, and what cannot be a name is refused`() throws {
    #expect(try SocketAddress.resolve(host: "::1", port: 80) == [SocketAddress(ipv6: 0, 1, port: 80)])
    #expect(throws: ResolveError(code: EAI_NONAME)) { try SocketAddress.resolve(host: "", port: 80) }
    #expect(throws: ResolveError(code: EAI_NONAME)) { try SocketAddress.resolve(host: "a\0b", port: 80) }
    let local = try SocketAddress.resolve(host: "localhost", port: 80)
    #expect(local.contains { $0.isLoopback && $0.port == 80 })
  }

  @Test func `an address is small enough to be kept by every connection`() {
    #expect(MemoryLayout<SocketAddress>.size <= 40)
  }
}
