import Bytes
import Caching
import HTTP

/// A response's head, and behind it the request that it may answer.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzCaching(_ data: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = Input(data, count)
  defer { input.free() }
  var response = ResponseHead()
  response.begin()
  guard (try? response.parse(input.bytes, count: count)) == true, response.status >= 200 else { return 0 }
  response.head.removeHopByHop()
  let directives = ResponseDirectives.parse(from: response.head)
  let stored = serialised(response, directives)
  checkStored(stored, response, directives)
  parsed(UnsafeBufferPointer(start: input.bytes + response.end, count: count - response.end)) { request in
    checkUse(stored, request)
    checkStorability(request, response, directives)
  }
  return 0
}

private func serialised(_ response: borrowing ResponseHead, _ directives: ResponseDirectives) -> [UInt8] {
  var output = OutputBuffer(capacity: 256)
  writeStoredHead(
    status: response.status, response: response.head, directives: directives, wallTime: 1_700_000_000,
    to: &output)
  return octets(output.bytes)
}

/// A stored head is a head, and stays what it is when it is stored again.
private func checkStored(
  _ stored: [UInt8], _ response: borrowing ResponseHead, _ directives: ResponseDirectives
) {
  withHead(stored) { again in
    check(again.status == response.status, "the status is kept")
    check(!again.head.has(.transferEncoding) && !again.head.has(.contentLength), "length is stated anew")
    check(serialised(again, directives) == stored, "stored twice is stored once")
  }
  var merged = OutputBuffer(capacity: 256)
  mergedHead(stored: stored.span, update304: response.head, to: &merged)
  withHead(octets(merged.bytes)) { check($0.status == response.status, "a 304 leaves the status") }
  var confirmed = OutputBuffer(capacity: 256)
  write304Head(stored: stored.span, to: &confirmed)
  withHead(octets(confirmed.bytes)) { check($0.status == 304, "a 304 is one") }
}

private func checkUse(_ stored: [UInt8], _ request: borrowing RequestHead) {
  let facts = HeadFacts(stored.span)
  let etag = facts.etag.map { Array(stored[$0.lower..<$0.upper]) }
  let length = 1000
  _ = mustAskOrigin(request.head)
  _ = conditions(request, etag, facts)
  let outcome = range(request, etag, facts, length)
  if case .part(let start, let end) = outcome {
    check(start >= 0 && start < end && end <= length, "a part lies within the whole")
    var part = OutputBuffer(capacity: 256)
    write206Head(stored: stored.span, start: start, end: end, length: length, to: &part)
    withHead(octets(part.bytes)) { check($0.status == 206, "a 206 is one") }
  }
  for name in [facts.etag, facts.lastModifiedText] {
    if let name, let url = invalidatedURL(stored.span.extracting(name), of: request) {
      check(canonicalURL(from: url.span) == url, "what is invalidated is a canonical URL")
    }
  }
}

private func conditions(
  _ request: borrowing RequestHead, _ etag: [UInt8]?, _ facts: HeadFacts
) -> ConditionalOutcome {
  guard let etag else {
    return evaluateConditions(request: request.head, etag: nil, lastModified: facts.modified, status: 200)
  }
  return evaluateConditions(request: request.head, etag: etag.span, lastModified: facts.modified, status: 200)
}

private func range(
  _ request: borrowing RequestHead, _ etag: [UInt8]?, _ facts: HeadFacts, _ length: Int
) -> RangeOutcome {
  guard let etag else {
    return evaluateRange(
      request: request.head, length: length, etag: nil, lastModified: facts.lastModified, date: facts.date)
  }
  return evaluateRange(
    request: request.head, length: length, etag: etag.span, lastModified: facts.lastModified,
    date: facts.date)
}

/// What is stored may be shared, whoever asked (RFC 9111 §3).
private func checkStorability(
  _ request: borrowing RequestHead, _ response: borrowing ResponseHead, _ directives: ResponseDirectives
) {
  let asked = RequestDirectives.parse(from: request.head)
  let traits = RequestTraits(request.head, directives: asked, hasBody: request.framing != .none)
  let vary = VaryList.parse(from: response.head)
  _ = selectingHash(vary.names.span, request: request.head, seed: HashSeed(1, 2))
  for isStrict in [false, true] {
    let verdict = storability(
      method: request.method, request: traits, status: response.status, response: response.head,
      directives: directives, requestTime: 1000, responseTime: 1001, wallTime: 1_700_000_000,
      options: CachingOptions(strict: isStrict))
    guard case .storable(let freshness) = verdict else { continue }
    check(request.method == .get && request.framing == .none, "only a GET without a body leaves something")
    check(!directives.isPrivate && !asked.noStore && !vary.isStar, "what is private is not stored")
    check(!request.head.has(.authorization) || directives.allowsAuthorizedReuse, "credentials are not shared")
    check(response.status < 500 || !freshness.isGuessed, "no server error is stored by a guess")
    _ = asked.use(freshness, at: 1500, strict: isStrict)
  }
}

/// A head as it is stored is one with the empty line behind it.
private func withHead(_ stored: [UInt8], _ use: (borrowing ResponseHead) -> Void) {
  let bytes = stored + [13, 10]
  bytes.withUnsafeBufferPointer { buffer in
    var head = ResponseHead()
    head.begin()
    let limits = HeadLimits(headBytes: 1 << 20, fieldCount: 1000)
    guard (try? head.parse(buffer.baseAddress!, count: buffer.count, limits: limits)) == true else {
      check(false, "what is written is a head")
      return
    }
    use(head)
  }
}
