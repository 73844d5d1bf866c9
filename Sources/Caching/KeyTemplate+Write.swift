public import Bytes
public import HTTP

extension KeyTemplate {
  /// Writes a request's cache key.
  ///
  /// The standard template does not allocate while `output` has room. A NUL, which no part of a request can
  /// hold, ends each variable.
  ///
  /// - Parameter scheme: `http` or `https`.
  public func write(scheme: StaticString, request: borrowing RequestHead, to output: inout OutputBuffer) {
    if isStandard {
      writeStandard(scheme, request, to: &output)
      return
    }
    for part in parts {
      if case .literal(let text) = part {
        output.append(text)
        continue
      }
      Self.write(part, scheme, request, to: &output)
      output.append(0)
    }
  }

  private func writeStandard(
    _ scheme: StaticString, _ request: borrowing RequestHead, to output: inout OutputBuffer
  ) {
    output.append(scheme)
    output.append(0)
    Self.writeMethod(request, to: &output)
    output.append(0)
    writeHost(request.head.bytes(request.authority), ports: Self.ports(scheme), to: &output)
    output.append(0)
    writePathAndQuery(request.head.bytes(request.pathAndQuery), to: &output)
    output.append(0)
  }

  private static func ports(_ scheme: StaticString) -> DefaultPorts {
    scheme.utf8CodeUnitCount == 5 ? .https : .http
  }

  private static func writeMethod(_ request: borrowing RequestHead, to output: inout OutputBuffer) {
    switch request.method {
    case .get, .head: output.append("GET")
    default: output.append(request.head.bytes(request.methodRange))
    }
  }

  private static func write(
    _ part: Part, _ scheme: StaticString, _ request: borrowing RequestHead, to output: inout OutputBuffer
  ) {
    let target = request.head.bytes(request.pathAndQuery)
    let mark = target.firstIndex(of: .question)
    switch part {
    case .literal(let text): output.append(text)
    case .scheme: output.append(scheme)
    case .method: writeMethod(request, to: &output)
    case .host:
      writeHost(request.head.bytes(request.authority), ports: ports(scheme), to: &output)
    case .authority: output.append(request.head.bytes(request.authority))
    case .requestURI: writePathAndQuery(target, to: &output)
    case .path: writePathAndQuery(target.extracting(0..<(mark ?? target.count)), to: &output)
    case .arguments:
      if let mark { output.append(target.extracting((mark + 1)..<target.count)) }
    case .argumentMark:
      if let mark, mark + 1 < target.count { output.append(.question) }
    case .argument(let name):
      if let mark { writeArgument(name.span, of: target, from: mark + 1, to: &output) }
    case .cookie(let name): writeCookie(name.span, of: request.head, to: &output)
    case .field(let name): writeField(name.span, of: request.head, to: &output)
    }
  }

  /// The value of the query's first argument of this name, case ignored as in nginx.
  private static func writeArgument(
    _ name: Span<UInt8>, of target: Span<UInt8>, from start: Int, to output: inout OutputBuffer
  ) {
    var start = start
    while start < target.count {
      let end = target.firstIndex(of: UInt8(ascii: "&"), from: start) ?? target.count
      if write(valueOf: name, in: target.extracting(start..<end), to: &output) { return }
      start = end + 1
    }
  }

  /// The value of the first cookie of this name, case ignored as in nginx.
  private static func writeCookie(
    _ name: Span<UInt8>, of request: borrowing Head, to output: inout OutputBuffer
  ) {
    for line in request.lines where line.known == .cookie && !request.isHopByHop(line) {
      let value = request.value(line)
      var start = 0
      while start < value.count {
        let end = value.firstIndex(of: .semicolon, from: start) ?? value.count
        let pair = value.extracting(value.trimmed(ByteRange(start, end)))
        if write(valueOf: name, in: pair, to: &output) { return }
        start = end + 1
      }
    }
  }

  /// Writes what follows `name=` if that is what `pair` begins with.
  private static func write(
    valueOf name: Span<UInt8>, in pair: Span<UInt8>, to output: inout OutputBuffer
  ) -> Bool {
    guard pair.count > name.count, pair[name.count] == .equals,
      pair.extracting(0..<name.count).equalsIgnoringCase(name)
    else { return false }
    output.append(pair.extracting((name.count + 1)..<pair.count))
    return true
  }

  /// All lines of a field, joined by `, `. What `Connection` names does not reach the origin, so it does not
  /// count: else a page made without it would be kept under the key of one made with it.
  private static func writeField(
    _ name: Span<UInt8>, of request: borrowing Head, to output: inout OutputBuffer
  ) {
    var isFirst = true
    for line in request.lines where request.name(line).equalsIgnoringCase(name) && !request.isHopByHop(line) {
      if !isFirst { output.append(", ") }
      output.append(request.value(line))
      isFirst = false
    }
  }
}
