import Bytes
import CLinux
import Testing

@testable import Storage

private func octets(_ text: String) -> [UInt8] { Array(text.utf8) }
private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

@Suite("Names and folders")
struct EntryNameTests {
  /// FIPS 180-2, appendix B.1.
  private static let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

  @Test func `a key's file is called by the key's SHA-256`() {
    let name = EntryName(key: octets("abc").span)
    #expect(text(name.hex) == Self.abc)
    #expect(EntryName(hex: Self.abc) == name)
    #expect(MemoryLayout<EntryName>.size == 32)
    let unselected = EntryName(
      key: octets("abc").span, varyNames: Span(), selecting: KeyHash(low: 1, high: 2))
    #expect(unselected == name)
    var output = OutputBuffer(capacity: 32)
    name.write(to: &output)
    let digest = output.bytes.array
    #expect(digest.first == 0xba && digest.last == 0xad)
    let again = EntryName(digest: output.bytes)
    #expect(again == name)
  }

  /// Expected: sha256sum of the bytes that the design lists.
  @Test func `a variant's file is called by key, names and selecting hash`() {
    let name = EntryName(
      key: octets("k").span, varyNames: octets("accept-encoding").span, selecting: KeyHash(low: 1, high: 2))
    #expect(text(name.hex) == "c440f01ab896b2ed11387109d8a9ebd21bbcf730d600ecc42d459815400cd4b1")
  }

  @Test func `what is no name is none`() {
    for hex in ["", "ba", Self.abc.uppercased(), Self.abc + "0", "g" + Self.abc.dropFirst()] {
      #expect(EntryName(hex: hex) == nil)
    }
  }

  @Test(arguments: [
    ("1:2", "d/5a/"), ("2", "ad/"), ("1", "d/"), ("1:1:1", "d/a/5/"), ("2:2:2", "ad/15/00/"),
    ("2:1", "ad/5/"),
  ])
  func `folders are the last digits, as nginx has them`(_ levels: String, _ folder: String) throws {
    let levels = try DiskLevels(levels)
    #expect(levels.path(for: EntryName(hex: Self.abc)!) == folder + Self.abc)
  }

  @Test func `levels are 1 to 3 numbers that are 1 or 2`() throws {
    for text in ["1", "2:2", "1:2:1"] { #expect(try DiskLevels(text).text == text) }
    for text in ["", "0", "3", "1:", ":1", "1:3", "12", "1 2", "1:é"] {
      #expect(throws: DiskLevelsError.notOneOrTwo) { try DiskLevels(text) }
    }
    #expect(throws: DiskLevelsError.tooMany) { try DiskLevels("1:1:1:1") }
  }
}

/// RFC 3720 appendix B.4.
@Suite("CRC-32C")
struct CRC32CTests {
  private static let vectors: [([UInt8], UInt32)] = [
    ([UInt8](repeating: 0, count: 32), 0x8a91_36aa), ([UInt8](repeating: 0xff, count: 32), 0x62a8_ab43),
    (Array(0..<32), 0x46dd_794e), (Array((0..<32).reversed()), 0x113f_db5c),
    (
      [0x01, 0xc0, 0, 0] + [UInt8](repeating: 0, count: 12) + [
        0x14, 0, 0, 0, 0, 0, 0x04, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0,
        0, 0, 0, 0,
      ], 0xd996_3a56
    ),
    (octets("123456789"), 0xe306_9283), ([], 0),
  ]

  private func sum(_ bytes: ArraySlice<UInt8>, continuing sum: UInt32 = 0) -> UInt32 {
    crc32c(bytes.span, continuing: sum)
  }

  @Test func `the published vectors, by instruction and by table, in one piece and in two`() {
    for (bytes, expected) in Self.vectors {
      #expect(sum(bytes[...]) == expected)
      #expect(unsafe linux_crc32c_by_table(0, bytes, bytes.count) == expected)
      for cut in 0...bytes.count {
        let first = sum(bytes[..<cut])
        #expect(sum(bytes[cut...], continuing: first) == expected)
      }
    }
  }
}
