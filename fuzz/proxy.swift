import Bytes
import HTTP

private enum Outcome: Equatable {
  case incomplete
  case complete(ProxyHeader)
  case refused(ProxyHeaderError)

  init(_ input: Input) {
    do {
      let header = try ProxyHeader.parse(Span(_unsafeStart: input.bytes, count: input.count))
      self = header.map { .complete($0) } ?? .incomplete
    } catch {
      self = .refused(error)
    }
  }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzProxy(_ data: UnsafeRawPointer?, _ count: Int) -> CInt {
  let whole = Input(data, count)
  defer { whole.free() }
  let expected = Outcome(whole)
  if case .complete(let header) = expected {
    check(header.end > 0 && header.end <= count, "the header ends within what has arrived")
    check(header.end <= max(ProxyHeader.lineLimit, 16 + ProxyHeader.lengthLimit), "a header is bounded")
  }
  var isDecided = false
  for size in 0..<count {
    let part = whole.prefix(size)
    defer { part.free() }
    let outcome = Outcome(part)
    if isDecided || outcome != .incomplete { check(outcome == expected, "more bytes change nothing") }
    isDecided = outcome != .incomplete
    if case .complete(let header) = expected {
      check(isDecided == (size >= header.end), "it is complete with its last byte")
    }
  }
  return 0
}
