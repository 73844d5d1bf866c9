public import Bytes

/// The body of a 206 with several parts, RFC 9110 §14.6 and 15.3.7.2: what stands before, between and behind
/// the parts, which themselves stay where they lie.
public struct Multipart: Sendable {
  /// Some text, and the part of the whole body that follows it.
  public struct Piece: Sendable {
    /// Exclusive; the text begins where the one before ended.
    public var textEnd: Int
    public var part: Range<Int>
  }

  /// Of all pieces, one behind the other.
  public private(set) var text: [UInt8]
  /// The last one's part is empty.
  public private(set) var pieces: [Piece] = []
  /// Of text and parts, in bytes.
  public private(set) var length: Int

  /// - Parameters:
  ///   - parts: Not empty, in the order in which they are to be sent.
  ///   - wholeLength: Of the body that they are parts of, in bytes.
  ///   - contentType: Of that body.
  ///   - boundary: Nobody who writes bodies can have known it, so that it is in none of them.
  public init(
    _ parts: [Range<Int>], of wholeLength: Int, contentType: Span<UInt8>?, boundary: KeyHash
  ) {
    var output = OutputBuffer(capacity: 128 * (parts.count + 1))
    length = 0
    for part in parts {
      if !pieces.isEmpty { output.append("\r\n") }
      output.append("--")
      writeBoundary(boundary, to: &output)
      output.append("\r\n")
      if let contentType {
        output.append("Content-Type: ")
        output.append(contentType)
        output.append("\r\n")
      }
      writeContentRange(part, of: wholeLength, to: &output)
      output.append("\r\n")
      pieces.append(Piece(textEnd: output.count, part: part))
      length += part.count
    }
    output.append("\r\n--")
    writeBoundary(boundary, to: &output)
    output.append("--\r\n")
    let end = parts.last?.upperBound ?? 0
    pieces.append(Piece(textEnd: output.count, part: end..<end))
    text = output.bytes.array
    length += text.count
  }
}

func writeBoundary(_ boundary: KeyHash, to output: inout OutputBuffer) {
  output.append(hex: boundary.high)
  output.append(hex: boundary.low)
}
