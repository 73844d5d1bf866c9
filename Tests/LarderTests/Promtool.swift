import Foundation
import TestSupport

/// `promtool check metrics`, which reads standard input.
func promtool(_ metrics: [UInt8]) throws -> (status: Int?, said: String) {
  let file = NSTemporaryDirectory() + "larder-metrics-\(UUID().uuidString)"
  try Data(metrics).write(to: URL(fileURLWithPath: file))
  defer { try? FileManager.default.removeItem(atPath: file) }
  let process = try LarderProcess(
    program: "/bin/sh", arguments: ["-c", "exec promtool check metrics <\(file)"])
  let exit = try process.awaitExit()
  return (exit.status, process.standardOutput + process.standardError)
}
