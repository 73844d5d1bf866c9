import Bytes

extension KnownField {
  /// The known field that `name` is, case ignored; `.other` for any other name.
  public static func identify(_ name: Span<UInt8>) -> KnownField {
    for field in allCases where field != .other && name.count == field.name.utf8CodeUnitCount {
      if matches(name, field.name) { return field }
    }
    return .other
  }

  private static func matches(_ name: Span<UInt8>, _ known: StaticString) -> Bool {
    // SAFETY: the lengths are equal, and a static string's bytes live as long as the program.
    let other = unsafe known.utf8Start
    for i in name.indices where unsafe name[i].lowered != other[i].lowered { return false }
    return true
  }
}
