import Bytes

/// Path and query of a request to the admin listener.
struct AdminTarget {
  let path: String
  private let query: [Substring]

  init(_ target: Span<UInt8>) {
    let text = String(decoding: target.array, as: UTF8.self)
    let parts = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    path = String(parts[0])
    query = parts.count > 1 ? parts[1].split(separator: "&") : []
  }

  /// The value of the first parameter of this name, its percent-encoding undone; `nil`: there is none.
  func value(of name: String) -> String? {
    for parameter in query {
      let parts = parameter.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if parts[0] == name { return parts.count > 1 ? percentDecoded(parts[1]) : "" }
    }
    return nil
  }

  /// Page to begin with: 0 without the parameter; `nil`: it is none.
  var cursor: UInt32? { value(of: "cursor").map { UInt32($0) } ?? 0 }
}

/// RFC 3986 §2.1. What is no encoding stays as it is.
private func percentDecoded(_ text: Substring) -> String {
  var bytes: [UInt8] = []
  var rest = Array(text.utf8)[...]
  while let byte = rest.first {
    let digits = String(decoding: rest.dropFirst().prefix(2), as: UTF8.self)
    if byte == UInt8(ascii: "%"), digits.utf8.count == 2, let value = UInt8(digits, radix: 16),
      !digits.hasPrefix("+")
    {
      bytes.append(value)
      rest = rest.dropFirst(3)
    } else {
      bytes.append(byte)
      rest = rest.dropFirst()
    }
  }
  return String(decoding: bytes, as: UTF8.self)
}
