import Bytes
import HTTP

/// An input in memory of exactly its size, so that the address sanitizer sees a read beyond it.
struct Input {
  let bytes: UnsafePointer<UInt8>
  let count: Int
  /// A number that follows from the bytes: chooses splits and limits, so that inputs are plain messages.
  let choice: Int

  init(_ data: UnsafeRawPointer?, _ count: Int) {
    let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: max(count, 1))
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for i in 0..<count {
      let byte = data!.load(fromByteOffset: i, as: UInt8.self)
      copy[i] = byte
      hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
    }
    bytes = UnsafePointer(copy)
    self.count = count
    choice = Int(truncatingIfNeeded: hash >> 20)
  }

  func prefix(_ size: Int) -> Input { Input(bytes, size) }
  func suffix(from start: Int) -> Input { Input(bytes + start, count - start) }
  func free() { bytes.deallocate() }

  /// Where it is cut in two: at every byte of a short input, else at one.
  var cuts: ClosedRange<Int> {
    let one = choice % (count + 1)
    return count < 100 ? 0...count : one...one
  }

  /// Mostly the usual limits, sometimes small ones.
  var limits: HeadLimits {
    choice & 3 == 0 ? HeadLimits(headBytes: 64, targetBytes: 12, fieldCount: 2) : HeadLimits()
  }
}

func check(_ isTrue: Bool, _ claim: StaticString) {
  if !isTrue { fatalError("does not hold: \(claim)") }
}

func octets(_ span: Span<UInt8>) -> [UInt8] { span.indices.map { span[$0] } }

/// The lines as they are written.
func fieldBytes(_ head: borrowing Head) -> [UInt8] {
  var output = OutputBuffer(capacity: 256)
  head.write(to: &output)
  return octets(output.bytes)
}

/// Gives `use` the request, if the bytes begin with a whole one.
func parsed(_ bytes: UnsafeBufferPointer<UInt8>, _ use: (borrowing RequestHead) -> Void) {
  var request = RequestHead()
  request.begin()
  guard let base = bytes.baseAddress, (try? request.parse(base, count: bytes.count)) == true else { return }
  use(request)
}

/// Names and values of all lines.
func fieldLines(_ head: borrowing Head) -> [[UInt8]] {
  var result: [[UInt8]] = []
  for line in head.lines {
    result.append(octets(head.name(line)))
    result.append(octets(head.value(line)))
  }
  return result
}
