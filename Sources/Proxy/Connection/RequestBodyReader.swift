import Bytes
import HTTP

/// Where the reading of a request's body stands.
enum RequestBodyReader {
  case none
  case length(remaining: Int)
  case chunked(ChunkedDecoder)
  case ended

  init(_ framing: BodyFraming) {
    switch framing {
    case .none, .untilClose: self = .none
    case .length(let count): self = count == 0 ? .none : .length(remaining: count)
    case .chunked: self = .chunked(ChunkedDecoder())
    }
  }

  var isDone: Bool {
    switch self {
    case .none, .ended: true
    case .length, .chunked: false
    }
  }
}
