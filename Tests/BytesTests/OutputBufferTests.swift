import Bytes
import Testing

@Suite("Output buffer")
struct OutputBufferTests {
  private func text(_ write: (inout OutputBuffer) -> Void) -> String {
    var buffer = OutputBuffer(capacity: 1)
    write(&buffer)
    return String(decoding: buffer.bytes.array, as: UTF8.self)
  }

  @Test(arguments: [
    0, 1, 9, 10, 11, 99, 100, 101, 999, 1000, 1001, 65_535, 99_999_999_999, 999_999_999_999_999_999,
    1_000_000_000_000_000_000, Int.max - 1, Int.max, -1, -9, -10, -99, -100, Int.min + 1, Int.min,
  ])
  func `a number is written as its decimal digits`(_ number: Int) {
    #expect(text { $0.append(decimal: number) } == String(number))
  }

  @Test func `every power of ten and its neighbours are written whole`() {
    var power = 1
    for _ in 0..<18 {
      power *= 10
      for number in [power - 1, power, power + 1, -power] {
        #expect(text { $0.append(decimal: number) } == String(number))
      }
    }
  }

  @Test(
    arguments: [
      (0, "0000000000000000"), (1, "0000000000000001"), (0x9a, "000000000000009a"),
      (0xdead_beef_0123_4567, "deadbeef01234567"), (UInt64.max, "ffffffffffffffff"),
    ] as [(UInt64, String)])
  func `hexadecimal has 16 digits in lower case`(_ number: UInt64, _ expected: String) {
    #expect(text { $0.append(hex: number) } == expected)
  }

  @Test func `only the 26 letters are lowered, wherever in a word they stand`() {
    for lead in 0..<9 {
      let bytes = [UInt8](repeating: 0x5A, count: lead) + (0...255)
      let expected = bytes.map { 0x41...0x5A ~= $0 ? $0 + 32 : $0 }
      var output = OutputBuffer(capacity: 1)
      output.append(lowering: bytes.span)
      #expect(output.bytes.array == expected)
    }
  }

  @Test func `every kind of text is appended byte for byte`() {
    let written = text {
      $0.append(UInt8.slash)
      $0.append("literal ")
      $0.append(String(repeating: "é", count: 3))
      $0.append(String("short"))
      $0.append([UInt8](" array ".utf8))
      $0.append(Array("span".utf8).span)
      $0.append(lowering: Array(" MiXeD-\u{c9}1".utf8).span)
      $0.append("" as StaticString)
      $0.append(String())
      $0.append([])
      unsafe $0.append(from: nil, count: 0)
    }
    // Only ASCII letters have a lower case here.
    #expect(written == "/literal éééshort array span mixed-\u{c9}1")
  }

  @Test(arguments: [1, 2, 3, 7, 8, 64])
  func `it grows and keeps what it holds`(_ capacity: Int) {
    var buffer = OutputBuffer(capacity: capacity)
    var expected: [UInt8] = []
    for step in 0..<200 {
      let bytes = (0..<(step % 37)).map { UInt8(truncatingIfNeeded: step &+ $0) }
      buffer.append(bytes)
      expected += bytes
      #expect(buffer.count == expected.count)
      #expect(buffer.isEmpty == expected.isEmpty)
    }
    #expect(buffer.bytes.array == expected)
  }

  @Test func `its memory stays where it is when it is emptied and used again`() {
    var buffer = OutputBuffer(capacity: 4)
    buffer.append([UInt8](repeating: 1, count: 1000))
    let place = unsafe buffer.base
    for _ in 0..<10 {
      buffer.removeAll()
      #expect(buffer.count == 0)
      buffer.append([UInt8](repeating: 2, count: 1000))
      #expect(unsafe buffer.base == place)
    }
  }

  @Test func `room that was reserved is not moved`() {
    var buffer = OutputBuffer(capacity: 1)
    buffer.append(UInt8.dot)
    buffer.reserve(500)
    let place = unsafe buffer.base
    buffer.append([UInt8](repeating: 3, count: 500))
    #expect(unsafe buffer.base == place)
    #expect(buffer.count == 501)
  }

  @Test func `it is cut to a length, never made longer`() {
    var buffer = OutputBuffer(capacity: 8)
    buffer.append("abcdef")
    buffer.truncate(to: 10)
    #expect(buffer.count == 6)
    buffer.truncate(to: 2)
    #expect(buffer.bytes.array == Array("ab".utf8))
    buffer.truncate(to: 0)
    #expect(buffer.bytes.array == [])
  }
}
