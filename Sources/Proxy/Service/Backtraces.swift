import Glibc

/// A crash prints where it happened: Swift's runtime runs a program for that, which it must be told of before
/// the process begins.
enum Backtraces {
  private static let variable = "SWIFT_BACKTRACE"
  /// What the runtime's own programs are called; the release build has it beside it.
  private static let program = "swift-backtrace-static"

  /// For children begun from now on, from `path`. What the operator has set stays.
  static func configure(programAt path: String) {
    // Never a question to a terminal, never more than the thread that crashed.
    var settings = "enable=yes,color=no,interactive=no,threads=crashed,registers=none,images=none"
    let beside = path.split(separator: "/").dropLast().map { "/\($0)" }.joined() + "/\(program)"
    if unsafe access(beside, X_OK) == 0 { settings += ",swift-backtrace=\(beside)" }
    unsafe setenv(variable, settings, 0)
  }
}
