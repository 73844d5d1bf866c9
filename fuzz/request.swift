import Bytes
import HTTP

/// What a parse made of an input, in values that can be compared.
struct RequestResult: Equatable {
  var error: RequestError?
  var position = 0
  var isComplete = false
  var method: [UInt8] = []
  var target: [UInt8] = []
  var authority: [UInt8] = []
  var path: [UInt8] = []
  var framing = BodyFraming.none
  var flags: [Bool] = []
  var minorVersion: UInt8 = 0
  var lines: [[UInt8]] = []
  /// The fields as they are sent on.
  var sent: [UInt8] = []

  init(_ pieces: [Input], _ limits: HeadLimits) {
    var request = RequestHead()
    request.begin()
    for piece in pieces {
      do {
        isComplete = try request.parse(piece.bytes, count: piece.count, limits: limits)
      } catch {
        self.error = error
        position = request.position
        return
      }
      if isComplete { break }
    }
    if isComplete { read(&request) }
  }

  private mutating func read(_ request: inout RequestHead) {
    position = request.end
    method = octets(request.head.bytes(request.methodRange))
    target = octets(request.head.bytes(request.target))
    authority = octets(request.head.bytes(request.authority))
    path = octets(request.head.bytes(request.pathAndQuery))
    framing = request.framing
    flags = [request.keepsAlive, request.expectsContinue]
    minorVersion = request.minorVersion
    lines = fieldLines(request.head)
    sent = fieldBytes(request.head)
    request.head.removeHopByHop()
    check(!request.head.has(.connection), "no Connection after removal")
  }

  var written: [UInt8] {
    method + [32] + target + Array(" HTTP/1.".utf8) + [48 + minorVersion, 13, 10] + sent + [13, 10]
  }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzRequest(_ data: UnsafeRawPointer?, _ count: Int) -> CInt {
  let whole = Input(data, count)
  defer { whole.free() }
  let expected = RequestResult([whole], whole.limits)
  for cut in whole.cuts {
    let pieces = [whole.prefix(cut), whole]
    check(RequestResult(pieces, whole.limits) == expected, "a split changes nothing")
    pieces[0].free()
  }
  if count < 200 {
    let drip = (0...count).map { whole.prefix($0) }
    check(RequestResult(drip, whole.limits) == expected, "arriving byte by byte changes nothing")
    for piece in drip { piece.free() }
  }
  if expected.isComplete {
    let bytes = expected.written
    let copy = bytes.withUnsafeBytes { Input($0.baseAddress, $0.count) }
    // Written again it may be longer: whitespace is put where there was none.
    var again = RequestResult([copy], HeadLimits(headBytes: 1 << 20))
    again.position = expected.position
    check(again == expected, "what was parsed and is written again parses to the same")
    copy.free()
  }
  return 0
}
