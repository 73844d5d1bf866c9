import Testing

@testable import Proxy

/// Runs the built program. Status 0: done; 1: it did not work; 2: the command line was not understood.
@Suite("The program's commands")
struct ProgramTests {
  @Test func `version prints name and version`() throws {
    for arguments in [["version"], ["--version"]] {
      let program = try Program.run(arguments)
      #expect(program.status == 0)
      #expect(program.output == "larder 0.1.0\n")
      #expect(program.errors == "")
    }
  }

  @Test(arguments: [["help"], ["--help"], ["-h"], ["help", "--help"]])
  func `help lists every command`(_ arguments: [String]) throws {
    let program = try Program.run(arguments)
    #expect(program.status == 0)
    for command in ["serve", "check", "demo-origin", "purge", "upgrade", "version", "help"] {
      #expect(program.output.contains("\n  \(command) "))
    }
  }

  @Test(arguments: ["serve", "check", "demo-origin", "purge", "upgrade", "version"])
  func `each command has --help, which wins over all else`(_ command: String) throws {
    let usage = "Usage: larder \(command)"
    for arguments in [
      [command, "--help"], [command, "-h"], ["help", command], [command, "--nonsense", "--help"],
    ] {
      let program = try Program.run(arguments)
      #expect(program.status == 0)
      #expect(program.output.hasPrefix(usage))
      #expect(program.errors == "")
    }
  }

  @Test(arguments: [
    ([], "no command, expected serve, check, demo-origin, purge, cache, upgrade, version or help"),
    (["srve"], "unknown command 'srve', did you mean serve?"),
    (
      ["--listen", ":80"],
      "unknown command '--listen', expected serve, check, demo-origin, purge, cache, upgrade, version or help"
    ),
    (
      ["help", "me"],
      "unknown command 'me', expected serve, check, demo-origin, purge, cache, upgrade, version or help"
    ),
    (["version", "x"], "unexpected 'x', expected a flag such as --help"),
    (["serve", "--memry=1GiB"], "unknown flag --memry, did you mean --memory?"),
    (["serve", "--print"], "unknown flag --print, expected one that --help lists"),
    (["check", "--workers", "0"], "--workers '0': expected a whole number from 1 to 256"),
    (["check", "--print=maybe"], "--print 'maybe': expected on or off"),
    (
      ["demo-origin", "--listen", "3000"],
      "--listen '3000': expected a port after the last colon, as in 127.0.0.1:8080"
    ),
    (["demo-origin", "--backend", "a:1"], "unknown flag --backend, expected one that --help lists"),
    (["upgrade"], "the process is missing, expected either --pid N or --pid-file PATH"),
    (
      ["upgrade", "--pid=1", "--pid-file=a"],
      "the process is missing, expected either --pid N or --pid-file PATH"
    ),
    (["upgrade", "--pid", "0"], "--pid '0': expected none or the id of a process"),
    (["purge"], "URL is missing, expected a URL such as http://example.com/path or example.com/path"),
    (["purge", "/path"], "URL '/path': expected a URL such as http://example.com/path or example.com/path"),
    (
      ["purge", "http://"],
      "URL 'http://': expected a URL such as http://example.com/path or example.com/path"
    ),
    (
      ["purge", "a.example/ü"],
      "URL 'a.example/ü': expected a URL such as http://example.com/path or example.com/path"
    ),
    (["purge", "a/", "b/"], "unexpected 'b/', expected a flag such as --help"),
    (
      ["purge", "a/", "--to", "8081"],
      "--to '8081': expected a port after the last colon, as in 127.0.0.1:3000"
    ),
  ])
  func `what is not understood: status 2, one line on standard error`(_ arguments: [String], _ line: String)
    throws
  {
    let program = try Program.run(arguments)
    #expect(program.status == 2)
    #expect(program.errors == "larder: \(line)\n")
    #expect(program.output == "")
  }

  @Test func `check says that flags are good, and prints nothing else`() throws {
    let program = try Program.run(["check", "--backend", "127.0.0.1:3000", "--memory=64MiB"])
    #expect(program.status == 0)
    #expect(program.output == "larder: the flags are good\n")
    #expect(program.errors == "")
  }

  @Test func `check --print shows every flag, and takes back what it shows`() throws {
    let first = try Program.run(["check", "--print", "--key", "a 'b' $host", "--memory", "64MiB"])
    #expect(first.status == 0)
    let lines = first.output.split(separator: "\n").map(String.init)
    for option in Configuration.options.options {
      #expect(lines.contains { $0.hasPrefix("--\(option.name)=") }, "--\(option.name)")
    }
    let second = try Program.run(["check", "--print"] + lines.map(unquoted))
    #expect(second.output == first.output)
  }
}

@Suite("Help")
struct HelpTests {
  private static let help = Configuration.options.help(defaults: Configuration(machine: testMachine))

  @Test func `every flag is in it`() {
    for option in Configuration.options.options {
      #expect(Self.help.contains("\n  --\(option.name)"), "--\(option.name)")
      #expect(!option.summary.isEmpty)
    }
  }

  @Test func `no line is longer than 100 columns`() {
    for line in Self.help.split(separator: "\n") { #expect(line.utf8.count <= 100, "\(line)") }
  }

  @Test func `defaults are those of this machine`() {
    #expect(Self.help.contains("Default: 1GiB."))
    #expect(
      Self.help.contains(
        "--workers N               Threads that serve; by default one per usable core. Default: 4."))
  }

  @Test func `no two flags share a name`() {
    let names = Configuration.options.options.map(\.name)
    #expect(Set(names).count == names.count)
  }
}
