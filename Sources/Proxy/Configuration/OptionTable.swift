/// One flag of a command: how it is spelled, what it takes, and what it changes in `Target`. Parsing,
/// `--help` and `check --print` all read this, so that none can forget a flag or contradict another.
public struct Option<Target: Sendable>: Sendable {
  /// Without the dashes.
  let name: String
  /// What stands for the value in help: `ADDR`.
  let placeholder: String
  let arity: OptionArity
  /// The heading under which help lists it.
  let group: String
  let summary: String
  /// What a good value is, to follow "expected" in a message.
  let expected: String
  /// Puts the values that were given, at least one, into the target.
  let apply: @Sendable (inout Target, [String]) throws(Rejection) -> Void
  /// The values in effect, in the form that `apply` takes.
  let values: @Sendable (Target) -> [String]
}

/// How often a flag may be given, and with what.
enum OptionArity: Sendable {
  case once
  case repeatable
  /// Stands alone for "on"; a value can only follow an equals sign.
  case toggle
}

/// A value that an option does not take. Without `expected` the option's own words say why.
struct Rejection: Error {
  let value: String
  var expected: String?

  init(_ value: String, expected: String? = nil) {
    self.value = value
    self.expected = expected
  }
}

/// The flags of one command.
public struct OptionTable<Target: Sendable>: Sendable {
  let options: [Option<Target>]

  init(_ options: [Option<Target>]) { self.options = options }

  /// Reads `--flag value` and `--flag=value` into `target`. Flags that are not named leave it as it was.
  ///
  /// - Parameter operandLimit: How many arguments may stand without a flag.
  /// - Returns: The names given, without dashes, and the operands.
  func apply(
    _ arguments: [String], to target: inout Target, operandLimit: Int = 0
  ) throws(UsageError) -> (given: Set<String>, operands: [String]) {
    var found = Arguments()
    var next = 0
    while next < arguments.count {
      next += try take(arguments[next...], into: &found, operandLimit: operandLimit)
    }
    for option in options {
      guard let values = found.values[option.name] else { continue }
      do {
        try option.apply(&target, values)
      } catch {
        throw .badValue(
          flag: "--\(option.name)", value: error.value, expected: error.expected ?? option.expected)
      }
    }
    return (Set(found.values.keys), found.operands)
  }

  /// Every value in effect as a flag, one a line, quoted for a shell where it needs to be.
  public func lines(for target: Target) -> [String] {
    options.flatMap { option in
      option.values(target).map { "--\(option.name)=\(shellQuoted($0))" }
    }
  }

  private struct Arguments {
    /// By flag, in the order given.
    var values: [String: [String]] = [:]
    var operands: [String] = []
  }

  /// Takes the first of `rest`, with its value if that is an argument of its own.
  ///
  /// - Returns: The number of arguments taken, 1 or 2.
  private func take(
    _ rest: ArraySlice<String>, into found: inout Arguments, operandLimit: Int
  ) throws(UsageError) -> Int {
    let argument = rest[rest.startIndex]
    guard argument.hasPrefix("-"), argument != "-" else {
      guard found.operands.count < operandLimit else { throw .unexpectedArgument(argument) }
      found.operands.append(argument)
      return 1
    }
    let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    let option = try option(spelled: String(parts[0]))
    var value = parts.count == 2 ? String(parts[1]) : nil
    if value == nil, option.arity == .toggle { value = "on" }
    let isSeparate = value == nil
    guard let value = value ?? rest.dropFirst().first, !isSeparate || !value.hasPrefix("--") else {
      throw .missingValue(flag: argument, expected: option.expected)
    }
    if option.arity != .repeatable, let first = found.values[option.name]?.first {
      throw .repeated(flag: "--\(option.name)", value: value, first: first)
    }
    found.values[option.name, default: []].append(value)
    return isSeparate ? 2 : 1
  }

  private func option(spelled flag: String) throws(UsageError) -> Option<Target> {
    if flag.hasPrefix("--"), let option = options.first(where: { $0.name == flag.dropFirst(2) }) {
      return option
    }
    let wanted = flag.drop { $0 == "-" }
    let nearest = Suggestion.nearest(to: String(wanted), among: options.map(\.name))
    throw .unknownFlag(flag, nearest: nearest.map { "--\($0)" })
  }
}

/// `text` as one word of a POSIX shell (XCU §2.2.2).
private func shellQuoted(_ text: String) -> String {
  let isPlain = text.utf8.allSatisfy { byte in
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
    case UInt8(ascii: "0")...UInt8(ascii: "9"): true
    default: "-_.,:/@%+=".utf8.contains(byte)
    }
  }
  if isPlain { return text }
  return "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
}
