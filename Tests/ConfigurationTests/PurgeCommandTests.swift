import Testing

private let answer = #"{"purged": 2, "host": "a.example", "sequence": 17}"#

private func response(_ status: String, _ body: String) -> String {
  "HTTP/1.1 \(status)\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
}

@Suite("larder purge")
struct PurgeCommandTests {
  @Test func `asks as L26 wants it and prints the listener's answer, L23`() throws {
    let listener = try ScriptedListener(answering: [response("200 OK", answer)])
    let program = try Program.run(["purge", "http://a.example/x?q=\"1\\2", "--to", listener.address])
    #expect(program.status == 0)
    #expect(program.output == answer + "\n")
    #expect(program.errors == "")
    let body = #"{"url":"http://a.example/x?q=\"1\\2"}"#
    #expect(
      listener.request() == """
        POST /purge HTTP/1.1\r
        Host: \(listener.address)\r
        Content-Type: application/json\r
        Content-Length: \(body.utf8.count)\r
        Connection: close\r
        \r
        \(body)
        """)
  }

  @Test func `sends the token when it has one`() throws {
    let listener = try ScriptedListener(answering: [response("200 OK", "{}")])
    let program = try Program.run(["purge", "a.example/", "--admin-token=s3cret", "--to=\(listener.address)"])
    #expect(program.status == 0)
    #expect(listener.request().contains("\r\nAuthorization: Bearer s3cret\r\n"))
  }

  @Test func `an answer may come in pieces and over several lines`() throws {
    let whole = Array(response("200 OK", "{\n \"purged\": 0\n}\n")).map(String.init)
    let listener = try ScriptedListener(answering: whole)
    let program = try Program.run(["purge", "a.example/", "--to", listener.address])
    #expect(program.status == 0)
    #expect(program.output == "{  \"purged\": 0 }\n")
  }

  @Test func `a refusal: status 1 and one line`() throws {
    let listener = try ScriptedListener(answering: [response("403 Forbidden", "{\"error\":\n\"no\"}")])
    let program = try Program.run(["purge", "a.example/", "--to", listener.address])
    #expect(program.status == 1)
    #expect(program.output == "")
    #expect(program.errors == "larder: --to '\(listener.address)': refused with 403 {\"error\": \"no\"}\n")
  }

  @Test func `nobody there: status 1 and one line`() throws {
    let deaf = try ScriptedListener(answering: nil)
    let address = deaf.address
    let program = try Program.run(["purge", "a.example/", "--to", address])
    withExtendedLifetime(deaf) {}
    #expect(program.status == 1)
    #expect(
      program.errors
        == "larder: --to '\(address)': Connection refused, expected the admin listener of a running larder\n")
  }

  @Test func `no such socket: status 1 and one line`() throws {
    let program = try Program.run(["purge", "a.example/", "--to", "unix:/nonexistent/larder.sock"])
    #expect(program.status == 1)
    #expect(
      program.errors == """
        larder: --to 'unix:/nonexistent/larder.sock': No such file or directory, expected the admin listener \
        of a running larder

        """)
  }

  @Test(arguments: [
    [],  // closed without a byte
    ["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"],  // cut
    ["HTTP/1.1 200 OK\r\n\r\n{}"],  // no length
    ["HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}"],
    ["HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n{}"],
    ["HTTP/1.1 OK\r\nContent-Length: 2\r\n\r\n{}"],
    ["SSH-2.0-OpenSSH_9.2\r\n"],
    ["\r\n\r\n"],
  ])
  func `something else than an admin listener: status 1 and one line`(_ pieces: [String]) throws {
    let listener = try ScriptedListener(answering: pieces)
    let program = try Program.run(["purge", "a.example/", "--to", listener.address])
    #expect(program.status == 1)
    #expect(program.output == "")
    #expect(
      program.errors
        == "larder: --to '\(listener.address)': the answer is not that of an admin listener\n")
  }
}
