import Bytes
import HTTP

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzFields(_ data: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = Input(data, count)
  defer { input.free() }
  let span = Span(_unsafeStart: input.bytes, count: count)
  checkDate(span)
  checkList(span)
  let field = KnownField.identify(span)
  check(field == .other || span.equalsIgnoringCase(bytes(field.name).span), "a known field has its own name")
  return 0
}

/// A date that can be read, read again after writing, is the same moment.
private func checkDate(_ span: Span<UInt8>) {
  guard let seconds = HTTPDate.parse(span) else { return }
  var output = OutputBuffer(capacity: 29)
  HTTPDate.write(seconds, to: &output)
  check(output.count == 29, "a date has 29 bytes")
  // The leap second of the last year that can be written has no successor.
  if seconds == 253_402_300_800 { return }
  check(HTTPDate.parse(output.bytes) == seconds, "a written date reads the same")
}

/// Members lie in order, hold something, and have no whitespace around them.
private func checkList(_ span: Span<UInt8>) {
  var members = ListMembers()
  var before = 0
  while let member = members.next(in: span) {
    check(member.lower >= before && member.upper <= span.count && !member.isEmpty, "members lie in order")
    check(span.trimmed(member) == member, "members are trimmed")
    before = member.upper
  }
}

private func bytes(_ text: StaticString) -> [UInt8] {
  text.withUTF8Buffer { Array($0) }
}
