/// One place where a rule is broken.
struct Finding: CustomStringConvertible, Equatable {
  var path: String
  /// From 1; 0 when the file as a whole is meant.
  var line: Int
  var rule: String

  var description: String { "\(path):\(line): \(rule)" }
}
