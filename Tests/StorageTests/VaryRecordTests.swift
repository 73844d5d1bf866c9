import Bytes
import Testing

@testable import Storage

@Suite("Vary records")
struct VaryRecordTests {
  private static let sample = VaryRecord(
    key: Array("GET http://a.example/".utf8), url: Array("a.example/".utf8),
    lists: ["accept-encoding", "", "accept-encoding,cookie", "user-agent"].map { Array($0.utf8) },
    born: 1 << 36 | 9, purgeSequence: 1 << 36 | 4, created: 1_800_000_000_000)
  private static let store: UInt64 = 42

  private func file(_ record: VaryRecord = sample) -> [UInt8] {
    var output = OutputBuffer(capacity: 256)
    record.write(store: Self.store, to: &output)
    return output.bytes.array
  }

  private func decode(_ bytes: [UInt8]) throws -> VaryRecord {
    try VaryRecord.decode(bytes.span, store: Self.store)
  }

  @Test(arguments: [[""], ["accept"], ["", "accept"], ["b", "a"], ["a", "", "b", "c"]])
  func `what is written is read, the empty list and the order too`(_ lists: [String]) throws {
    var record = Self.sample
    record.lists = lists.map { Array($0.utf8) }
    #expect(try decode(file(record)) == record)
    let kind = StoredFileKind(file(record).span)
    #expect(kind == .varyRecord)
  }

  @Test func `every bit turned and every length: refused`() throws {
    let bytes = file()
    for i in bytes.indices {
      for bit in 0..<8 {
        var altered = bytes
        altered[i] ^= 1 << UInt8(bit)
        #expect(throws: StoredFileError.self, "byte \(i), bit \(bit)") { try decode(altered) }
      }
    }
    for count in bytes.indices {
      #expect(throws: StoredFileError.self, "\(count) bytes") { try decode(Array(bytes[..<count])) }
    }
    #expect(throws: StoredFileError.damaged(.size)) { try decode(bytes + [0]) }
  }

  @Test func `a record of another store or version is told apart from a damaged one`() throws {
    var bytes = file()
    #expect(throws: StoredFileError.foreign) { try VaryRecord.decode(bytes.span, store: 1) }
    bytes.replaceSubrange(8..<12, with: [7, 0, 0xf8, 0xff])
    #expect(throws: StoredFileError.unknownVersion(7)) { try decode(bytes) }
  }
}
