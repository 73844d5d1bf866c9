import Foundation
import TestSupport
import Testing

/// A path of its own for a log, with all that was written there.
private final class LogFile {
  let folder = NSTemporaryDirectory() + "larder-access-\(UUID().uuidString)"
  var path: String { folder + "/access.log" }

  init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  func lines(_ name: String = "access.log") throws -> [String] {
    let text = String(
      decoding: try Data(contentsOf: URL(fileURLWithPath: folder + "/" + name)), as: UTF8.self)
    #expect(text.isEmpty || text.hasSuffix("\n"), "the last line is whole")
    return text.split(separator: "\n").map(String.init)
  }
}

@Suite("Access log: lines and formats")
struct AccessLogFormatTests {
  private func origin() throws -> MisbehavingOrigin {
    try MisbehavingOrigin {
      try $0.respond(200, ["Cache-Control": "max-age=600", "Content-Type": "text/x-hello"], "hello")
    }
  }

  /// Runs `ask` before a proxy that logs in `format`, and returns the lines.
  private func lines(
    _ format: String, _ flags: [String] = [], before origins: [MisbehavingOrigin],
    _ ask: (Larder) throws -> Void
  ) throws -> [String] {
    let log = try LogFile()
    let all = ["--access-log", log.path, "--access-log-format", format, "--workers", "1"] + flags
    try withLarder(all, before: origins) { try ask($0) }
    return try log.lines()
  }

