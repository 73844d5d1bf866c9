import Bytes

/// Canonical URLs (L7) that somebody means: one, or with `*`, which stands for any characters, also `/`, all
/// that are alike. A scheme in front says nothing, for the canonical URL has none.
public struct URLPattern: Equatable, Sendable {
  private let bytes: [UInt8]

  /// - Parameter text: As `http://shop.example/img/*`, `shop.example/img/*` or `*.png`.
  /// - Returns: `nil`: it is empty, or no URL could match it.
  public init?(_ text: String) {
    let given = Array(text.utf8)
    guard !given.isEmpty, given.allSatisfy({ $0 > .space && $0 < 127 }) else { return nil }
    var rest = given[...]
    for prefix in ["http://", "https://", "//"] where text.lowercased().hasPrefix(prefix) {
      rest = given.dropFirst(prefix.utf8.count)
      break
    }
    let host = rest.prefix { $0 != .slash }
    if host.contains(UInt8(ascii: "*")) {
      bytes =
        host.map { UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0 ? $0 | 0x20 : $0 } + rest[host.endIndex...]
    } else if let url = canonicalURL(from: given.span) {
      bytes = url
    } else {
      return nil
    }
  }

  /// Takes time in proportion to both lengths at worst; does not recurse.
  public func matches(_ url: Span<UInt8>) -> Bool {
    var at = 0
    var i = 0
    // Where the last star stands, and the first byte of `url` that it does not cover.
    var star: (at: Int, covered: Int)?
    while i < url.count {
      if at < bytes.count, bytes[at] == UInt8(ascii: "*") {
        star = (at, i)
        at += 1
      } else if at < bytes.count, bytes[at] == url[i] {
        at += 1
        i += 1
      } else if let last = star {
        star = (last.at, last.covered + 1)
        at = last.at + 1
        i = last.covered + 1
      } else {
        return false
      }
    }
    return bytes[at...].allSatisfy { $0 == UInt8(ascii: "*") }
  }
}
