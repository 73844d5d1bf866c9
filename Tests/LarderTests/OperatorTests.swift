import Foundation
import Testing
import TestSupport

@Suite("Admin listener and command line")
struct OperatorTests {
  private func origin() throws -> MisbehavingOrigin {
    try MisbehavingOrigin { try $0.respond(200, ["Cache-Control": "max-age=600"], "hello") }
  }

  private func json(_ response: Response) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(response.body)) as? [String: Any])
  }

  @Test func `health and readiness are JSON`() throws {
    let origin = try origin()
    try withLarder(before: [origin]) { larder in
      let health = try larder.admin("/health")
      #expect(health.status == 200 && health.fields["Content-Type"]?.hasPrefix("application/json") == true)
      #expect(try json(health)["alive"] as? Bool == true)
      let ready = try json(try larder.admin("/ready"))
      #expect(ready["ready"] as? Bool == true)
      let checks = try #require(ready["checks"] as? [String: Any])
      #expect(checks["upstream"] != nil && checks["accepting"] != nil)
    }
  }

  @Test func `readiness fails while no server can be used, health does not`() throws {
    try withLarder(backends: ["127.0.0.1:\(try refusingPort())", "127.0.0.1:\(try refusingPort())"]) {
      larder in
      try eventually("readiness to fail") {
        _ = try larder.fetch("/")
        return try larder.admin("/ready").status == 503
      }
      #expect(try larder.admin("/health").status == 200)
    }
  }

  /// Sum of a metric's samples whose labels contain all of `labels`.
  private func metric(_ name: String, _ labels: [String] = [], in text: String) -> Double? {
    let lines = text.split(separator: "\n").filter { line in
      (line.hasPrefix(name + "{") || line.hasPrefix(name + " ")) && labels.allSatisfy { line.contains($0) }
    }
    guard !lines.isEmpty else { return nil }
    return lines.compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }.reduce(0, +)
  }

  @Test func `metrics count requests by decision, and every family says what it is`() throws {
    let origin = try origin()
    try withLarder(before: [origin]) { larder in
      for _ in 0..<5 { _ = try larder.fetch("/") }
      _ = try larder.fetch("/", method: "POST", body: [1])
      // A request is counted when its answer is gone, which its client may see a moment earlier.
      try eventually("all six to be counted") {
        metric("larder_requests_total", in: try larder.admin("/metrics").text) == 6
      }
      let response = try larder.admin("/metrics")
      #expect(response.fields["Content-Type"]?.hasPrefix("text/plain; version=0.0.4") == true)
      let text = response.text
      #expect(metric("larder_requests_total", in: text) == 6)
      #expect(metric("larder_requests_total", ["hit"], in: text) == 4)
      var typed = Set<Substring>()
      for line in text.split(separator: "\n") {
        let words = line.split(separator: " ")
        if line.hasPrefix("# TYPE ") { typed.insert(words[2]) }
        if line.hasPrefix("#") { continue }
        let name = line.prefix { $0 != "{" && $0 != " " }
        let family = ["_bucket", "_sum", "_count"].reduce(String(name)) { base, suffix in
          base.hasSuffix(suffix) && typed.contains(Substring(base.dropLast(suffix.count)))
            ? String(base.dropLast(suffix.count)) : base
        }
        #expect(typed.contains(Substring(family)), "\(name) has no TYPE")
        #expect(name.hasPrefix("larder_") || name.hasPrefix("process_"), "\(name)")
        #expect(words.last.flatMap { Double($0) } != nil, "\(line)")
      }
      #expect(text.hasSuffix("\n"))
    }
  }

  /// Debian's `prometheus` package has it; scripts/setup.sh test installs that.
  @Test func `promtool has nothing to say about the metrics, whatever the query`() throws {
    let origin = try origin()
    try withLarder(before: [origin]) { larder in
      // Something of each kind: a hit, a miss, an error, a purge, a refusal.
      for target in ["/", "/", "/other"] { _ = try larder.fetch(target) }
      _ = try larder.fetch("/", method: "PURGE")
      _ = try larder.send("nonsense\r\n\r\n").readToEnd()
      origin.stop()
      _ = try larder.fetch("/gone")
      for target in ["/metrics", "/metrics?x=y"] {
        let response = try larder.admin(target)
        #expect(response.status == 200)
        let (status, said) = try promtool(response.body)
        #expect(status == 0 && said.isEmpty, "\(said)")
      }
    }
  }

  @Test func `the admin listener can be switched off`() throws {
    let origin = try origin()
    try withLarder(["--admin", "off"], before: [origin]) { larder throws in
      #expect(try larder.fetch("/").status == 200)
    }
  }

  /// Exit status 2, one line, and in it the flag, the value and what was expected.
  @Test(
    arguments: [
      (["serve", "--bogus"], ["--bogus"]), (["serve", "--listen"], ["--listen"]),
      (["serve", "--listen", "nonsense"], ["--listen", "nonsense", "expected"]),
      (["serve", "--listen", "127.0.0.1:99999"], ["--listen", "127.0.0.1:99999", "expected"]),
      (["serve", "--backend", "no port"], ["--backend", "no port", "expected"]),
      (["serve", "--memory", "12parsecs"], ["--memory", "12parsecs", "expected"]),
      (["serve", "--memory", "-1"], ["--memory", "-1", "expected"]),
      (["serve", "--workers", "0"], ["--workers", "0", "expected"]),
      (["serve", "--default-ttl", "soon"], ["--default-ttl", "soon", "expected"]),
      (["serve", "--grace", "1fortnight"], ["--grace", "1fortnight", "expected"]),
      (["serve", "--purge-from", "10.0.0.0/33"], ["--purge-from", "10.0.0.0/33", "expected"]),
      (["serve", "--trusted-proxy", "example"], ["--trusted-proxy", "example", "expected"]),
      (["serve", "--key", "$nonsense"], ["--key", "$nonsense", "expected"]),
      (["serve", "--access-log-format", "$nonsense"], ["--access-log-format", "$nonsense", "expected"]),
      (["serve", "--first-byte-timeout", "5x"], ["--first-byte-timeout", "5x", "expected"]),
      (["serve", "extra"], ["extra"]), (["check", "--memory", "x"], ["--memory", "x", "expected"]),
      (["bogus"], ["bogus"]), ([], []), (["purge"], ["URL"]), (["purge", "http://"], ["http://"]),
    ] as [([String], [String])])
  func `a command line that cannot be understood is one line and status 2`(
    _ arguments: [String], _ words: [String]
  ) throws {
    let process = try LarderProcess(arguments: arguments)
    #expect(try process.awaitExit().status == 2)
    #expect(process.standardError.split(separator: "\n").count == 1, "\(process.standardError)")
    for word in words { #expect(process.standardError.contains(word), "\(process.standardError)") }
    #expect(process.standardOutput.isEmpty)
  }

  @Test func `a port in use is one line that names flag and address, and status 1`() throws {
    let origin = try origin()
    try withLarder(before: [origin]) { larder in
      for flag in ["--listen", "--admin"] {
        let taken = "127.0.0.1:\(flag == "--listen" ? larder.port : larder.adminPort)"
        let other = flag == "--listen" ? "--admin" : "--listen"
        let process = try LarderProcess(arguments: [
          "serve", flag, taken, other, "127.0.0.1:0", "--backend", origin.address,
        ])
        #expect(try process.awaitExit().status == 1)
        let lines = process.standardError.split(separator: "\n")
        #expect(lines.count == 1, "\(process.standardError)")
        #expect(lines.first.map { $0.contains(flag) && $0.contains(taken) } == true)
      }
    }
  }

  @Test func `an access log that cannot be opened is one line and status 1`() throws {
    let process = try LarderProcess(arguments: [
      "serve", "--listen", "127.0.0.1:0", "--admin", "off", "--backend", "127.0.0.1:1", "--access-log",
      "/nonexistent/larder.log",
    ])
    #expect(try process.awaitExit().status == 1)
    #expect(process.standardError.contains("--access-log") && process.standardError.contains("/nonexistent"))
    #expect(process.standardError.split(separator: "\n").count == 1)
  }

  @Test func `check --print shows every time-out of L33 and what was set, and what it prints is taken back`()
    throws
  {
    let process = try LarderProcess(arguments: ["check", "--print", "--grace", "90s", "--memory", "64MiB"])
    #expect(try process.awaitExit().status == 0)
    let text = process.standardOutput
    for expected in [
      "--head-timeout=10s", "--idle-timeout=60s", "--body-timeout=30s", "--connect-timeout=3s",
      "--first-byte-timeout=60s", "--gap-timeout=60s", "--upstream-idle-timeout=50s", "--queue-timeout=10s",
      "--collapse-timeout=5s", "--drain-timeout=30s", "--max-connections=256", "--grace=90s",
      "--memory=64MiB",
    ] {
      #expect(text.contains(expected), "\(expected) is not in\n\(text)")
    }
  }

  @Test func `version and every help are status 0 on standard output`() throws {
    let commands = ["serve", "check", "demo-origin", "purge", "version", "help"]
    for arguments in [["version"], ["help"], ["--help"]] + commands.map({ [$0, "--help"] }) {
      let process = try LarderProcess(arguments: arguments)
      #expect(try process.awaitExit().status == 0, "\(arguments)")
      #expect(!process.standardOutput.isEmpty && process.standardError.isEmpty, "\(arguments)")
    }
  }

  @Test func `port 0 takes a free port and prints each address once, one line each`() throws {
    let origin = try origin()
    let flags = ["--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--workers", "1"]
    try withLarder(flags, before: [origin]) { larder throws in
      let printed = (larder.process.standardOutput + larder.process.standardError).split(separator: "\n")
      let ports = printed.compactMap { Larder.port(in: String($0)) }
      #expect(Set(ports).count == ports.count && ports.count >= 3)
      for port in ports where port != larder.adminPort && port != origin.port {
        #expect(try RawClient(port: port).fetch("/").status == 200)
      }
    }
  }
}
