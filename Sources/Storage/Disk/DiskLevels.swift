/// The folders in which a store keeps its files, as nginx's `levels`: 1 to 3, each named with 1 or 2 of the
/// last digits of the file's name.
public struct DiskLevels: Hashable, Sendable {
  /// Digits of each level, from the top: 1 to 3 numbers that are 1 or 2.
  public let digits: [UInt8]

  public static let `default` = DiskLevels(digits: [1, 2])!

  public init?(digits: [UInt8]) {
    guard (1...3).contains(digits.count), digits.allSatisfy({ $0 == 1 || $0 == 2 }) else { return nil }
    self.digits = digits
  }

  /// - Parameter text: `1:2`, `2`, `1:1:2`.
  public init(_ text: String) throws(DiskLevelsError) {
    let parts = text.utf8.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
    guard parts.count <= 3 else { throw .tooMany }
    var digits: [UInt8] = []
    for part in parts {
      guard part.count == 1, let digit = part.first, digit == 49 || digit == 50 else { throw .notOneOrTwo }
      digits.append(digit - 48)
    }
    self.digits = digits
  }

  /// As it is given on the command line.
  public var text: String { digits.map(String.init).joined(separator: ":") }

  /// The folders of a file, from the top, its last digits first: `f/e9` for a name that ends with `e9f`.
  public func folder(for name: EntryName) -> String {
    let hex = name.hex
    var end = hex.count
    var parts: [String] = []
    for count in digits {
      parts.append(String(decoding: hex[(end - Int(count))..<end], as: UTF8.self))
      end -= Int(count)
    }
    return parts.joined(separator: "/")
  }

  /// Where a file lies, from the store's directory: `f/e9/0123…e9f`.
  public func path(for name: EntryName) -> String {
    folder(for: name) + "/" + String(decoding: name.hex, as: UTF8.self)
  }
}

public enum DiskLevelsError: Error, Equatable, Sendable {
  case tooMany, notOneOrTwo

  /// What was expected, to follow "expected ".
  public var expectation: String {
    switch self {
    case .tooMany: "at most three levels, such as 1:2"
    case .notOneOrTwo: "levels of 1 or 2 digits, such as 1:2"
    }
  }
}
