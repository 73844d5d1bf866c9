import Testing

@testable import Proxy

private let address = "an address such as :8080, 127.0.0.1:8080, [::1]:8080 or unix:/path"
private let lifetime = "a duration of whole seconds up to 3650d, as in 90s, 10m or 1d"
private let timeOut = "a duration from 1ms to 24h, as in 500ms, 90s or 10m"
private let drainTime = "a duration from 0s to 24h, as in 500ms, 90s or 10m"
private let token = "none or a token of letters, digits and -._~+/="
private let networkForm = "an address or a network, as in 10.0.0.0/8, 192.0.2.7 or fd00::/8"

private func size(_ range: String) -> String { "a size from \(range), as in 512MiB, 64k or 1048576" }

/// Flag, value, and what the message says was expected.
private typealias Row = (flag: String, value: String, expected: String)

private let addressRows: [Row] = [
  ("--listen", "", "a port after the last colon, as in 127.0.0.1:8080"),
  ("--listen", "8080", "a port after the last colon, as in 127.0.0.1:8080"),
  ("--listen", "127.0.0.1", "a port after the last colon, as in 127.0.0.1:8080"),
  ("--listen", ":65536", "a port from 0 to 65535"),
  ("--listen", ":http", "a port from 0 to 65535"),
  ("--listen", "localhost:8080", "an address in numbers, as in 127.0.0.1:8080 or [::1]:8080"),
  ("--listen", "::1:8080", "an address in numbers, as in 127.0.0.1:8080 or [::1]:8080"),
  ("--listen", "unix:larder.sock", "an absolute path, as in unix:/run/larder.sock"),
  ("--listen", "unix:/" + String(repeating: "a", count: 107), "a path of at most 107 bytes"),
  ("--listen", ",proxy", "a port after the last colon, as in 127.0.0.1:8080"),
  ("--listen", ":8080,", "a port from 0 to 65535"),
  ("--listen", ":8080,Proxy", "a port from 0 to 65535"),
  ("--listen", ":8080,proxy,proxy", "a port from 0 to 65535"),
  ("--admin", ":8081,proxy", "a port from 0 to 65535"),
  ("--admin", "on", "a port after the last colon, as in 127.0.0.1:8080"),
  ("--admin", "Off", "a port after the last colon, as in 127.0.0.1:8080"),
  ("--admin", ":99999", "a port from 0 to 65535"),
  ("--admin", "localhost:8081", "an address in numbers, as in 127.0.0.1:8080 or [::1]:8080"),
  ("--backend", "", "a port after the last colon, as in 127.0.0.1:3000"),
  ("--backend", "127.0.0.1", "a port after the last colon, as in 127.0.0.1:3000"),
  ("--backend", "api:0", "a port from 1 to 65535"),
  ("--backend", "api:65536", "a port from 1 to 65535"),
  ("--backend", "api:80,proxy", "proxy=v1 or proxy=v2 behind the comma"),
  ("--backend", "api:80,proxy=v3", "proxy=v1 or proxy=v2 behind the comma"),
  ("--backend", "unix:/run/a,proxy=", "proxy=v1 or proxy=v2 behind the comma"),
  ("--backend", "http://api:80", "HOST:PORT, [IPv6]:PORT or unix:/path"),
  ("--backend", ":3000", "HOST:PORT, [IPv6]:PORT or unix:/path"),
  ("--backend", "127.0.0.256:3000", "HOST:PORT, [IPv6]:PORT or unix:/path"),
  ("--purge-from", "", networkForm),
  ("--purge-from", "localhost", networkForm),
  ("--purge-from", "10/8", networkForm),
  ("--purge-from", "10.0.0.0/33", "a prefix from 0 to 32 after the slash"),
  ("--purge-from", "fd00::/129", "a prefix from 0 to 128 after the slash"),
  ("--purge-from", "10.1.2.3/8", "only zero bits after the prefix, as in 10.0.0.0/8"),
  ("--trusted-proxy", "*", networkForm),
  ("--trusted-proxy", "10.0.0.0/", "a prefix from 0 to 32 after the slash"),
  ("--trusted-proxy", "fd00::1/64", "only zero bits after the prefix, as in 10.0.0.0/8"),
]

