/// What a flag has besides its value: name, where help lists it, and what help says.
struct OptionText: Sendable {
  let name: String
  let placeholder: String
  let group: String
  let summary: String

  init(_ name: String, _ placeholder: String, in group: String, _ summary: String) {
    self.name = name
    self.placeholder = placeholder
    self.group = group
    self.summary = summary
  }
}

typealias OptionField<Target, Value> = WritableKeyPath<Target, Value> & Sendable

/// The kinds of values that flags take, each with its reader, its writer and its words for an error.
extension Option {
  private init(
    _ text: OptionText, _ arity: OptionArity, expected: String,
    apply: @escaping @Sendable (inout Target, [String]) throws(Rejection) -> Void,
    values: @escaping @Sendable (Target) -> [String]
  ) {
    self.init(
      name: text.name, placeholder: text.placeholder, arity: arity, group: text.group, summary: text.summary,
      expected: expected, apply: apply, values: values)
  }

  /// A value read by `read`, which says why it refuses.
  static func value<Value>(
    _ text: OptionText, _ field: OptionField<Target, Value>, expected: String,
    read: @escaping @Sendable (String) throws(Rejection) -> Value,
    write: @escaping @Sendable (Value) -> String
  ) -> Option {
    Option(
      text, .once, expected: expected,
      apply: { (target: inout Target, given: [String]) throws(Rejection) in
        target[keyPath: field] = try read(given[0])
      },
      values: { [write($0[keyPath: field])] })
  }

  /// Any number of values, which replace the default. The word `empty`, if there is one, stands for none.
  static func list<Value>(
    _ text: OptionText, _ field: OptionField<Target, [Value]>, expected: String, empty: String?,
    read: @escaping @Sendable (String) throws(Rejection) -> Value,
    write: @escaping @Sendable (Value) -> String
  ) -> Option {
    Option(
      text, .repeatable, expected: expected,
      apply: { (target: inout Target, given: [String]) throws(Rejection) in
        var list: [Value] = []
        for text in given where text != empty { list.append(try read(text)) }
        if let empty, !list.isEmpty, list.count < given.count {
          throw Rejection(empty, expected: "no other value beside it")
        }
        target[keyPath: field] = list
      },
      values: { target in
        let list = target[keyPath: field]
        if list.isEmpty, let empty { return [empty] }
        return list.map(write)
      })
  }

  /// A number of things, in digits.
  static func count(_ text: OptionText, _ field: OptionField<Target, Int>, _ range: ClosedRange<Int>)
    -> Option
  {
    value(
      text, field, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)",
      read: { (given: String) throws(Rejection) in try number(given, in: range) }, write: { "\($0)" })
  }

  /// As above, or `off`.
  static func optionalCount(
    _ text: OptionText, _ field: OptionField<Target, Int?>, _ range: ClosedRange<Int>
  ) -> Option {
    value(
      text, field, expected: "off or a whole number from \(range.lowerBound) to \(range.upperBound)",
      read: { (given: String) throws(Rejection) in given == "off" ? nil : try number(given, in: range) },
      write: { $0.map { "\($0)" } ?? "off" })
  }

  private static func number(_ given: String, in range: ClosedRange<Int>) throws(Rejection) -> Int {
    guard given.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }), let number = Int(given), range ~= number else {
      throw Rejection(given)
    }
    return number
  }

  /// A number of bytes.
  static func size(_ text: OptionText, _ field: OptionField<Target, Int>, _ range: ClosedRange<Int>) -> Option
  {
    let lowest = Quantity.describe(bytes: range.lowerBound)
    let highest = Quantity.describe(bytes: range.upperBound)
    return value(
      text, field, expected: "a size from \(lowest) to \(highest), as in 512MiB, 64k or 1048576",
      read: { (given: String) throws(Rejection) in
        guard let bytes = Quantity.bytes(given), range ~= bytes else { throw Rejection(given) }
        return bytes
      },
      write: Quantity.describe(bytes:))
  }

  /// A time-out, kept in milliseconds.
  static func duration(_ text: OptionText, _ field: OptionField<Target, Int>, _ range: ClosedRange<Int>)
    -> Option
  {
    let lowest = Quantity.describe(milliseconds: range.lowerBound)
    let highest = Quantity.describe(milliseconds: range.upperBound)
    return value(
      text, field, expected: "a duration from \(lowest) to \(highest), as in 500ms, 90s or 10m",
      read: { (given: String) throws(Rejection) in
        guard let milliseconds = Quantity.milliseconds(given), range ~= milliseconds else {
          throw Rejection(given)
        }
        return milliseconds
      },
      write: Quantity.describe(milliseconds:))
  }

  /// A lifetime of something stored, kept in seconds: HTTP counts ages in no smaller unit (RFC 9111 §1.2.2).
  static func lifetime(_ text: OptionText, _ field: OptionField<Target, Int>) -> Option {
    value(
      text, field, expected: Lifetime.expected, read: Lifetime.read,
      write: { Quantity.describe(milliseconds: $0 * 1000) })
  }

  /// As above, or `none`.
  static func optionalLifetime(_ text: OptionText, _ field: OptionField<Target, Int?>) -> Option {
    value(
      text, field, expected: Lifetime.expected + ", or none",
      read: { (given: String) throws(Rejection) in given == "none" ? nil : try Lifetime.read(given) },
      write: { $0.map { Quantity.describe(milliseconds: $0 * 1000) } ?? "none" })
  }

  /// `--flag`, `--flag=on`, `--flag=off`.
  static func toggle(_ text: OptionText, _ field: OptionField<Target, Bool>) -> Option {
    Option(
      text, .toggle, expected: "on or off",
      apply: { (target: inout Target, given: [String]) throws(Rejection) in
        guard given[0] == "on" || given[0] == "off" else { throw Rejection(given[0]) }
        target[keyPath: field] = given[0] == "on"
      },
      values: { [$0[keyPath: field] ? "on" : "off"] })
  }
}

private enum Lifetime {
  static let longestDays = 3650
  static let expected = "a duration of whole seconds up to \(longestDays)d, as in 90s, 10m or 1d"

  static func read(_ given: String) throws(Rejection) -> Int {
    guard let milliseconds = Quantity.milliseconds(given), milliseconds % Quantity.second == 0,
      milliseconds <= longestDays * Quantity.day
    else { throw Rejection(given) }
    return milliseconds / Quantity.second
  }
}
