// larder: the program: commands, what they say, and their exit statuses. It imports Proxy for the
// configuration and for what serves, IO and Upstream for addresses, Bytes and CLinux. Nothing calls it but
// the shell.

import Glibc

/// Nothing but the call: closures written in `main` would be bound to the main thread.
@main
struct Main {
  static func main() { exit(run(Array(CommandLine.arguments.dropFirst())).rawValue) }
}