private let wordRows: [Row] = [
  ("--admin-token", "", token),
  ("--admin-token", "two words", token),
  ("--admin-token", "a=b", token),
  ("--admin-token", "==", token),
  ("--admin-token", "grün", token),
  ("--access-log", "", "a file's path, stdout, stderr, journal or off"),
  ("--access-log", "-", "a file's path, stdout, stderr, journal or off"),
  ("--access-log", "/var/log/", "a file's path, stdout, stderr, journal or off"),
  ("--access-log-format", "", "json, combined or a format with at least one variable such as $status"),
  ("--access-log-format", "JSON", "json, combined or a format with at least one variable such as $status"),
  (
    "--access-log-format", "$status $stauts",
    "a variable such as $status, $request or $http_NAME, not $stauts"
  ),
  ("--access-log-format", "$http_", "a variable such as $status, $request or $http_NAME, not $http_"),
  ("--access-log-format", "$status $", "a name after each $, as in $status or ${status}"),
  ("--host-header", "", "preserve, backend, or a host with or without a port"),
  ("--host-header", "http://a", "preserve, backend, or a host with or without a port"),
  ("--host-header", "a b", "preserve, backend, or a host with or without a port"),
  ("--host-header", "a:http", "preserve, backend, or a host with or without a port"),
  ("--host-header", "a:65536", "preserve, backend, or a host with or without a port"),
  ("--host-header", ":80", "preserve, backend, or a host with or without a port"),
  ("--host-header", "a/b", "preserve, backend, or a host with or without a port"),
  ("--host-header", "::1", "preserve, backend, or a host with or without a port"),
  ("--key", "", "$host or $http_host in it, or one host's pages would be another's"),
  ("--key", "$scheme$request_uri", "$host or $http_host in it, or one host's pages would be another's"),
  ("--key", "$host$request_body", "a variable such as $host, $request_uri or $arg_NAME, not $request_body"),
  ("--key", "$host$arg_", "a variable such as $host, $request_uri or $arg_NAME, not $arg_"),
  ("--key", "$host$", "a name after each $, as in $host or ${host}"),
  ("--key", "${host", "a name after each $, as in $host or ${host}"),
  ("--strict", "", "on or off"),
  ("--no-supervise", "yes", "on or off"),
  ("--pid-file", "", "none or a file's path"),
  ("--pid-file", "/run/", "none or a file's path"),
  ("--strict", "yes", "on or off"),
  ("--strict", "true", "on or off"),
]

private let countRows: [Row] =
  [
    ("--workers", "1 to 256", ["", "0", "257", "-1", "+1", "two", "1.0", "99999999999999999999"]),
    ("--max-connections", "1 to 65535", ["0", "65536", "1k"]),
    ("--max-clients", "1 to 10000000", ["0", "10000001", "many"]),
    ("--max-request-burst", "1 to 1000000", ["0", "off", "1000001"]),
    ("--max-fields", "10 to 10000", ["9", "10001", "-100"]),
  ].flatMap { flag, range, values in values.map { (flag, $0, "a whole number from \(range)") } }

private let optionalCountRows: [Row] =
  [
    ("--max-clients-per-address", "1 to 10000000", ["0", "10000001", "none"]),
    ("--max-request-rate", "1 to 1000000", ["0", "1000001", "5r/s"]),
  ].flatMap { flag, range, values in values.map { (flag, $0, "off or a whole number from \(range)") } }

private let diskRows: [Row] = [("--disk", "", "none or a directory and parts such as size=10GiB")]

private let sizeRows: [Row] =
  [
    ("--memory", "0 to 64TiB", ["", "65TiB", "1GB", "half", "1.5GiB", "-1", "1 GiB"]),
    ("--max-object", "0 to 64TiB", ["-1", "65TiB", "1MB"]),
    ("--max-head", "1KiB to 1MiB", ["1023", "1048577", "big"]),
    ("--max-target", "256 to 1MiB", ["255", "2MiB", "8kB"]),
    ("--min-rate", "0 to 1GiB", ["-1", "2GiB", "off"]),
    ("--max-in-flight", "1MiB to 64TiB", ["0", "1048575", "65TiB"]),
    ("--max-body", "0 to 1024TiB", ["-1", "1025TiB", "99999999999999999999"]),
  ].flatMap { flag, range, values in values.map { (flag, $0, size(range)) } }

