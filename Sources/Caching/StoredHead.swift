public import Bytes
public import HTTP

extension FieldSet {
  /// Fields of a response that are not stored: those of one connection, and those that we state anew each
  /// time it is served. RFC 9111 §3.1.
  static let notStored = FieldSet(
    bits: FieldSet.hopByHop.bits | FieldSet(.age, .contentLength, .xCacheStatus).bits)
}

/// Writes a response's head as it is stored and served: status line and end-to-end fields, without the empty
/// line. Length, age, connection and cache status are stated by whoever serves it.
///
/// Left out: fields of the connection, `Age`, `Content-Length`, `X-Cache-Status`, and those that the origin
/// names in `no-cache="…"` or `private="…"` (RFC 9111 §5.2.2). A missing `Date` is added (RFC 9110 §6.6.1).
///
/// - Parameters:
///   - response: After `removeHopByHop`, which alone knows what `Connection` named.
///   - wallTime: When the head arrived, in seconds since 1970.
///   - withholds: False for the client that asked: it gets the named fields, which are kept from others.
public func writeStoredHead(
  status: UInt16, response: borrowing Head, directives: ResponseDirectives, wallTime: Int64,
  withholds: Bool = true,
  to output: inout OutputBuffer
) {
  assert(!response.has(.connection), "fields named by Connection would be stored")
  writeStatusLine(status, to: &output)
  for line in response.lines where !FieldSet.notStored.contains(line.known) {
    let name = response.name(line)
    if withholds, fieldList(directives.withheldFields.span, contains: name) { continue }
    writeField(name, response.value(line), to: &output)
  }
  if !response.has(.date) { writeDate(wallTime, to: &output) }
}

/// Writes a stored head with the fields of the 304 that confirmed it, RFC 9111 §3.2 and 4.3.4.
///
/// Not taken from the 304: what is not stored, and what belongs to the stored bytes (`Content-Length`,
/// `Content-Encoding`, `Content-Range`) or to their place in the index (`Vary`).
///
/// - Parameters:
///   - stored: As `writeStoredHead` or this function wrote it.
///   - update304: After `removeHopByHop`.
///   - keepsCookies: Takes `Set-Cookie` too; it is for one client, so only the strict profile does.
public func mergedHead(
  stored: Span<UInt8>, update304: borrowing Head, keepsCookies: Bool = false, to output: inout OutputBuffer
) {
  let withheld = withheldFields(stored: stored, update304: update304)
  var excluded = FieldSet.notStored
  excluded.bits |= FieldSet(.contentEncoding, .contentRange, .vary).bits
  if !keepsCookies { excluded.insert(.setCookie) }
  var lines = StoredLines(stored)
  output.append(stored.extracting(lines.statusLine))
  while let line = lines.next(in: stored) {
    let name = stored.extracting(line.name)
    if fieldList(withheld.span, contains: name) { continue }
    if excluded.contains(KnownField.identify(name)) || !isPresent(name, in: update304) {
      output.append(stored.extracting(line.whole))
    }
  }
  for line in update304.lines where !excluded.contains(line.known) {
    let name = update304.name(line)
    if fieldList(withheld.span, contains: name) { continue }
    writeField(name, update304.value(line), to: &output)
  }
}

/// The fields not to be stored by the directives in force after a 304: its own, or else the stored ones.
private func withheldFields(stored: Span<UInt8>, update304: borrowing Head) -> [UInt8] {
  let updated = ResponseDirectives.parse(from: update304)
  if update304.has(.cacheControl) || updated.isTargeted { return updated.withheldFields }
  var directives = ResponseDirectives()
  var lines = StoredLines(stored)
  while let line = lines.next(in: stored) {
    guard KnownField.identify(stored.extracting(line.name)) == .cacheControl else { continue }
    directives.add(stored.extracting(line.value))
  }
  return directives.withheldFields
}

private func isPresent(_ name: Span<UInt8>, in head: borrowing Head) -> Bool {
  for line in head.lines where head.name(line).equalsIgnoringCase(name) { return true }
  return false
}

/// Writes a stored head as a 304's: without what describes a body (RFC 9110 §15.4.5). Does not allocate while
/// `output` has room.
public func write304Head(stored: Span<UInt8>, to output: inout OutputBuffer) {
  output.append("HTTP/1.1 304 Not Modified\r\n")
  let omitted = FieldSet(.contentType, .contentEncoding, .contentRange)
  writeFields(of: stored, without: omitted, to: &output)
}

/// Writes a stored head as a 206's, with `Content-Range` (RFC 9110 §14.4 and 15.3.7). Does not allocate while
/// `output` has room.
///
/// - Parameters:
///   - part: Of the body, not empty.
///   - length: Of the whole body in bytes.
public func write206Head(
  stored: Span<UInt8>, part: Range<Int>, of length: Int, to output: inout OutputBuffer
) {
  output.append("HTTP/1.1 206 Partial Content\r\n")
  writeFields(of: stored, without: FieldSet(.contentRange), to: &output)
  writeContentRange(part, of: length, to: &output)
}

/// Writes a stored head as that of a 206 with several parts (RFC 9110 §15.3.7.2): their type and place are
/// stated with each of them.
///
/// - Parameter boundary: Of the `Multipart` that follows.
public func write206Head(stored: Span<UInt8>, boundary: KeyHash, to output: inout OutputBuffer) {
  output.append("HTTP/1.1 206 Partial Content\r\n")
  writeFields(of: stored, without: FieldSet(.contentRange, .contentType), to: &output)
  output.append("Content-Type: multipart/byteranges; boundary=")
  writeBoundary(boundary, to: &output)
  output.append("\r\n")
}

/// Writes the head of a 416 for a stored response of `length` bytes, RFC 9110 §15.5.17.
public func write416Head(length: Int, wallTime: Int64, to output: inout OutputBuffer) {
  writeStatusLine(416, to: &output)
  writeDate(wallTime, to: &output)
  output.append("Content-Range: bytes */")
  output.append(decimal: length)
  output.append("\r\n")
}

func writeContentRange(_ part: Range<Int>, of length: Int, to output: inout OutputBuffer) {
  output.append("Content-Range: bytes ")
  output.append(decimal: part.lowerBound)
  output.append(.dash)
  output.append(decimal: part.upperBound - 1)
  output.append(.slash)
  output.append(decimal: length)
  output.append("\r\n")
}

private func writeFields(of stored: Span<UInt8>, without omitted: FieldSet, to output: inout OutputBuffer) {
  var lines = StoredLines(stored)
  while let line = lines.next(in: stored) {
    if omitted.contains(KnownField.identify(stored.extracting(line.name))) { continue }
    output.append(stored.extracting(line.whole))
  }
}

private func writeStatusLine(_ status: UInt16, to output: inout OutputBuffer) {
  output.append("HTTP/1.1 ")
  output.append(decimal: Int(status))
  output.append(.space)
  output.append(StatusText.reason(status))
  output.append("\r\n")
}

private func writeField(_ name: Span<UInt8>, _ value: Span<UInt8>, to output: inout OutputBuffer) {
  output.append(name)
  output.append(": ")
  output.append(value)
  output.append("\r\n")
}

private func writeDate(_ wallTime: Int64, to output: inout OutputBuffer) {
  output.append("Date: ")
  HTTPDate.write(wallTime, to: &output)
  output.append("\r\n")
}
