import Testing

@testable import IO

/// Text to address; IPv6 without brackets.
private func address(_ text: String) throws -> SocketAddress {
  try #require(SocketAddress(numeric: text, port: 4711))
}

@Suite("CIDR")
struct CIDRTests {
  @Test(arguments: [
    // network, the lowest and highest address within, the neighbours without
    ("10.0.0.0/8", "10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"),
    ("192.168.4.0/22", "192.168.4.0", "192.168.7.255", "192.168.3.255", "192.168.8.0"),
    ("192.0.2.128/25", "192.0.2.128", "192.0.2.255", "192.0.2.127", "192.0.3.0"),
    ("192.0.2.7/32", "192.0.2.7", "192.0.2.7", "192.0.2.6", "192.0.2.8"),
    ("192.0.2.7", "192.0.2.7", "192.0.2.7", "192.0.2.6", "192.0.2.8"),
    ("128.0.0.0/1", "128.0.0.0", "255.255.255.255", "127.255.255.255", "::"),
    ("fd00::/8", "fd00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fcff::1", "fe00::"),
    ("2001:db8::/64", "2001:db8::", "2001:db8::ffff:ffff:ffff:ffff", "2001:db7:ffff::", "2001:db8:0:1::"),
    ("2001:db8::/65", "2001:db8::", "2001:db8::7fff:ffff:ffff:ffff", "2001:db8:0:0:8000::", "2001:db7::"),
    ("2001:db8::/63", "2001:db8::", "2001:db8:0:1::1", "2001:db8:0:2::", "2001:db7::"),
    ("::1/128", "::1", "::1", "::", "::2"),
    ("::1", "::1", "::1", "::", "::2"),
    ("::ffff:10.0.0.0/104", "10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"),
    ("::ffff:192.0.2.7", "192.0.2.7", "::ffff:192.0.2.7", "192.0.2.6", "::ffff:192.0.2.8"),
  ])
  func `contains its lowest and its highest address and neither neighbour`(
    _ network: String, _ lowest: String, _ highest: String, _ below: String, _ above: String
  ) throws {
    let cidr = try CIDR(parsing: network)
    #expect(cidr.contains(try address(lowest)))
    #expect(cidr.contains(try address(highest)))
    #expect(!cidr.contains(try address(below)))
    #expect(!cidr.contains(try address(above)))
  }

  @Test(arguments: ["0.0.0.0", "127.0.0.1", "255.255.255.255", "::ffff:203.0.113.9"])
  func `0.0.0.0/0 contains every IPv4 address, mapped ones too, and ::/0 contains none`(_ text: String) throws
  {
    #expect(try CIDR(parsing: "0.0.0.0/0").contains(address(text)))
    #expect(try CIDR(parsing: "::ffff:0:0/96").contains(address(text)))
    #expect(try !CIDR(parsing: "::/0").contains(address(text)))
  }

  @Test(arguments: ["::", "::1", "2001:db8::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"])
  func `::/0 contains every IPv6 address, and 0.0.0.0/0 contains none`(_ text: String) throws {
    #expect(try CIDR(parsing: "::/0").contains(address(text)))
    #expect(try !CIDR(parsing: "0.0.0.0/0").contains(address(text)))
  }

  @Test(arguments: ["0.0.0.0/0", "::/0"])
  func `no network contains a Unix socket or the wildcard`(_ network: String) throws {
    let cidr = try CIDR(parsing: network)
    #expect(try !cidr.contains(SocketAddress(unixPath: Array("/run/a".utf8))))
    #expect(!cidr.contains(SocketAddress(anyAddressPort: 80)))
  }

  @Test func `loopback is 127.0.0.0/8 and ::1`() {
    #expect(CIDR.loopback.map(\.description) == ["127.0.0.0/8", "::1/128"])
  }

  @Test(arguments: [
    ("", CIDRError.badAddress),
    ("/8", .badAddress),
    ("10/8", .badAddress),  // inet_aton would take it, as 0.0.0.10
    ("10.0.0/24", .badAddress),
    ("10.0.0.256", .badAddress),
    ("010.0.0.0/8", .badAddress),  // octal to some
    (" 10.0.0.0/8", .badAddress),
    ("localhost", .badAddress),
    ("[::1]/128", .badAddress),
    ("fe80::1%eth0/64", .badAddress),
    ("1::2::3/64", .badAddress),
    ("10.0.0.0\0/8", .badAddress),
    ("10.0.0.0/", .badPrefix(limit: 32)),
    ("10.0.0.0/33", .badPrefix(limit: 32)),
    ("10.0.0.0/-1", .badPrefix(limit: 32)),
    ("10.0.0.0/+8", .badPrefix(limit: 32)),
    ("10.0.0.0/8 ", .badPrefix(limit: 32)),
    ("10.0.0.0/8/8", .badPrefix(limit: 32)),
    ("10.0.0.0/255.0.0.0", .badPrefix(limit: 32)),
    ("10.0.0.0/99999999999999999999", .badPrefix(limit: 32)),
    ("fd00::/129", .badPrefix(limit: 128)),
    ("::ffff:10.0.0.0/129", .badPrefix(limit: 128)),
    ("10.1.2.3/8", .strayBits),
    ("10.0.0.1/0", .strayBits),
    ("fd00::1/8", .strayBits),
    ("2001:db8:0:1::/63", .strayBits),
    ("::ffff:10.0.0.0/8", .strayBits),  // someone who meant /104
    ("::ffff:10.1.0.0/104", .strayBits),
  ])
  func `refuses what is not a network`(_ text: String, _ error: CIDRError) {
    #expect(throws: error) { try CIDR(parsing: text) }
  }

  @Test(arguments: [
    ("10.0.0.0/8", "10.0.0.0/8"), ("192.0.2.7", "192.0.2.7/32"), ("0.0.0.0/0", "0.0.0.0/0"),
    ("fd00:0::/8", "fd00::/8"), ("::/0", "::/0"), ("::1", "::1/128"), ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
  ])
  func `is described in the form that is read back`(_ text: String, _ description: String) throws {
    let cidr = try CIDR(parsing: text)
    #expect(cidr.description == description)
    #expect(try CIDR(parsing: description) == cidr)
  }
}
