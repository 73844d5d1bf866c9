/// A strict reader of Prometheus' text format 0.0.4: stricter than Prometheus itself, it also insists on HELP
/// and TYPE before the first sample, `_total` on counters, and histograms that add up.
struct ExpositionText {
  struct Fault: Error, Equatable { var line: Int, rule: String }

  /// Value by `name{label="text",…}` as written.
  private(set) var samples: [String: Double] = [:]
  /// Kind by family name.
  private(set) var kinds: [String: String] = [:]

  private var family = ""
  private var helped: Set<String> = []
  private var lineNumber = 0

  init(_ text: String) throws(Fault) {
    guard text.utf8.last == 10 else { throw Fault(line: 0, rule: "ends in a line feed") }
    for line in text.dropLast().split(separator: "\n", omittingEmptySubsequences: false) {
      lineNumber += 1
      try read(String(line))
    }
    for (name, kind) in kinds where kind == "histogram" { try checkHistogram(name) }
  }

  private func require(_ holds: Bool, _ rule: String) throws(Fault) {
    if !holds { throw Fault(line: lineNumber, rule: rule) }
  }

  private mutating func read(_ line: String) throws(Fault) {
    if line.hasPrefix("# HELP ") {
      let parts = line.dropFirst(7).split(separator: " ", maxSplits: 1)
      try require(parts.count == 2, "HELP has a name and a text")
      family = String(parts[0])
      try require(family.wholeMatch(of: /[a-zA-Z_:][a-zA-Z0-9_:]*/) != nil, "metric name")
      try require(helped.insert(family).inserted, "a family has one HELP and its lines are together")
    } else if line.hasPrefix("# TYPE ") {
      let parts = line.dropFirst(7).split(separator: " ")
      try require(parts.count == 2 && parts[0] == family, "TYPE follows its HELP")
      try require(["counter", "gauge", "histogram"].contains(parts[1]), "known type")
      try require(
        (parts[1] == "counter") == family.hasSuffix("_total"), "counters, and only they, end in _total")
      kinds[family] = String(parts[1])
    } else {
      try readSample(line)
    }
  }

  private mutating func readSample(_ line: String) throws(Fault) {
    let shape = /([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(.*)\})? (-?[0-9]+(?:\.[0-9]+)?)/
    guard let match = line.wholeMatch(of: shape) else { throw Fault(line: lineNumber, rule: "sample syntax") }
    let name = String(match.1)
    let isHistogram = kinds[family] == "histogram"
    let allowed = isHistogram ? ["_bucket", "_sum", "_count"].map { family + $0 } : [family]
    try require(allowed.contains(name), "a sample belongs to the family last opened")
    if let labels = match.3 { try checkLabels(String(labels)) }
    let key = String(line[..<match.4.startIndex].dropLast())
    try require(samples[key] == nil, "a label set occurs once")
    samples[key] = Double(match.4)
  }

  private func checkLabels(_ text: String) throws(Fault) {
    let label = /([a-zA-Z_][a-zA-Z0-9_]*)="(?:[^"\\\n]|\\["\\n])*"/
    var names: Set<String> = []
    var rest = Substring(text)
    while let match = rest.prefixMatch(of: label) {
      try require(names.insert(String(match.1)).inserted, "a label occurs once")
      rest = rest[match.range.upperBound...]
      if rest.isEmpty { return }
      try require(rest.removeFirst() == ",", "labels are parted by commas")
    }
    throw Fault(line: lineNumber, rule: "label syntax")
  }

  private func checkHistogram(_ name: String) throws(Fault) {
    let buckets = samples.compactMap { key, value -> (bound: Double, count: Double)? in
      guard let match = key.wholeMatch(of: /(.*)_bucket\{le="(.*)"\}/), match.1 == name else { return nil }
      return (match.2 == "+Inf" ? .infinity : Double(match.2) ?? .nan, value)
    }.sorted { $0.bound < $1.bound }
    try require(buckets.last?.bound == .infinity, "the last bucket is +Inf")
    try require(
      zip(buckets, buckets.dropFirst()).allSatisfy { $0.count <= $1.count }, "buckets are cumulative")
    try require(samples[name + "_count"] == buckets.last?.count, "the count is the last bucket")
    try require(samples[name + "_sum"] != nil, "a histogram has a sum")
  }
}