  private func objects(_ lines: [String]) throws -> [[String: Any]] {
    try lines.map { try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]) }
  }

  @Test func `every variable says what nginx's says`() throws {
    let origin = try origin()
    let names = [
      "remote_addr", "remote_port", "remote_user", "time_local", "time_iso8601", "request", "request_method",
      "scheme", "host", "request_uri", "uri", "args", "query_string", "server_protocol", "http_x_two",
      "http_absent", "status", "body_bytes_sent", "bytes_sent", "request_completion",
      "sent_http_content_type",
      "sent_http_x_cache_status", "upstream_cache_status", "upstream_addr", "upstream_status",
      "upstream_connect_time", "upstream_header_time", "request_time", "request_id", "decision", "key_hash",
      "attempts", "wait_time",
    ]
    var sent = 0
    let format = names.map { "$\($0)" }.joined(separator: "|")
    let written = try lines(format, before: [origin]) { larder in
      for _ in 0..<2 {
        let client = try larder.send(
          "GET /a/b?c=d HTTP/1.1\r\nHost: A.Test:8080\r\nAuthorization: Basic QWxhZGRpbjpv\r\n"
            + "Connection: close\r\nX-Two: 1\r\nx-two: 2\r\nX-Request-Id: id-1\r\n\r\n")
        sent = try client.readToEnd().utf8.count
      }
    }
    #expect(written.count == 2)
    let (miss, hit) = (values(names, written[0]), values(names, written[1]))
    for line in [miss, hit] {
      #expect(line["remote_addr"] == "127.0.0.1" && Int(line["remote_port"]!)! > 0)
      #expect(line["remote_user"] == "Aladdin" && line["request"] == "GET /a/b?c=d HTTP/1.1")
      #expect(line["request_method"] == "GET" && line["scheme"] == "http" && line["host"] == "a.test")
      #expect(line["request_uri"] == "/a/b?c=d" && line["uri"] == "/a/b" && line["args"] == "c=d")
      #expect(line["query_string"] == "c=d" && line["server_protocol"] == "HTTP/1.1")
      #expect(line["http_x_two"] == "1, 2" && line["http_absent"] == "-" && line["status"] == "200")
      #expect(line["body_bytes_sent"] == "5" && line["request_completion"] == "OK")
      #expect(line["sent_http_content_type"] == "text/x-hello" && line["request_id"] == "id-1")
      #expect(line["time_local"]!.wholeMatch(of: /\d\d\/\w{3}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}/) != nil)
      #expect(line["time_iso8601"]!.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d/) != nil)
      #expect(line["request_time"]!.wholeMatch(of: /\d+\.\d{6}/) != nil)
      #expect(line["key_hash"]!.wholeMatch(of: /[0-9a-f]{16}/) != nil)
      #expect(line["sent_http_x_cache_status"] == line["upstream_cache_status"])
    }
    #expect(miss["upstream_addr"] == origin.address && miss["upstream_status"] == "200")
    #expect(miss["attempts"] == "1" && miss["wait_time"] == "0.000000")
    for name in ["upstream_connect_time", "upstream_header_time"] {
      #expect(miss[name]!.wholeMatch(of: /\d+\.\d{6}/) != nil)
    }
    #expect(hit["key_hash"] == miss["key_hash"] && Int(hit["bytes_sent"]!) == sent)
    // RFC 9111 §3.5: with Authorization nothing was stored.
    #expect(miss["decision"] == "bypass-authorization" && hit["upstream_cache_status"] == "BYPASS")
  }

  private func values(_ names: [String], _ line: String) -> [String: String] {
    let parts = line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
    #expect(parts.count == names.count)
    return Dictionary(zip(names, parts)) { first, _ in first }
  }

  @Test func `json is an object a line, with every member of the right kind`() throws {
    let origin = try origin()
    let written = try lines("json", before: [origin]) { larder in
      for _ in 0..<2 { _ = try larder.fetch("/p?q", fields: ["User-Agent": "t", "Referer": "http://r/"]) }
    }
    let (miss, hit) = (try objects(written)[0], try objects(written)[1])
    for line in [miss, hit] {
      for name in ["time", "client", "method", "host", "path", "cache", "decision", "key_hash", "request_id"]
      {
        #expect((line[name] as? String)?.isEmpty == false, "\(name)")
      }
      for name in ["status", "bytes", "attempts", "total_seconds"] {
        #expect(line[name] is NSNumber, "\(name)")
      }
      #expect(line["method"] as? String == "GET" && line["path"] as? String == "/p?q")
      #expect(line["user_agent"] as? String == "t" && line["referer"] as? String == "http://r/")
      #expect(line["status"] as? Int == 200 && line["bytes"] as? Int == 5)
    }
    #expect(miss["decision"] as? String == "miss" && miss["upstream"] as? String == origin.address)
    #expect(hit["decision"] as? String == "hit" && hit["cache"] as? String == "HIT")
    for name in ["wait_seconds", "connect_seconds", "first_byte_seconds"] {
      #expect(miss[name] is NSNumber && hit[name] is NSNull, "\(name)")
    }
    #expect(hit["attempts"] as? Int == 0 && hit["upstream"] as? String == "")
  }

  /// What a client may put where, to make a reader of the log see a line or a member that is none.
  @Test(arguments: ["json", "combined", "escape=json {\"u\":\"$http_user_agent\",\"r\":\"$request\"}"])
  func `no byte of a client forges a line, a member or a field`(_ format: String) throws {
    let origin = try origin()
    let hostile = [
      #"x","status":500,"x":""#, "x\" 200 1 \"-\" \"forged", #"\"#, "\t\u{1}", "é\u{9B}", "\u{7F}",
    ]
    let requests =
      hostile.map { "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nUser-Agent: \($0)\r\n\r\n" }
      + [
        "GET /\"\u{1B}[2J HTTP/1.1\r\n\r\n", "\u{0}\u{1}\"\\\r\n\r\n", "\r\nGET /hidden HTTP/1.1\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n", "GET /\nGET /forged HTTP/1.1\r\n\r\n",
      ]
    let written = try lines(format, before: [origin]) { larder in
      for request in requests { _ = try larder.send(request).readToEnd() }
    }
    #expect(written.count == requests.count)
    #expect(written.allSatisfy { line in !line.utf8.contains { $0 < 32 || $0 == 127 } })
    if format == "combined" {
      let pattern = #/127\.0\.0\.1 - - \[[^\]]+\] "[^"]*" \d{3} \d+ "[^"]*" "[^"]*"/#
      #expect(written.allSatisfy { $0.wholeMatch(of: pattern) != nil }, "\(written)")
      #expect(written.contains { $0.contains("\"GET /hidden HTTP/1.1\" 400 ") })
    } else {
      let members = try objects(written)
      #expect(members.allSatisfy { $0.count == members[0].count })
      let agents = members.compactMap { ($0["user_agent"] ?? $0["u"]) as? String }
      #expect(agents.contains(hostile[0]) && agents.contains(hostile[1]))
    }
  }

  @Test func `who waited for another's fetch says how long, with server and times of the fetch`() throws {
    let gate = Gate("the head")
    let origin = try MisbehavingOrigin { exchange in
      try gate.wait()
      try exchange.respond(200, ["Cache-Control": "max-age=600"], "hello")
    }
    let written = try lines("json", before: [origin]) { larder in
      let clients = try (0..<2).map { _ in
        let client = try larder.client()
        try client.sendRequest("/")
        return client
      }
      try larder.settle()
      gate.open()
      for client in clients { _ = try client.readResponse() }
    }
    let found = try objects(written)
    let waiter = try #require(found.first { $0["decision"] as? String == "collapsed" })
    let starter = try #require(found.first { $0["decision"] as? String == "miss" })
    #expect(waiter["upstream"] as? String == origin.address && waiter["attempts"] as? Int == 1)
    #expect(try #require(waiter["wait_seconds"] as? Double) > 0)
    #expect(starter["wait_seconds"] as? Double == 0)
    #expect(try #require(starter["first_byte_seconds"] as? Double) > 0)
  }

  @Test func `every server that was tried is an attempt; without an answer the last one is named`() throws {
    let origin = try origin()
    let absent = "127.0.0.1:\(try refusingPort())"
    let log = try LogFile()
    try withLarder(["--access-log", log.path], backends: [absent, origin.address]) { _ = try $0.fetch("/") }
    let both = try objects(log.lines())
    #expect(both[0]["attempts"] as? Int == 2)
    #expect(both.allSatisfy { $0["upstream"] as? String == origin.address })

    let other = try LogFile()
    try withLarder(["--access-log", other.path], backends: [absent]) { _ = try $0.fetch("/") }
    let failed = try #require(try objects(other.lines()).first)
    #expect(try #require(failed["status"] as? Int) >= 500 && failed["upstream"] as? String == absent)
    #expect(try #require(failed["attempts"] as? Int) >= 1 && failed["first_byte_seconds"] is NSNull)
  }

  @Test func `a response that was not sent whole is not OK`() throws {
    let gone = Gate("the client has gone")
    let origin = try MisbehavingOrigin { exchange in
      try exchange.sendHead(200, ["Content-Length": "10"])
      try exchange.send("12345")
      try gone.wait()
      exchange.close()
    }
    let written = try lines("$request_completion $body_bytes_sent", before: [origin]) { larder in
      let client = try larder.client()
      try client.sendRequest("/")
      var response = try client.readHead()
      try client.readSome(5, of: &response)
      client.reset()
      gone.open()
    }
    #expect(written == ["- 5"])
  }

  @Test(arguments: [
    ("0f-A.z~_", true), ("root=1-67;x", false), ("trace:a/b+c=", true), ("a b", false), ("\"", false),
    ("", false),
    (String(repeating: "x", count: 128), true), (String(repeating: "x", count: 129), false), ("é", false),
  ])
  func `a well-formed X-Request-Id is taken, else one is made; server and log see the same`(
    _ id: String, _ isTaken: Bool
  ) throws {
    let origin = try origin()
    let written = try lines("$request_id", before: [origin]) { larder in
      _ = try larder.fetch("/", fields: ["X-Request-Id": id])
    }
    let upstream = try #require(origin.requests.first).fields.all("X-Request-Id")
    #expect(upstream == written)
    if isTaken {
      #expect(written == [id])
    } else {
      #expect(try #require(written.first).wholeMatch(of: /[0-9a-f]{32}/) != nil)
    }
  }

  @Test func `made ids differ, and two of a client's are as none`() throws {
    let origin = try origin()
    let written = try lines("$request_id", before: [origin]) { larder in
      for _ in 0..<3 { _ = try larder.fetch("/") }
      _ = try larder.fetch("/", fields: ["X-Request-Id": "one", "x-request-id": "two"])
    }
    #expect(Set(written).count == 4 && written.allSatisfy { $0.count == 32 })
  }

  @Test(arguments: [("stdout", 0), ("stderr", 1)])
  func `a stream takes lines too`(_ name: String, _ stream: Int) throws {
    let origin = try origin()
    let larder = try Larder(
      backends: [origin.address], flags: ["--access-log", name, "--access-log-format", "line $status"])
    _ = try larder.fetch("/")
    #expect(try larder.process.stop().status == 0)
    let texts = [larder.process.standardOutput, larder.process.standardError]
    #expect(texts[stream].hasSuffix("line 200\n") && !texts[1 - stream].contains("line 200"))
  }
}