private let durationRows: [Row] =
  [
    ("--default-ttl", lifetime + ", or none", ["", "off", "-1", "500ms", "3651d", "1.5s"]),
    ("--grace", lifetime, ["none", "-1s", "1500ms", "3651d", "1w"]),
    ("--stale-on-error", lifetime, ["none", "1ms", "99999999999999999999"]),
    ("--head-timeout", timeOut, ["0", "0ms", "25h", "10 s", "soon"]),
    ("--idle-timeout", timeOut, ["0", "86401"]),
    ("--body-timeout", timeOut, ["0s", "-30"]),
    ("--tunnel-timeout", timeOut, ["0", "25h"]),
    ("--connect-timeout", timeOut, ["0", "3S"]),
    ("--first-byte-timeout", timeOut, ["0", "1m30s"]),
    ("--gap-timeout", timeOut, ["0", "1min"]),
    ("--upstream-idle-timeout", timeOut, ["0", "2d"]),
    ("--queue-timeout", timeOut, ["0", "ten"]),
    ("--collapse-timeout", timeOut, ["0", "5sec"]),
    ("--drain-timeout", drainTime, ["-1", "25h", "never"]),
    ("--drain-delay", drainTime, ["-1", "25h", ""]),
    ("--watchdog", drainTime, ["-1", "25h", "off"]),
  ].flatMap { flag, expected, values in values.map { (flag, $0, expected) } }

@Suite("Refusals")
struct RefusalTests {
  @Test(
    arguments: addressRows + wordRows + countRows + optionalCountRows + sizeRows + diskRows + durationRows)
  fileprivate func `a bad value: one line with the flag, the value and what was expected`(
    _ flag: String, _ value: String, _ expected: String
  ) {
    #expect(refusal("\(flag)=\(value)") == "\(flag) '\(value)': expected \(expected)")
  }

  @Test(arguments: [
    ("x,size", "size", "a part such as size=10GiB"),
    ("x,size=1023KiB", "size=1023KiB", "a size of at least 1MiB, such as 10GiB"),
    ("x,size=10GB", "size=10GB", "a size of at least 1MiB, such as 10GiB"),
    ("x,inactive=0", "inactive=0", "a time of at least 1s, such as 60m"),
    ("x,levels=1:2:2:2", "levels=1:2:2:2", "at most three levels, such as 1:2"),
    ("x,levels=3", "levels=3", "levels of 1 or 2 digits, such as 1:2"),
    ("x,min-free=some", "min-free=some", "a size such as 1GiB"),
    ("x,max-entries=0", "max-entries=0", "a number of entries"),
    ("x,min-uses=16", "min-uses=16", "a number from 1 to 15"),
    ("x,keys_zone=a:1m", "keys_zone", "size, inactive, levels, min-free, max-entries or min-uses"),
  ])
  func `a bad part of --disk is named`(_ text: String, _ part: String, _ expected: String) {
    #expect(refusal("--disk", text) == "--disk '\(part)': expected \(expected)")
  }

  @Test func `little memory needs a disk`() {
    #expect(refusal("--memory", "0") == "--memory '0': expected at least 1MiB, or a --disk")
    #expect(refusal("--memory", "1023KiB") == "--memory '1023KiB': expected at least 1MiB, or a --disk")
  }

  @Test func `every flag has a row of bad values`() {
    let rows = addressRows + wordRows + countRows + optionalCountRows + sizeRows + diskRows + durationRows
    let tested = Set(rows.map(\.flag))
    #expect(Set(Configuration.options.options.map { "--\($0.name)" }) == tested)
  }

  @Test(arguments: [
    (
      ["--memory", "1MiB", "--max-object", "1025k"],
      "--max-object '1025KiB': expected at most the 1MiB of --memory"
    ),
    (
      ["--max-head", "1k", "--max-target", "1025"],
      "--max-target '1025': expected at most the 1KiB of --max-head"
    ),
    (["--max-head", "2k"], "--max-target '8KiB': expected at most the 2KiB of --max-head"),
    (["--listen", ":80", "--listen", ":80"], "--listen ':80': expected each address once"),
    (["--listen=:80", "--listen=:80,proxy"], "--listen ':80,proxy': expected each address once"),
    (["--listen=unix:/a", "--listen=unix:/a"], "--listen 'unix:/a': expected each address once"),
    (["--listen=:8081"], "--admin '127.0.0.1:8081': expected an address apart from --listen :8081"),
    (
      ["--listen=127.0.0.1:8081"],
      "--admin '127.0.0.1:8081': expected an address apart from --listen 127.0.0.1:8081"
    ),
    (
      ["--admin=0.0.0.0:80", "--listen=10.0.0.1:80"],
      "--admin '0.0.0.0:80': expected an address apart from --listen 10.0.0.1:80"
    ),
    (
      ["--admin=unix:/a", "--listen=unix:/a"],
      "--admin 'unix:/a': expected an address apart from --listen unix:/a"
    ),
    (["--purge-from=none", "--purge-from=::1"], "--purge-from 'none': expected no other value beside it"),
    (["--backend=a:1", "--backend=demo"], "--backend 'demo': expected no other value beside it"),
  ])
  func `values that do not go together name the one to change`(_ arguments: [String], _ message: String) {
    #expect(throws: UsageError.self) { try Configuration.parse(arguments, machine: testMachine) }
    do throws(UsageError) {
      _ = try Configuration.parse(arguments, machine: testMachine)
    } catch {
      #expect(error.message == message)
    }
  }

