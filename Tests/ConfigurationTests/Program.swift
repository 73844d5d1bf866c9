import TestSupport
import Testing

/// The built program, run to its end.
struct Program {
  let status: Int32
  let output: String
  let errors: String

  static func run(_ arguments: [String]) throws -> Program {
    let process = try LarderProcess(arguments: arguments)
    let exit = try process.awaitExit()
    return Program(
      status: Int32(try #require(exit.status)), output: process.standardOutput, errors: process.standardError)
  }
}