@Suite("Access log: files, pipes and rotation")
struct AccessLogFileTests {
  private func origin() throws -> MisbehavingOrigin {
    try MisbehavingOrigin { try $0.respond(200, ["Cache-Control": "max-age=600"], "hello") }
  }

  @Test func `a journal that is not there is one line with the flag, and status 1`() throws {
    try #require(!FileManager.default.fileExists(atPath: "/run/systemd/journal/socket"))
    let process = try LarderProcess(arguments: [
      "serve", "--listen", "127.0.0.1:0", "--admin", "off", "--backend", "127.0.0.1:1", "--access-log",
      "journal",
    ])
    #expect(try process.awaitExit().status == 1)
    #expect(process.standardError.split(separator: "\n").count == 1)
    for word in ["--access-log 'journal'", "/run/systemd/journal/socket", "No such file"] {
      #expect(process.standardError.contains(word), "\(process.standardError)")
    }
  }

  @Test func `renamed and reopened under load, no line is lost, doubled or torn`() throws {
    let origin = try origin()
    let log = try LogFile()
    let rotated = Gate("all rotations")
    let rotations = 5
    let path = log.path
    let sent = try withLarder(
      ["--access-log", log.path, "--access-log-format", "$request_id $status"], before: [origin]
    ) { larder in
      try inParallel(5) { part -> Int in
        if part == 4 {
          for rotation in 0..<rotations {
            try FileManager.default.moveItem(atPath: path, toPath: "\(path).\(rotation)")
            larder.process.send(signal: SIGUSR1)
            try eventually("the file to be there again") { FileManager.default.fileExists(atPath: path) }
          }
          rotated.open()
          return 0
        }
        let client = try larder.client()
        var count = 0
        while !rotated.isOpen || count < 100 {
          _ = try client.fetch("/", fields: ["X-Request-Id": "\(part)-\(count)"])
          count += 1
        }
        return count
      }
    }
    let names = ["access.log"] + (0..<rotations).map { "access.log.\($0)" }
    let written = try names.flatMap { try log.lines($0) }
    let expected = sent.prefix(4).enumerated().flatMap { part, count in
      (0..<count).map { "\(part)-\($0) 200" }
    }
    #expect(written.sorted() == expected.sorted())
  }

