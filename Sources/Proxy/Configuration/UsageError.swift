/// Why a command line was refused: exit status 2.
public enum UsageError: Error, Equatable {
  case unknownFlag(String, nearest: String?)
  case missingValue(flag: String, expected: String)
  case badValue(flag: String, value: String, expected: String)
  case repeated(flag: String, value: String, first: String)
  case unexpectedArgument(String)
  case missingArgument(String, expected: String)

  /// One line that names the flag, the value and what was expected.
  public var message: String {
    switch self {
    case .unknownFlag(let flag, let nearest?): "unknown flag \(shown(flag)), did you mean \(nearest)?"
    case .unknownFlag(let flag, nil): "unknown flag \(shown(flag)), expected one that --help lists"
    case .missingValue(let flag, let expected): "\(flag) has no value, expected \(expected)"
    case .badValue(let flag, let value, let expected): "\(flag) \(quoted(value)): expected \(expected)"
    case .repeated(let flag, let value, let first):
      "\(flag) \(quoted(value)): expected to be given once, was \(quoted(first)) before"
    case .unexpectedArgument(let argument): "unexpected \(quoted(argument)), expected a flag such as --help"
    case .missingArgument(let name, let expected): "\(name) is missing, expected \(expected)"
    }
  }

  private func shown(_ flag: String) -> String { String(quoted(flag).dropFirst().dropLast()) }
}

/// `text` in single quotes, for a message of one line: control bytes are written out.
public func quoted(_ text: String) -> String {
  var line = "'"
  for scalar in text.unicodeScalars {
    let isControl = scalar.value < 0x20 || 0x7f...0x9f ~= scalar.value || 0x2028...0x202e ~= scalar.value
    if isControl {
      line += "\\u{\(String(scalar.value, radix: 16))}"
    } else {
      line.unicodeScalars.append(scalar)
    }
  }
  return line + "'"
}

/// The known name that somebody probably meant.
public enum Suggestion {
  /// - Returns: The name with the fewest letters inserted, removed or replaced, if they are at most a third
  ///   of its length; `nil` when nothing is that near.
  public static func nearest(to wanted: String, among names: [String]) -> String? {
    let distances = names.map { (name: $0, distance: distance(Array(wanted.utf8), Array($0.utf8))) }
    guard let best = distances.min(by: { $0.distance < $1.distance }) else { return nil }
    return best.distance <= max(1, best.name.utf8.count / 3) ? best.name : nil
  }

  /// Levenshtein's distance, row by row.
  static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var row = Array(0...b.count)
    for (i, letter) in a.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, other) in b.enumerated() {
        let replaced = diagonal + (letter == other ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(replaced, row[j] + 1, diagonal + 1)
      }
    }
    return row[b.count]
  }
}
