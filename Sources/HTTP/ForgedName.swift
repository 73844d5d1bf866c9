import Bytes

/// Names by which a client could say what only the request line, or a proxy before us, may say.
public enum ForgedName {
  /// A known field's name with `_` for `-`: in the variables of CGI and its heirs the two are one
  /// (RFC 3875 §4.1.18), so that a server would read this as the field that we state or check.
  public static func isLookalike(_ name: Span<UInt8>) -> Bool {
    guard name.count <= 19, name.firstIndex(of: UInt8(ascii: "_")) != nil else { return false }
    var copy = InlineArray<19, UInt8>(repeating: 0)
    for i in name.indices { copy[i] = folded(name[i]) }
    return KnownField.identify(copy.span.extracting(0..<name.count)) != .other
  }

  /// `X-Forwarded-…` of any kind and `X-Real-IP`: who asked, and how, before the request came here.
  public static func isForwarding(_ name: Span<UInt8>) -> Bool {
    starts(name, with: "x-forwarded") || name.count == 9 && starts(name, with: "x-real-ip")
  }

  /// Frameworks take the request's method from these.
  public static func isMethodOverride(_ name: Span<UInt8>) -> Bool {
    switch name.count {
    case 13: starts(name, with: "x-http-method")
    case 17: starts(name, with: "x-method-override")
    case 22: starts(name, with: "x-http-method-override")
    default: false
    }
  }

  private static func starts(_ name: Span<UInt8>, with text: StaticString) -> Bool {
    let count = text.utf8CodeUnitCount
    guard name.count >= count else { return false }
    // SAFETY: a static string's bytes live as long as the program.
    for i in 0..<count where unsafe folded(name[i]) != text.utf8Start[i] { return false }
    return true
  }

  private static func folded(_ byte: UInt8) -> UInt8 {
    byte == UInt8(ascii: "_") ? .dash : byte.lowered
  }
}
