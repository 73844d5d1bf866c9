import Bytes
import HTTP

/// What the decoder made of an input that arrived in pieces.
struct ChunkedResult: Equatable {
  var error: ChunkedError?
  var body: [UInt8] = []
  /// How much of the input was consumed, when the body ended.
  var end: Int?

  init(_ pieces: [Input]) {
    var decoder = ChunkedDecoder()
    var before = 0
    for piece in pieces {
      let span = Span(_unsafeStart: piece.bytes, count: piece.count)
      var offset = 0
      pieceLoop: while true {
        let step: ChunkedStep
        do {
          step = try decoder.next(span, from: offset)
        } catch {
          self.error = error
          return
        }
        switch step {
        case .data(let range):
          check(range.lower >= offset && range.upper <= piece.count && range.count > 0, "data lies ahead")
          body += octets(span.extracting(range))
          offset = range.upper
        case .needMore(let consumed):
          check(consumed == piece.count, "all is consumed")
          break pieceLoop
        case .end(let consumed):
          check(consumed >= offset && consumed <= piece.count, "the end lies ahead")
          end = before + consumed
          return
        }
      }
      before += piece.count
    }
  }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzChunked(_ data: UnsafeRawPointer?, _ count: Int) -> CInt {
  let whole = Input(data, count)
  defer { whole.free() }
  let expected = ChunkedResult([whole])
  for cut in whole.cuts {
    let pieces = [whole.prefix(cut), whole.suffix(from: cut)]
    check(ChunkedResult(pieces) == expected, "a cut changes nothing")
    for piece in pieces { piece.free() }
  }
  let drip = (0..<count).map { Input(whole.bytes + $0, 1) }
  check(ChunkedResult(drip) == expected, "arriving byte by byte changes nothing")
  for piece in drip { piece.free() }
  return 0
}