  private func metric(_ name: String, _ larder: Larder) throws -> Int {
    let lines = try larder.admin("/metrics").text.split(separator: "\n")
    let line = try #require(lines.first { $0.hasPrefix(name + " ") })
    return try #require(Int(line.dropFirst(name.count + 1)))
  }

  @Test func `a full disk costs lines, counted, and no request`() throws {
    let origin = try origin()
    try withLarder(["--access-log", "/dev/full", "--workers", "1"], before: [origin]) { larder in
      let client = try larder.client()
      let agent = String(repeating: "x", count: 12_000)
      // More than a chunk, so that it is written now.
      for _ in 0..<10 { #expect(try client.fetch("/", fields: ["User-Agent": agent]).status == 200) }
      try eventually("lost lines to be counted") {
        try metric("larder_access_log_lost_lines_total", larder) > 0
      }
      #expect(try metric("larder_access_log_write_errors_total", larder) > 0)
      #expect(try metric("larder_access_log_dropped_lines_total", larder) == 0)
    }
  }

  @Test func `a pipe whose reader has stopped costs lines, counted, and no request waits`() throws {
    let origin = try origin()
    let log = try LogFile()
    unsafe #expect(mkfifo(log.path, 0o600) == 0)
    let reader = unsafe open(log.path, O_RDONLY | O_NONBLOCK)
    let flags = ["--access-log", log.path, "--access-log-format", "$http_user_agent", "--workers", "1"]
    let agent = String(repeating: "x", count: 12_000)
    let requests = 150
    let drain = try withLarder(flags, before: [origin]) { larder in
      let client = try larder.client()
      for _ in 0..<requests { #expect(try client.fetch("/", fields: ["User-Agent": agent]).status == 200) }
      let dropped = try metric("larder_access_log_dropped_lines_total", larder)
      #expect(dropped > 0)
      _ = fcntl(reader, F_SETFL, 0)
      return (
        dropped,
        TestSupport.Task {
          try FileHandle(fileDescriptor: reader, closeOnDealloc: true).readToEnd() ?? Data()
        }
      )
    }
    let text = try drain.1.value()
    let lines = text.split(separator: 10)
    #expect(lines.count == requests - drain.0 && lines.allSatisfy { $0.elementsEqual(agent.utf8) })
  }
}
