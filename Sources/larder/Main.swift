import Glibc

/// Nothing but the call: closures written in `main` would be bound to the main thread.
@main
struct Main {
  static func main() { exit(run(Array(CommandLine.arguments.dropFirst())).rawValue) }
}
