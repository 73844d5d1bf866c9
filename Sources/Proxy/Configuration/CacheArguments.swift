/// What `larder cache` is told.
public struct CacheArguments: Sendable, Equatable {
  public var task = CacheTask.verify
  /// The store's directory.
  public var directory = ""
  public var isRepairing = false

  public init() {}

  public static let options = OptionTable<CacheArguments>([
    .toggle(
      OptionText("repair", "", in: "Verifying", "Remove bad files, and files that were left half-written."),
      \.isRepairing)
  ])

  public static func parse(_ arguments: [String]) throws(UsageError) -> CacheArguments {
    var result = CacheArguments()
    let (_, operands) = try options.apply(arguments, to: &result, operandLimit: 2)
    let tasks = CacheTask.allCases.map(\.rawValue).joined(separator: " or ")
    guard let name = operands.first else { throw .missingArgument("what to do", expected: tasks) }
    guard let task = CacheTask(rawValue: name) else {
      throw .badValue(flag: "cache", value: name, expected: tasks)
    }
    guard operands.count == 2 else {
      throw .missingArgument("the directory", expected: "the one that serve was given with --disk")
    }
    result.task = task
    result.directory = operands[1]
    return result
  }
}

public enum CacheTask: String, Sendable, CaseIterable {
  case verify
}