  @Test(arguments: [
    "--listen=[::1]:8081",  // the default admin listener is IPv4 only
    "--listen=127.0.0.2:8081", "--listen=:8082", "--listen=unix:/a", "--admin=:0",
  ])
  func `listeners side by side are taken`(_ flag: String) { #expect(refusal(flag) == nil) }

  @Test(arguments: [
    ("--memry", "unknown flag --memry, did you mean --memory?"),
    ("--memry=1GiB", "unknown flag --memry, did you mean --memory?"),
    ("--Memory", "unknown flag --Memory, did you mean --memory?"),
    ("-memory", "unknown flag -memory, did you mean --memory?"),
    ("--purgefrom", "unknown flag --purgefrom, did you mean --purge-from?"),
    ("--idle-time-out", "unknown flag --idle-time-out, did you mean --idle-timeout?"),
    ("--backends", "unknown flag --backends, did you mean --backend?"),
    ("--keys", "unknown flag --keys, did you mean --key?"),
    ("--storage-directory", "unknown flag --storage-directory, expected one that --help lists"),
    ("-x", "unknown flag -x, expected one that --help lists"),
    ("--", "unknown flag --, expected one that --help lists"),
    ("--=", "unknown flag --, expected one that --help lists"),
    ("--a\nb", "unknown flag --a\\u{a}b, expected one that --help lists"),
    ("serve", "unexpected 'serve', expected a flag such as --help"),
    ("-", "unexpected '-', expected a flag such as --help"),
    ("", "unexpected '', expected a flag such as --help"),
  ])
  func `an unknown flag suggests the nearest name, if one is near`(_ argument: String, _ message: String) {
    #expect(refusal(argument) == message)
  }

  @Test func `a flag without its value says what it takes`() {
    #expect(refusal("--listen") == "--listen has no value, expected \(address)")
    #expect(refusal("--memory", "--strict") == "--memory has no value, expected \(size("0 to 64TiB"))")
  }

  @Test func `a value may begin with one dash, and after an equals sign with two`() throws {
    #expect(refusal("--grace", "-5") == "--grace '-5': expected \(lifetime)")
    #expect(try parse("--access-log=--log").accessLog == .file("--log"))
  }

  @Test func `what cannot be repeated is refused, even with the same value`() {
    #expect(
      refusal("--memory", "1GiB", "--memory=2GiB")
        == "--memory '2GiB': expected to be given once, was '1GiB' before")
    #expect(refusal("--grace=1", "--grace=1") == "--grace '1': expected to be given once, was '1' before")
    #expect(refusal("--strict", "--strict") == "--strict 'on': expected to be given once, was 'on' before")
  }

  @Test func `a toggle does not swallow the argument behind it`() {
    #expect(refusal("--strict", "off") == "unexpected 'off', expected a flag such as --help")
  }

  @Test func `control bytes in a key are refused`() {
    #expect(refusal("--key=$host\n") == "--key '$host\\u{a}': expected no control characters")
  }

  @Test func `control bytes in a value do not break the line`() {
    #expect(
      refusal("--workers=1\n2\u{1b}[31m\u{85}")
        == "--workers '1\\u{a}2\\u{1b}[31m\\u{85}': expected a whole number from 1 to 256")
  }

  @Test func `the second of two values is named when it is the bad one`() {
    #expect(
      refusal("--purge-from=10.0.0.0/8", "--purge-from=x") == "--purge-from 'x': expected \(networkForm)")
  }
}

@Suite("Failures of the service")
struct ServiceErrorTests {
  @Test func `one line names the flag, the value and the reason`() {
    let error = ServiceError.failed(flag: "--listen", value: ":8080", reason: "address already in use")
    #expect(error.message == "--listen ':8080': address already in use")
  }

  @Test func `what no flag is to blame for is the reason alone`() {
    #expect(ServiceError.failed(flag: "", value: "", reason: "no memory").message == "no memory")
    #expect(ServiceError.failed(flag: "--memory", value: "", reason: "none").message == "--memory: none")
  }
}
