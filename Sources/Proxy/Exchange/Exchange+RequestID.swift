import Bytes
import HTTP

/// The request's id, by which its line in our log and in the origin's are found. The client's own
/// `X-Request-Id`, whoever the client is, since nothing is decided by it; else one that we make.
extension Exchange {
  /// Longest id that is taken, in bytes.
  private static let requestIDLimit = 128

  func writeRequestID(to output: inout OutputBuffer) {
    let wasTaken = request.head.count(of: .xRequestID) == 1 && takeRequestID(to: &output)
    if wasTaken { return }
    let made = madeRequestID ?? worker.makeID()
    madeRequestID = made
    output.append(hex: made.high)
    output.append(hex: made.low)
  }

  private func takeRequestID(to output: inout OutputBuffer) -> Bool {
    request.head.withValue(of: .xRequestID) { value in
      guard isWellFormed(value) else { return false }
      output.append(value)
      return true
    } ?? false
  }

  /// Letters, digits and `-._~+/=:`: nothing that a log, a shell or a query would read as more than a word.
  private func isWellFormed(_ value: Span<UInt8>) -> Bool {
    guard !value.isEmpty, value.count <= Self.requestIDLimit else { return false }
    for i in value.indices {
      switch value[i] {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: ":"), UInt8(ascii: "-")...UInt8(ascii: "/"), UInt8(ascii: "_"),
        UInt8(ascii: "~"), UInt8(ascii: "+"), UInt8(ascii: "="):
        break
      default: return false
      }
    }
    return true
  }
}
