import Bytes
import Telemetry

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzJSON(_ data: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = Input(data, count)
  defer { input.free() }
  let span = Span(_unsafeStart: input.bytes, count: count)
  do throws(JSONError) {
    let json = try JSON.parse(span)
    check(json.offset >= 0 && json.offset < count, "the value lies within the text")
    checkStrings(json)
  } catch {
    check(error.offset >= 0 && error.offset <= count, "the fault lies within the text")
  }
  do throws(PurgeRequestError) {
    let purge = try PurgeRequest.parse(span)
    check(!purge.urls.isEmpty && !purge.urls.contains([]), "a purge names something")
  } catch {
    check(error.offset >= 0 && error.offset <= count, "the fault lies within the text")
  }
  return 0
}

/// A string that is written is read as the same.
private func checkStrings(_ json: JSON) {
  switch json.value {
  case .null, .bool, .number: break
  case .string(let bytes):
    var output = OutputBuffer(capacity: 64)
    output.append(jsonString: bytes.span)
    let again = try? JSON.parse(output.bytes)
    check(again?.value == .string(bytes), "a string written and read again is the same")
  case .array(let elements): for element in elements { checkStrings(element) }
  case .object(let members):
    for member in members { checkStrings(JSON(offset: member.nameOffset, value: .string(member.name))) }
    for member in members { checkStrings(member.content) }
  }
}
