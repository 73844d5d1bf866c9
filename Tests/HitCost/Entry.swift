/// Prints what a cache hit costs the worker that serves it, as JSON; `CostTests` compares that with
/// `limits.json`. Runs the real service on loopback sockets, built as it is shipped; with an argument, it
/// writes an access log there.
@main
enum Entry {
  // Closures written here would belong to the main actor.
  static func main() { measure() }
}
