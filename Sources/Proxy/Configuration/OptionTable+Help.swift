extension OptionTable {
  /// The flags for people: a heading per group, a summary per flag, and the value that `defaults` has.
  ///
  /// - Returns: Lines of at most 100 columns, each ended by a line feed.
  public func help(defaults: Target) -> String {
    var text = ""
    var group: String?
    for option in options {
      if option.group != group {
        text += "\n\(option.group):\n"
        group = option.group
      }
      text += entry(for: option, defaults: defaults)
    }
    return text
  }

  private func entry(for option: Option<Target>, defaults: Target) -> String {
    let indent = 28
    let spelling = option.arity == .toggle ? "--\(option.name)" : "--\(option.name) \(option.placeholder)"
    let values = option.values(defaults)
    let repeats = option.arity == .repeatable ? " May be given several times." : ""
    let isPlain = values.isEmpty || option.arity == .toggle
    let byDefault = isPlain ? "" : " Default: \(values.joined(separator: ", "))."
    let lines = wrapped(option.summary + repeats + byDefault, width: 100 - indent)
    var text = "  \(spelling)"
    // A spelling that reaches into the summaries has a line of its own.
    if text.utf8.count + 1 >= indent {
      text += "\n" + spaces(indent)
    } else {
      text += spaces(indent - text.utf8.count)
    }
    return text + lines.joined(separator: "\n" + spaces(indent)) + "\n"
  }

  private func spaces(_ count: Int) -> String { String(repeating: " ", count: count) }

  private func wrapped(_ text: String, width: Int) -> [String] {
    var lines: [String] = []
    var line = ""
    for word in text.split(separator: " ") {
      if !line.isEmpty, line.utf8.count + 1 + word.utf8.count > width {
        lines.append(line)
        line = ""
      }
      line += line.isEmpty ? String(word) : " \(word)"
    }
    return lines + [line]
  }
}
