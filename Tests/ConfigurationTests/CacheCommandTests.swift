import Storage
import TestSupport
import Testing

@Suite("larder cache verify")
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
    let refused = try Program.run(["cache", "verify", home.path])
    withExtendedLifetime(held) {}
    #expect(refused.status == 1)
    #expect(refused.errors == "larder: the cache directory \(home.path) is in use by another process\n")
    let missing = try Program.run(["cache", "verify", "/nonexistent/cache"])
    #expect(missing.status == 1)
    #expect(missing.errors == "larder: cannot open /nonexistent/cache: No such file or directory\n")
  }

  @Test func `a command line that is not understood: status 2`() throws {
    for (arguments, message) in [
      (["cache"], "what to do is missing, expected verify"),
      (["cache", "polish", "x"], "cache 'polish': expected verify"),
      (["cache", "verify"], "the directory is missing, expected the one that serve was given with --disk"),
      (["cache", "verify", "x", "--mend"], "unknown flag --mend, expected one that --help lists"),
    ] {
      let program = try Program.run(arguments)
      #expect(program.status == 2)
      #expect(program.errors == "larder: \(message)\n")
    }
  }
}
