import Bytes
import Caching
import HTTP

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzURL(_ data: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = Input(data, count)
  defer { input.free() }
  let bytes = Array(UnsafeBufferPointer(start: input.bytes, count: count))
  let lines = bytes.split(separator: 10, omittingEmptySubsequences: false).map { Array($0) }
  let texts = Array(lines.prefix(2))
  for text in texts { checkCanonical(text) }
  let template = lines.count > 2 ? try? KeyTemplate(String(decoding: lines[2], as: UTF8.self)) : nil
  checkKeys(texts, template ?? .standard)
  return 0
}

/// What is canonical stays so, and a request and a purge mean the same by one text.
private func checkCanonical(_ text: [UInt8]) {
  let canonical = canonicalURL(from: text.span)
  if let canonical {
    check(canonicalURL(from: canonical.span) == canonical, "canonical twice is canonical once")
  }
  withRequest(text) { request in
    var output = OutputBuffer(capacity: 64)
    writeCanonicalURL(request, to: &output)
    let written = octets(output.bytes)
    check(
      request.targetForm == .asterisk || canonicalURL(from: written.span) == written,
      "a request's is canonical")
    if request.targetForm == .absolute { check(canonical == written, "a purge finds what a request stored") }
  }
}

/// Requests that may share a response have one host, path and query.
private func checkKeys(_ texts: [[UInt8]], _ template: KeyTemplate) {
  var keys: [[UInt8]] = []
  var meanings: [[UInt8]] = []
  for text in texts {
    withRequest(text) { request in
      var key = OutputBuffer(capacity: 64)
      template.write(scheme: "http", request: request, to: &key)
      keys.append(octets(key.bytes))
      var meaning = OutputBuffer(capacity: 64)
      if template == .standard {
        writeCanonicalURL(request, to: &meaning)
      } else {
        var host = OutputBuffer(capacity: 64)
        writeCanonicalURL(request, to: &host)
        let url = octets(host.bytes)
        meaning.append(url[..<(url.firstIndex(of: 47) ?? url.count)].map { $0 })
      }
      meanings.append(octets(meaning.bytes))
    }
  }
  if keys.count == 2, keys[0] == keys[1] { check(meanings[0] == meanings[1], "one key, one resource") }
}

/// A GET for the text, if it can be a request's target.
private func withRequest(_ target: [UInt8], _ use: (borrowing RequestHead) -> Void) {
  let message = Array("GET ".utf8) + target + Array(" HTTP/1.1\r\nHost: h.test\r\nCookie: a=b\r\n\r\n".utf8)
  message.withUnsafeBufferPointer { parsed($0, use) }
}
