import Storage
import TestSupport
import Testing

@Suite("larder cache")
struct CacheCommandTests {
  private func store(_ path: String) throws -> StoreDirectory {
    try StoreDirectory.open(path, levels: .default, keyVersion: 1, keyTemplate: 0)
  }

  private func put(_ bytes: [UInt8], at path: String, in directory: StoreDirectory) {
    let system = directory.system
    for folder in ["0", "0/00"] { _ = system.makeDirectory(folder, in: directory.descriptor) }
    let file = system.open(path, in: directory.descriptor, flags: 0o102)
    let written = system.writeFully(file, bytes.span, at: 0)
    #expect(written == 0)
    system.close(file)
  }

  @Test func `a bad file: a line for it, one that sums up, status 1, and repairing takes it away`() throws {
    let home = try TestFolder()
    let name = "0/00/" + String(repeating: "0", count: 64)
    do {
      let directory = try store(home.path)
      put([1, 2, 3], at: name, in: directory)
    }
    let found = try Program.run(["cache", "verify", home.path])
    #expect(found.status == 1)
    #expect(found.output == "\(name): is not as long as it says\n1 files, 0 bytes sound, 1 bad\n")
    #expect(found.errors == "larder: 1 bad files are left\n")
    let repaired = try Program.run(["cache", "verify", home.path, "--repair"])
    #expect(repaired.status == 0)
    #expect(repaired.output.hasSuffix("\(name): removed\n1 files, 0 bytes sound, 0 bad, 1 removed\n"))
    let clean = try Program.run(["cache", "verify", home.path])
    #expect(clean.status == 0)
    #expect(clean.output == "0 files, 0 bytes sound, 0 bad\n")
  }

  @Test func `a directory that a server holds, or that is none: status 1 and one line`() throws {
    let home = try TestFolder()
    let none = try Program.run(["cache", "verify", home.path])
    #expect(none.status == 1)
    #expect(none.errors == "larder: \(home.path) is no cache directory: it has no readable store.meta\n")
    let held = try store(home.path)
    let listener = try ScriptedListener(answering: nil)
    let refused = try Program.run(["cache", "verify", home.path, "--admin", listener.address])
    #expect(refused.status == 1)
    #expect(
      refused.errors == """
        larder: the cache directory \(home.path) is in use by another process; \
        --admin '\(listener.address)': Connection refused, \
        expected the admin listener of a running larder\n
        """)
    let other = try ScriptedListener(answering: [answer(#"{"directory": "/srv/other", "next": null}"#)])
    let elsewhere = try Program.run(["cache", "ls", home.path, "--admin", other.address])
    withExtendedLifetime(held) {}
    #expect(elsewhere.status == 1)
    #expect(
      elsewhere.errors == """
        larder: the cache directory \(home.path) is in use by another process, \
        which is not that behind --admin: it serves /srv/other\n
        """)
    let missing = try Program.run(["cache", "verify", "/nonexistent/cache"])
    #expect(missing.status == 1)
    #expect(missing.errors == "larder: cannot open /nonexistent/cache: No such file or directory\n")
  }

  private func answer(_ body: String, _ status: String = "200 OK") -> String {
    "HTTP/1.1 \(status)\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
  }

  @Test func `without a directory the server is asked, with the token and an encoded pattern`() throws {
    let json = #"{"directory": "/srv/cache", "entries": [], "unusable": 2, "complete": false, "next": null}"#
    let listener = try ScriptedListener(answering: [answer(json)])
    let program = try Program.run([
      "cache", "ls", "--url", "http://a.example/x?y=1&z=*", "--admin", listener.address, "--admin-token",
      "s3cret",
    ])
    #expect(program.status == 0)
    #expect(program.output == "key  size  status  age  time left  hits  tier  file\n")
    #expect(
      program.errors == """
        larder: 2 files cannot be used; larder cache verify says why
        larder: the server has not seen all files of the directory yet: some may be missing\n
        """)
    #expect(
      listener.request() == """
        GET /cache?url=http%3A%2F%2Fa.example%2Fx%3Fy%3D1%26z%3D%2A&cursor=0 HTTP/1.1\r
        Host: \(listener.address)\r
        Connection: close\r
        Authorization: Bearer s3cret\r
        \r

        """)
  }

  @Test(arguments: ["[]", "{}", "not json", #"{"entries": []}"#])
  func `an answer that is not a page: status 1 and one line`(_ body: String) throws {
    let listener = try ScriptedListener(answering: [answer(body)])
    let program = try Program.run(["cache", "ls", "--admin", listener.address])
    #expect(program.status == 1)
    #expect(
      program.errors
        == "larder: --admin '\(listener.address)': the answer is not that of an admin listener\n")
  }

  @Test func `a command line that is not understood: status 2`() throws {
    for (arguments, message) in [
      (["cache"], "what to do is missing, expected ls, show or verify"),
      (["cache", "polish", "x"], "cache 'polish': expected ls, show or verify"),
      (
        ["cache", "show"],
        "URL is missing, expected a URL such as http://example.com/path or example.com/path"
      ),
      (
        ["cache", "show", "http:///x"],
        "URL 'http:///x': expected a URL such as http://example.com/path or example.com/path"
      ),
      (
        ["cache", "ls", "--url", "a b"],
        "--url 'a b': expected all or a URL such as http://example.com/img/*, with * for any text"
      ),
      (["cache", "ls", "x", "y"], "unexpected 'y', expected a flag such as --help"),
      (["cache", "ls", "x", "--repair"], "unexpected '--repair', expected a flag such as --help"),
      (["cache", "verify", "x", "--json"], "unexpected '--json', expected a flag such as --help"),
      (["cache", "verify", "x", "--mend"], "unknown flag --mend, expected one that --help lists"),
    ] {
      let program = try Program.run(arguments)
      #expect(program.status == 2)
      #expect(program.errors == "larder: \(message)\n")
    }
  }
}
