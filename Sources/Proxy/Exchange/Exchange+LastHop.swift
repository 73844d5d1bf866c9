import Bytes
import Caching
import HTTP

/// `Max-Forwards` of OPTIONS and TRACE, RFC 9110 §7.6.2.
extension Exchange {
  /// How often this request may be forwarded; `nil`: it does not say, or it is not a method that may.
  var hopsLeft: Int? {
    guard request.method == .options || request.method == .trace else { return nil }
    return request.head.withValue(of: .maxForwards) { $0.decimal } ?? nil
  }

  /// We are the request's destination.
  func answerLastHop() {
    decision = .bypass(.method)
    guard request.method == .trace else {
      return deliverOwn(
        status: 200, body: [], extra: "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE\r\n")
    }
    deliverOwn(status: 200, body: traceBody, contentType: "message/http")
  }

  /// The request as received, without what a page's script must not learn (RFC 9110 §9.3.8).
  private var traceBody: [UInt8] {
    var text = OutputBuffer(capacity: 1024)
    let lineEnd = request.head.message.firstIndex(of: .lineFeed) ?? 0
    request.head.withBytes(ByteRange(0, lineEnd + 1)) { text.append($0) }
    var seen = Head()
    seen.copy(from: request.head)
    seen.remove(FieldSet(.authorization, .proxyAuthorization, .cookie))
    seen.write(to: &text)
    text.append("\r\n")
    return text.bytes.array
  }
}
