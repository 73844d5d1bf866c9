import Bytes
import Caching
import HTTP
import Testing

/// 2025-06-15 12:00:00 UTC, the wall clock of these tests.
let noon: Int64 = 1_749_988_800

func octets(_ text: String) -> [UInt8] { Array(text.utf8) }

func text(_ bytes: Span<UInt8>) -> String {
  var copied: [UInt8] = []
  for i in bytes.indices { copied.append(bytes[i]) }
  return String(decoding: copied, as: UTF8.self)
}

/// What `body` writes.
func written(_ body: (inout OutputBuffer) -> Void) -> String {
  var output = OutputBuffer(capacity: 16)
  body(&output)
  return text(output.bytes)
}

/// An HTTP date so many seconds from `noon`.
func date(_ offset: Int64) -> String { written { HTTPDate.write(noon + offset, to: &$0) } }

/// Calls `body` with the parsed head of a response with these field lines.
func withResponse<Result>(
  _ fields: [String], status: Int = 200, _ body: (borrowing Head) throws -> Result
) throws -> Result {
  let bytes = octets("HTTP/1.1 \(status) X\r\n" + fields.map { $0 + "\r\n" }.joined() + "\r\n")
  var response = ResponseHead()
  return try unsafe bytes.withUnsafeBufferPointer { bytes in
    // SAFETY: the bytes stay in place while `body` runs.
    try #require(unsafe response.parse(bytes.baseAddress!, count: bytes.count))
    response.head.removeHopByHop()
    return try body(response.head)
  }
}

/// Calls `body` with a parsed request; `lines` has the request line and the field lines.
func withRequest<Result>(
  _ lines: String..., body: (borrowing RequestHead) throws -> Result
) throws -> Result {
  try withRequest(lines, body: body)
}

func withRequest<Result>(
  _ lines: [String], body: (borrowing RequestHead) throws -> Result
) throws -> Result {
  let bytes = octets(lines.map { $0 + "\r\n" }.joined() + "\r\n")
  var request = RequestHead()
  return try unsafe bytes.withUnsafeBufferPointer { bytes in
    // SAFETY: the bytes stay in place while `body` runs.
    try #require(unsafe request.parse(bytes.baseAddress!, count: bytes.count))
    return try body(request)
  }
}

/// A GET of `/` on `example.com` with these field lines.
func withFields<Result>(_ fields: [String], body: (borrowing Head) throws -> Result) throws -> Result {
  try withRequest(["GET / HTTP/1.1", "Host: example.com"] + fields) { try body($0.head) }
}

/// The verdict on a response that arrives at `noon`, by a wall clock that has jumped so many seconds.
func judge(
  _ fields: [String], status: Int = 200, method: HTTP.Method = .get, request: RequestTraits = [],
  delay: Int64 = 0, jump: Int64 = 0, options: CachingOptions = CachingOptions()
) throws -> Storability {
  try withResponse(fields, status: status) { response in
    storability(
      method: method, request: request, status: UInt16(status), response: response,
      directives: .parse(from: response), requestTime: noon - delay, responseTime: noon,
      wallTime: noon + jump, options: options)
  }
}
