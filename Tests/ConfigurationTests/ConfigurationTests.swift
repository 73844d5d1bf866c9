import Caching
import IO
import Testing
import Upstream

@testable import Proxy

/// 8 GiB and 4 processors: defaults of 1 GiB and 4 workers.
let testMachine = Machine(processors: 4, memoryBytes: 8 << 30)

func parse(_ arguments: String...) throws(UsageError) -> Configuration {
  try Configuration.parse(arguments, machine: testMachine)
}

/// The line that a refusal prints; `nil` when nothing is refused.
func refusal(_ arguments: String...) -> String? {
  do throws(UsageError) {
    _ = try Configuration.parse(arguments, machine: testMachine)
    return nil
  } catch {
    return error.message
  }
}

@Suite("Configuration")
struct ConfigurationTests {
  @Test func `without flags the documented defaults hold (L11, L13, L16, L17, L25, L26, L30, L31, L33)`()
    throws
  {
    #expect(
      try parse().flagLines == [
        "--listen=:8080", "--admin=127.0.0.1:8081", "--admin-token=none", "--access-log=off",
        "--access-log-format=json", "--workers=4",
        "--backend=demo", "--host-header=preserve", "--max-connections=256",
        "--memory=1GiB", "--disk=none", "--max-object=128MiB", "--default-ttl=none", "--grace=0s",
        "--stale-on-error=10m",
        "--key='$scheme$request_method$host$request_uri'", "--strict=off",
        "--purge-from=127.0.0.0/8", "--purge-from=::1/128", "--trusted-proxy=none",
        "--head-timeout=10s", "--idle-timeout=60s", "--body-timeout=30s",
        "--tunnel-timeout=5m", "--connect-timeout=3s", "--first-byte-timeout=60s", "--gap-timeout=60s",
        "--upstream-idle-timeout=50s", "--queue-timeout=10s",
        "--collapse-timeout=5s", "--drain-timeout=30s", "--drain-delay=0s",
        "--max-clients=65536", "--max-clients-per-address=off", "--max-request-rate=off",
        "--max-request-burst=100", "--min-rate=256", "--max-in-flight=256MiB", "--max-head=64KiB",
        "--max-target=8KiB", "--max-fields=100",
        "--max-body=1GiB",
        "--no-supervise=off", "--watchdog=10s", "--pid-file=none",
      ])
  }

  @Test func `a disk as it is read and shown; memory may be 0 with it`() throws {
    let text = "cache,size=2GiB,inactive=2h,levels=2:2:1,min-free=1GiB,max-entries=9,min-uses=3"
    let configuration = try parse("--memory", "0", "--disk", text)
    #expect(configuration.flagLines.contains("--disk=\(text)"))
    let disk = try #require(configuration.disk)
    #expect(disk.sizeBytes == 2 << 30 && disk.inactiveSeconds == 7200 && disk.maxEntries == 9)
    #expect(configuration.memoryBytes == 0)
    #expect(try parse("--disk", "x").flagLines.contains("--disk=x,size=10GiB,inactive=60m,levels=1:2"))
  }

  @Test func `no flags leave the value that the type itself begins with`() throws {
    #expect(try parse() == Configuration(machine: testMachine))
  }

  @Test func `every value reaches its own field`() throws {
    let c = try parse(
      "--listen", "127.0.0.1:80", "--listen=unix:/run/l,proxy", "--backend", "a.example:3000",
      "--backend=[::1]:3001",
      "--admin", "off", "--admin-token", "s3cret-._~+/==", "--access-log", "stdout",
      "--access-log-format", "combined", "--workers", "7",
      "--host-header", "www.example.com:443", "--max-connections", "11", "--memory", "64MiB",
      "--max-object", "3MiB", "--default-ttl", "90", "--grace", "1m", "--stale-on-error", "2h",
      "--key", "$host$uri", "--strict", "--purge-from", "10.0.0.0/8", "--trusted-proxy", "fd00::/8")
    #expect(
      try c.listen == [
        ListenSetting(SocketAddress(ipv4: 0x7f00_0001, port: 80)),
        ListenSetting(.parse(listen: "unix:/run/l"), expectsProxyHeader: true),
      ])
    #expect(c.backends.map(\.host) == ["a.example", "::1"])
    #expect(c.backends.map(\.port) == [3000, 3001])
    #expect(c.admin == nil)
    #expect(c.adminToken == "s3cret-._~+/==")
    #expect(c.accessLog == .standardOutput)
    #expect(c.accessLogFormat.source == "combined")
    #expect(c.workers == 7)
    #expect(c.hostHeader == .fixed("www.example.com:443"))
    #expect(c.maxConnections == 11)
    #expect(c.memoryBytes == 67_108_864)
    #expect(c.maxObjectBytes == 3_145_728)
    #expect(c.defaultTTLSeconds == 90)
    #expect(c.graceSeconds == 60)
    #expect(c.staleOnErrorSeconds == 7200)
    #expect(c.key.text == "$host$uri")
    #expect(c.isStrict)
    #expect(c.purgeFrom.map(\.description) == ["10.0.0.0/8"])
    #expect(c.trustedProxies.map(\.description) == ["fd00::/8"])
  }

  @Test func `every time-out and limit reaches its own field`() throws {
    let c = try parse(
      "--head-timeout", "1ms", "--idle-timeout", "2ms", "--body-timeout", "3ms", "--connect-timeout", "4ms",
      "--first-byte-timeout", "5ms", "--gap-timeout", "6ms", "--upstream-idle-timeout", "7ms",
      "--queue-timeout", "8ms", "--collapse-timeout", "9ms", "--drain-timeout", "10ms", "--drain-delay",
      "11ms",
      "--max-clients", "12", "--max-head", "1301", "--max-target", "1300", "--max-fields", "14",
      "--max-body", "15", "--max-clients-per-address", "16", "--max-request-rate", "17",
      "--max-request-burst", "18", "--min-rate", "19", "--max-in-flight", "20MiB", "--no-supervise",
      "--watchdog=16ms",
      "--pid-file", "/run/larder.pid")
    #expect(c.headTimeoutMilliseconds == 1)
    #expect(c.idleTimeoutMilliseconds == 2)
    #expect(c.bodyTimeoutMilliseconds == 3)
    #expect(c.connectTimeoutMilliseconds == 4)
    #expect(c.firstByteTimeoutMilliseconds == 5)
    #expect(c.gapTimeoutMilliseconds == 6)
    #expect(c.upstreamIdleTimeoutMilliseconds == 7)
    #expect(c.queueTimeoutMilliseconds == 8)
    #expect(c.collapseTimeoutMilliseconds == 9)
    #expect(c.drainTimeoutMilliseconds == 10)
    #expect(c.drainDelayMilliseconds == 11)
    #expect(c.maxClients == 12)
    #expect(c.maxHeadBytes == 1301)
    #expect(c.maxTargetBytes == 1300)
    #expect(c.maxFields == 14)
    #expect(c.maxBodyBytes == 15)
    #expect(c.servesAlone)
    #expect(c.watchdogMilliseconds == 16)
    #expect(c.pidFile == "/run/larder.pid")
    #expect(c.maxClientsPerAddress == 16)
    #expect(c.maxRequestRate == 17)
    #expect(c.maxRequestBurst == 18)
    #expect(c.minRateBytes == 19)
    #expect(c.inFlightBytes == 20 << 20)
  }

  @Test func `the caching rules get the lifetimes in seconds`() throws {
    let given = try parse("--default-ttl=2m", "--grace=3s", "--stale-on-error=1h", "--strict").cachingOptions
    #expect(given == CachingOptions(defaultTTL: 120, grace: 3, staleOnError: 3600, strict: true))
    #expect(try parse().cachingOptions == CachingOptions())
  }

  @Test func `the default key is that of nginx's documentation, L6`() throws {
    #expect(try parse().key.template == .standard)
    #expect(try parse("--key=$scheme$request_method$host$request_uri") == parse())
    #expect(try parse("--key=${host}${uri}").key.template == KeyTemplate("$host$uri"))
  }

  @Test func `an entry may take an eighth of the memory that is given`() throws {
    #expect(try parse("--memory", "16MiB").maxObjectBytes == 2 << 20)
    #expect(try parse("--memory", "16MiB", "--max-object", "0").maxObjectBytes == 0)
  }

  @Test func `what is under way may take a quarter of the memory that is given, at least 16 MiB`() throws {
    #expect(try parse("--memory", "1GiB").inFlightBytes == 256 << 20)
    #expect(try parse("--memory", "8MiB").inFlightBytes == 16 << 20)
    #expect(try parse("--memory", "1GiB", "--max-in-flight", "1MiB").inFlightBytes == 1 << 20)
  }

  @Test func `given networks replace the default, and none empties it`() throws {
    #expect(try parse("--purge-from", "192.0.2.7").purgeFrom.map(\.description) == ["192.0.2.7/32"])
    #expect(try parse("--purge-from", "none").purgeFrom.isEmpty)
    #expect(try parse("--backend", "demo").backends.isEmpty)
  }

  @Test(arguments: [
    ["--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0"],  // two free ports
    ["--listen", ":0", "--admin", ":0"],
    ["--backend", "a:1", "--backend", "a:1"],  // counts double in the round
    ["--memory", "1MiB", "--max-object", "1MiB"],
    ["--max-head", "1k", "--max-target", "1k"],
    ["--max-head=1MiB", "--max-target=1MiB", "--max-body=1024TiB", "--memory=64TiB"],
    ["--workers", "1"], ["--workers", "256"], ["--workers=008"],
    ["--drain-timeout", "0"], ["--grace=3650d"], ["--default-ttl=0"], ["--head-timeout=1d"],
    ["--access-log=/var/log/larder.log"], ["--access-log=access.log"],
    ["--host-header=backend"], ["--host-header=preserve"], ["--host-header=[::1]:80"],
    ["--host-header=localhost"], ["--host-header=10.0.0.1:8080"], ["--host-header=a_b.example"],
  ])
  func `a good value is taken`(_ arguments: [String]) {
    #expect(throws: Never.self) { try Configuration.parse(arguments, machine: testMachine) }
  }

  @Test(arguments: [
    ["--listen=:80", "--listen=[::1]:81", "--listen=unix:/tmp/a b's.sock"],
    [
      "--listen=:80,proxy", "--listen=[::1]:0,proxy", "--listen=unix:/a,proxy",
      "--listen=unix:/a,proxy,proxy",
    ],
    ["--admin=off", "--admin-token=abc/def+g=="],
    ["--admin=unix:/run/admin.sock"],
    ["--access-log=stderr"], ["--access-log=journal"], ["--access-log=./off"],
    ["--access-log=/var/log/a 'b'.log"], ["--access-log=--odd"],
    ["--access-log-format=escape=json {\"s\":$status,\"a\":\"${http_user_agent}\"} it's"],
    ["--backend=a:1", "--backend=b.example:65535", "--backend=[2001:db8::1]:80", "--backend=unix:/run/b"],
    ["--host-header=backend"], ["--host-header=x.example:8080"],
    ["--memory=12345678", "--max-object=12345677"],
    ["--default-ttl=61", "--grace=3601", "--stale-on-error=0"],
    ["--key=$scheme$host$arg_q${cookie_id}:it's \"quoted\""],
    ["--strict"], ["--strict=off"],
    ["--purge-from=none", "--trusted-proxy=10.0.0.0/8", "--trusted-proxy=::/0"],
    ["--head-timeout=1500ms", "--idle-timeout=61s", "--body-timeout=2h", "--drain-delay=90"],
    ["--max-clients-per-address=5", "--max-request-rate=7", "--min-rate=0", "--max-in-flight=3MiB"],
    ["--max-clients=1", "--max-head=1025", "--max-target=257", "--max-fields=10", "--max-body=0"],
  ])
  func `check --print gives back what was given: parse(print(c)) == c`(_ arguments: [String]) throws {
    let configuration = try Configuration.parse(arguments, machine: testMachine)
    let elsewhere = Machine(processors: 1, memoryBytes: 1 << 30)
    let again = try Configuration.parse(configuration.flagLines.map(unquoted), machine: elsewhere)
    #expect(again == configuration)
    #expect(again.flagLines == configuration.flagLines)
  }
}

/// One shell word without its quotes, as POSIX XCU §2.2 reads it.
func unquoted(_ word: String) -> String {
  var text = ""
  var isQuoted = false
  var isEscaped = false
  for letter in word {
    if isEscaped {
      text.append(letter)
      isEscaped = false
    } else if letter == "'" {
      isQuoted.toggle()
    } else if letter == "\\", !isQuoted {
      isEscaped = true
    } else {
      text.append(letter)
    }
  }
  return text
}
