import IO
import Testing

@testable import Proxy

@Suite("Limits of one client, and what a process may have open")
struct LimitTests {
  private func network(_ text: String) throws -> ClientNetwork {
    try #require(ClientNetwork(SocketAddress(numeric: text, port: 1)))
  }

  @Test func `S5 a client is an IPv4 address, or an IPv6 network of 64 bits`() throws {
    #expect(try network("192.0.2.1") == network("192.0.2.1"))
    #expect(try network("192.0.2.1") != network("192.0.2.2"))
    #expect(try network("2001:db8:0:1::1") == network("2001:db8:0:1:ffff::9"))
    #expect(try network("2001:db8:0:1::1") != network("2001:db8:0:2::1"))
    #expect(try network("::ffff:192.0.2.1") == network("192.0.2.1"))
    // ::/64 and 0.0.0.0 have the same bits.
    #expect(try network("::2") != network("0.0.0.0"))
    #expect(ClientNetwork(nil) == nil)
    #expect(ClientNetwork(try SocketAddress(unixPath: Array("/run/l".utf8))) == nil)
  }

  @Test func `S5 each client has as many connections as it may, and its place back with each that ends`()
    throws
  {
    let counts = ClientCounts(limit: 2)
    let (one, other) = (try network("192.0.2.1"), try network("192.0.2.2"))
    #expect(counts.enter(one) && counts.enter(one) && !counts.enter(one))
    #expect(counts.enter(other))
    counts.leave(one)
    #expect(counts.enter(one) && !counts.enter(one))
    for _ in 0..<2 { counts.leave(one) }
    #expect(counts.clientCount == 1)
    counts.leave(other)
    #expect(counts.clientCount == 0)
  }

  @Test func `S5 a burst goes through at once, then a request for each interval`() throws {
    let rates = RequestRates(rate: 10, burst: 3)
    let client = try network("192.0.2.1")
    let start: Int64 = 5_000_000
    for _ in 0..<3 { #expect(rates.wait(for: client, at: start) == nil) }
    #expect(rates.wait(for: client, at: start) == 1)
    #expect(rates.wait(for: client, at: start + 99_999) == 1)
    #expect(rates.wait(for: client, at: start + 100_000) == nil)
    #expect(rates.wait(for: client, at: start + 100_000) == 1)
    // What was refused has taken nothing, and an hour's rest is worth a burst and no more.
    for _ in 0..<3 { #expect(rates.wait(for: client, at: start + 3_600_000_000) == nil) }
    #expect(rates.wait(for: client, at: start + 3_600_000_000) == 1)
    #expect(rates.wait(for: try network("192.0.2.2"), at: start) == nil)
  }

  @Test func `S5 Retry-After is the time until there is a token`() throws {
    let rates = RequestRates(rate: 1, burst: 1)
    let client = try network("192.0.2.1")
    #expect(rates.wait(for: client, at: 0) == nil)
    #expect(rates.wait(for: client, at: 0) == 1)
    let slow = RequestRates(rate: 1, burst: 30)
    for _ in 0..<30 { #expect(slow.wait(for: client, at: 7_000_000) == nil) }
    #expect(slow.wait(for: client, at: 7_000_000) == 1)
  }

  /// More clients than there are places: whoever is new is not held for another's requests, and whoever asks
  /// all the time stays known.
  @Test func `S5 the table of rates does not grow, and holds those who ask too much`() throws {
    let rates = RequestRates(rate: 1, burst: 2)
    let busy = try network("192.0.2.1")
    var refused = 0
    for i in 0..<200_000 {
      let passing = SocketAddress(ipv6: 0x2001_0db8_0000_0000 + UInt64(i), 1, port: 1)
      #expect(rates.wait(for: try #require(ClientNetwork(passing)), at: 0) == nil)
      if rates.wait(for: busy, at: 0) != nil { refused += 1 }
    }
    #expect(refused == 200_000 - 2)
  }

  @Test func `R5 clients leave to servers what those may need of the descriptors, at most half`() {
    func fitted(_ descriptors: Int) -> (isLowered: Bool, maxClients: Int) {
      var configuration = Configuration(machine: Machine(processors: 2, memoryBytes: 1 << 30))
      let isLowered = configuration.fit(descriptors: descriptors)
      return (isLowered, configuration.maxClients)
    }
    #expect(fitted(1 << 20) == (false, 65_536))
    // 2 × 3 for two workers with one listener, 24 of the process: 34 are left.
    #expect(fitted(64) == (true, 17))
    #expect(fitted(0) == (true, 2))
    // To the one server 256 in use, and 128 idle ones of each worker.
    #expect(fitted(10_030) == (true, 10_000 - 512))
  }
}
