import Bytes
import HTTP

/// What a parse made of an input, in values that can be compared.
struct ResponseResult: Equatable {
  var error: ResponseError?
  var position = 0
  var isComplete = false
  var status: UInt16 = 0
  var reason: [UInt8] = []
  var framings: [BodyFraming] = []
  var keepsAlive = false
  var minorVersion: UInt8 = 0
  var lines: [[UInt8]] = []
  /// The fields as they are sent on.
  var sent: [UInt8] = []

  init(_ pieces: [Input], _ limits: HeadLimits) {
    var response = ResponseHead()
    response.begin()
    for piece in pieces {
      do {
        isComplete = try response.parse(piece.bytes, count: piece.count, limits: limits)
      } catch {
        self.error = error
        position = response.position
        return
      }
      if isComplete { break }
    }
    if isComplete { read(&response) }
  }

  private mutating func read(_ response: inout ResponseHead) {
    position = response.end
    status = response.status
    reason = octets(response.head.bytes(response.reason))
    for method in Method.allCases { framings.append(response.framing(requestMethod: method)) }
    keepsAlive = response.keepsAlive
    minorVersion = response.minorVersion
    lines = fieldLines(response.head)
    sent = fieldBytes(response.head)
    response.head.removeHopByHop()
    check(!response.head.has(.transferEncoding), "no Transfer-Encoding after removal")
  }

  var written: [UInt8] {
    Array("HTTP/1.\(minorVersion) \(status) ".utf8) + reason + [13, 10] + sent + [13, 10]
  }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzResponse(_ data: UnsafeRawPointer?, _ count: Int) -> CInt {
  let whole = Input(data, count)
  defer { whole.free() }
  let expected = ResponseResult([whole], whole.limits)
  for cut in whole.cuts {
    let pieces = [whole.prefix(cut), whole]
    check(ResponseResult(pieces, whole.limits) == expected, "a split changes nothing")
    pieces[0].free()
  }
  if count < 200 {
    let drip = (0...count).map { whole.prefix($0) }
    check(ResponseResult(drip, whole.limits) == expected, "arriving byte by byte changes nothing")
    for piece in drip { piece.free() }
  }
  if expected.isComplete {
    let bytes = expected.written
    let copy = bytes.withUnsafeBytes { Input($0.baseAddress, $0.count) }
    // Written again it may be longer: whitespace is put where there was none.
    var again = ResponseResult([copy], HeadLimits(headBytes: 1 << 20))
    again.position = expected.position
    check(again == expected, "what was parsed and is written again parses to the same")
    copy.free()
  }
  return 0
}
