import IO
import Testing
import Upstream

@Suite("Backends as operators write them")
struct BackendAddressTests {
  @Test(arguments: [
    ("127.0.0.1:3000", "127.0.0.1:3000", "127.0.0.1:3000"),
    ("[::1]:80", "[::1]:80", "[::1]"),  // the port of http is not in its Host field
    ("api.internal:8080", "api.internal:8080", "api.internal:8080"),
    ("api:80", "api:80", "api"), ("my_app-1.:8080", "my_app-1.:8080", "my_app-1.:8080"),
    ("unix:/run/app.sock", "unix:/run/app.sock", "localhost"),
    ("api:80,proxy=v1", "api:80,proxy=v1", "api"),
    ("unix:/run/a,b,proxy=v2", "unix:/run/a,b,proxy=v2", "localhost"),
  ])
  func `are read, written and named in Host`(_ text: String, _ description: String, _ authority: String)
    throws
  {
    let backend = try BackendAddress.parse(text)
    #expect(backend.description == description)
    #expect(backend.authority == authority)
  }

  @Test func `say whether a PROXY header goes first, and which`() throws {
    #expect(try BackendAddress.parse("api:80").proxyHeader == nil)
    #expect(try BackendAddress.parse("[::1]:80,proxy=v1").proxyHeader == .v1)
    #expect(try BackendAddress.parse("10.0.0.1:80,proxy=v2").proxyHeader == .v2)
    for text in ["api:80,proxy", "api:80,proxy=", "api:80,proxy=v3", "api:80,proxy=V1", "unix:/a,proxy=1"] {
      #expect(throws: BackendError(cause: nil)) { _ = try BackendAddress.parse(text) }
    }
    #expect(throws: BackendError(cause: .badPort)) { _ = try BackendAddress.parse("api:80,v1") }
  }

  @Test func `only names have to be looked up`() throws {
    #expect(try BackendAddress.parse("api:80").fixed == nil)
    #expect(try BackendAddress.parse("10.0.0.1:80").fixed == SocketAddress(ipv4: 0x0a00_0001, port: 80))
    #expect(try BackendAddress.parse("unix:/a").fixed?.isUnix == true)
  }

  @Test(arguments: [
    ("", AddressError.missingPort), ("api", .missingPort), ("127.0.0.1", .missingPort),
    ("api:", .missingPort),
    ("api:0", .badPort), ("api:65536", .badPort), ("api:http", .badPort),
    (":80", .badAddress),  // every address is nothing to connect to
    ("http://api:80", .badAddress), ("api/v1:80", .badAddress), ("a b:80", .badAddress),
    ("-a:80", .badAddress), ("a-:80", .badAddress), ("a..b:80", .badAddress), (".:80", .badAddress),
    ("10.0.0.256:80", .badAddress), ("10.0.1:80", .badAddress), ("::1:80", .badAddress),
    (String(repeating: "a", count: 64) + ":80", .badAddress),  // a label has at most 63 bytes
    (Array(repeating: "abc", count: 64).joined(separator: ".") + ":80", .badAddress),  // 255 bytes
    ("unix:app.sock", .badPath),
  ])
  func `are refused with what was expected`(_ text: String, _ cause: AddressError) {
    #expect(throws: BackendError(cause: cause)) { _ = try BackendAddress.parse(text) }
  }
}
