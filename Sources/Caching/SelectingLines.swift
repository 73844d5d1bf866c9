public import Bytes
public import HTTP

/// Writes a request's selecting fields as lines, `name: value` and a line feed, in the order of the names:
/// what a stored variant is for, in words. A field that is not there has no line. Variants are found by
/// `selectingHash`; this is for people.
///
/// - Parameter varyNames: `VaryList.names`.
public func writeSelectingLines(
  _ varyNames: Span<UInt8>, request: borrowing Head, to output: inout OutputBuffer
) {
  var start = 0
  while start < varyNames.count {
    let end = varyNames.firstIndex(of: .comma, from: start) ?? varyNames.count
    let name = varyNames.extracting(start..<end)
    for line in request.lines where request.name(line).equalsIgnoringCase(name) {
      output.append(name)
      output.append(": ")
      output.append(request.value(line))
      output.append(.lineFeed)
    }
    start = end + 1
  }
}
