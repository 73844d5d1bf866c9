import Bytes
import HTTP
import Storage
import Testing

@testable import Proxy

@Suite("Response output")
struct ResponseOutputTests {
  private func output(_ framing: ResponseOutput.Framing) -> ResponseOutput {
    var output = ResponseOutput()
    output.framing = framing
    return output
  }

  @Test func `without a body there is nothing to send and nothing left`() {
    let output = output(.none)
    #expect(output.bodyAllowance == 0)
    #expect(output.isComplete)
  }

  @Test func `a body of known length is complete with its last byte, however it is cut`() {
    for cut in 1...7 {
      var output = output(.length(remaining: 7))
      var left = 7
      while left > 0 {
        #expect(output.bodyAllowance == left)
        #expect(!output.isComplete)
        let sent = min(cut, left)
        output.bodySent(sent)
        left -= sent
      }
      #expect(output.bodyAllowance == 0)
      #expect(output.isComplete)
    }
  }

  @Test func `an empty body of known length is complete at once`() {
    #expect(output(.length(remaining: 0)).isComplete)
  }

  @Test func `of a chunked body only what a chunk announced may follow, and only the last chunk ends it`() {
    var output = output(.chunked)
    #expect(output.bodyAllowance == 0)
    output.chunkRemaining = 10
    #expect(output.bodyAllowance == 10)
    output.bodySent(4)
    #expect(output.bodyAllowance == 6)
    output.bodySent(6)
    #expect(output.bodyAllowance == 0)
    #expect(!output.isComplete)
    output.bodyEnded = true
    #expect(output.isComplete)
  }

  @Test func `a body until the close has no bound, and ends when its source does`() {
    var output = output(.untilClose)
    #expect(output.bodyAllowance == .max)
    output.bodySent(1 << 40)
    #expect(output.bodyAllowance == .max)
    #expect(!output.isComplete)
    output.bodyEnded = true
    #expect(output.isComplete)
  }

  @Test func `the lead is counted down byte by byte and forgotten at its end`() {
    var output = ResponseOutput()
    output.lead = Array("1f\r\n".utf8)
    for left in (0..<4).reversed() {
      output.leadSent(1)
      #expect(output.leadCount == left)
    }
    #expect(output.lead.isEmpty && output.leadSent == 0)
    output.lead = [1, 2]
    output.leadSent(0)
    #expect(output.leadCount == 2)
    output.leadSent(2)
    #expect(output.leadCount == 0)
  }

  @Test(arguments: [
    (BodyFraming.none, true), (.length(0), true), (.length(1), false), (.chunked, false), (.untilClose, true),
  ])
  func `a request's body is awaited when its framing announces one`(_ framing: BodyFraming, _ isDone: Bool) {
    // Only a response can last until the close (RFC 9112 §6.3).
    #expect(RequestBodyReader(framing).isDone == isDone)
  }
}

@Suite("Receive buffer")
struct ReceiveBufferTests {
  private let memory = InFlightMemory(limit: .max)

  private func contents(_ buffer: ReceiveBuffer) -> [UInt8] {
    unsafe Array(UnsafeBufferPointer(start: buffer.base, count: buffer.count))
  }

  private func append(_ bytes: [UInt8], to buffer: ReceiveBuffer) {
    unsafe bytes.withUnsafeBufferPointer { unsafe buffer.append($0.baseAddress!, count: $0.count) }
  }

  @Test(arguments: [31, 32, 33] as [UInt64])
  func `it holds what was put in and not yet used, whatever its size`(_ seed: UInt64) {
    var random = Seeded(seed)
    let buffer = ReceiveBuffer(capacity: 16, countedIn: memory)
    var model: [UInt8] = []
    var next: UInt8 = 0
    for _ in 0..<2000 {
      if Bool.random(using: &random) {
        let bytes = (0..<Int.random(in: 1...40, using: &random)).map { _ in
          next &+= 1
          return next
        }
        append(bytes, to: buffer)
        model += bytes
      } else {
        let used = Int.random(in: 0...model.count, using: &random)
        buffer.use(used)
        model.removeFirst(used)
      }
      #expect(contents(buffer) == model)
      #expect(buffer.isEmpty == model.isEmpty)
      #expect(buffer.room >= 0 && buffer.room <= buffer.capacity - model.count)
      #expect(memory.bytes == buffer.capacity)
    }
  }

  @Test func `room is found at the front before memory grows`() {
    let buffer = ReceiveBuffer(capacity: 8, countedIn: memory)
    append([1, 2, 3, 4, 5, 6], to: buffer)
    buffer.use(5)
    buffer.reserve(7)
    #expect(buffer.capacity == 8)
    #expect(contents(buffer) == [6])
    #expect(buffer.room == 7)
    buffer.reserve(8)
    #expect(buffer.capacity >= 9)
    #expect(contents(buffer) == [6])
  }
}
