/// Amounts as people write them on a command line: a whole number and a unit, nothing between them.
enum Quantity {
  static let millisecond = 1
  static let second = 1000
  static let minute = 60 * second
  static let hour = 60 * minute
  static let day = 24 * hour

  static let kibibyte = 1 << 10
  static let mebibyte = 1 << 20
  static let gibibyte = 1 << 30
  static let tebibyte = 1 << 40

  /// Bytes that `text` names: `512MiB`, `512m`, `64k`, `65536`. All units count in powers of 1024. `64kB` and
  /// `64MB` are refused, since half the world means 1000 by them.
  static func bytes(_ text: String) -> Int? {
    amount(text) { unit in
      switch unit.lowercased() {
      case "", "b": 1
      case "k", "kib": kibibyte
      case "m", "mib": mebibyte
      case "g", "gib": gibibyte
      case "t", "tib": tebibyte
      default: nil
      }
    }
  }

  /// Milliseconds that `text` names: `500ms`, `90s`, `10m`, `2h`, `1d`; a plain number counts seconds.
  static func milliseconds(_ text: String) -> Int? {
    amount(text) { unit in
      switch unit {
      case "ms": millisecond
      case "", "s": second
      case "m": minute
      case "h": hour
      case "d": day
      default: nil
      }
    }
  }

  /// The shortest exact spelling that `bytes(_:)` reads back.
  static func describe(bytes: Int) -> String {
    let units = [("TiB", tebibyte), ("GiB", gibibyte), ("MiB", mebibyte), ("KiB", kibibyte)]
    for (name, size) in units where bytes != 0 && bytes % size == 0 { return "\(bytes / size)\(name)" }
    return "\(bytes)"
  }

  /// An exact spelling that `milliseconds(_:)` reads back. Larger units than seconds are used from two of
  /// them on: `60s`, but `10m`.
  static func describe(milliseconds: Int) -> String {
    for (name, size) in [("d", day), ("h", hour), ("m", minute)]
    where milliseconds % size == 0 && milliseconds / size >= 2 {
      return "\(milliseconds / size)\(name)"
    }
    return milliseconds % second == 0 ? "\(milliseconds / second)s" : "\(milliseconds)ms"
  }

  private static func amount(_ text: String, factor: (Substring) -> Int?) -> Int? {
    let digits = text.utf8.prefix { $0 >= 48 && $0 <= 57 }
    guard let number = Int(Substring(digits)), let factor = factor(text[digits.endIndex...]) else {
      return nil
    }
    let (product, overflow) = number.multipliedReportingOverflow(by: factor)
    return overflow ? nil : product
  }
}
