import Bytes
import Testing

/// Expected values: an implementation of SipHash with 128 bits of output in Python, written from the paper
/// and independent of ours, gave the published vectors of SipHash-2-4-128 (`vectors.h` of the authors'
/// reference code, lengths 0, 1, 2, 8, 15, 16, 17, 62 and 63) and then, with 1 and 3 rounds, these.
@Suite("SipHash-1-3-128")
struct KeyHashTests {
  /// The key of the published vectors: bytes 0 to 15.
  private let seed = HashSeed(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908)

  private func hash(_ text: String) -> KeyHash { seed.hash(Array(text.utf8).span) }

  @Test(
    arguments: [
      (0, 0xbea5_8827_b2bc_7ee7, 0x0130_30dd_6adb_62fd), (1, 0xa8ed_d360_0437_6ffc, 0x63f0_2f2b_cc73_055e),
      (2, 0x9b83_6905_097f_7875, 0x95ea_6a8c_54c9_5b85), (3, 0x9ff7_dc1e_facc_c56b, 0x43d7_eb12_7718_2348),
      (4, 0x5a28_2bac_714e_780c, 0x252c_bf8f_e792_8e9f), (5, 0x0c62_5b34_89db_28f3, 0x3e84_9526_a429_5279),
      (6, 0x10e7_43f7_293d_d0dc, 0xf8a6_8539_e8b0_5109), (7, 0xc3e0_aaf2_23b9_8410, 0x77ab_4808_c82e_2fa6),
      (8, 0xb4da_e3d5_e1fe_12aa, 0x99c7_f935_ab16_4f72), (9, 0x9439_f32c_04b8_dd81, 0x427c_1394_000e_72f4),
      (15, 0x6c52_bdb2_0555_7ec1, 0x0901_7e1e_eccd_2129), (16, 0xeb8e_5115_57d9_a8d0, 0x9317_9e3d_f8b0_13b5),
      (17, 0x8d66_bb3f_f926_4123, 0xecf7_bdfe_e812_5197), (24, 0xca92_fdbc_37f8_4b9e, 0x4ad0_841a_06d2_09ce),
      (31, 0x8b85_3c5b_1c96_ea42, 0x1090_a7df_50e5_c317), (32, 0xb257_78e6_de44_6c40, 0xd317_740c_f360_3194),
      (63, 0x6f42_fe4e_e300_584c, 0xad60_52a7_0a6b_9f07), (255, 0xa558_210a_c1a4_28f5, 0xe93e_bbae_d065_a4f1),
      (256, 0x5a02_0c3a_248b_6cf5, 0x7a70_9cb9_a27a_686a),
      (1000, 0x4816_1d9d_fffa_82e7, 0xfaf3_d320_a686_4225),
    ] as [(Int, UInt64, UInt64)])
  func `bytes 0, 1, 2, … have the hash of their length`(_ count: Int, _ low: UInt64, _ high: UInt64) {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
    #expect(seed.hash(bytes.span) == KeyHash(low: low, high: high))
  }

  @Test func `another key, another text`() {
    let other = HashSeed(.max, 0xefcd_ab89_6745_2301)
    let hash = other.hash(Array("httpexample.test/a?b=c".utf8).span)
    #expect(hash == KeyHash(low: 0xfc2f_a3a1_15d5_d768, high: 0x853c_16d0_2bec_3c18))
  }

  @Test func `where the bytes lie does not matter`() {
    let bytes = (0..<80).map { UInt8($0) }
    for start in 0..<16 {
      let shifted = [UInt8](repeating: 99, count: start) + bytes
      #expect(seed.hash(shifted.span.extracting(start..<(start + 80))) == seed.hash(bytes.span))
    }
  }

  @Test func `zero bytes at the end count`() {
    #expect(Set((0..<64).map { seed.hash([UInt8](repeating: 0, count: $0).span) }).count == 64)
  }

  @Test(arguments: [
    ("gzip", "GZIP"), ("gzip", " gzip\t"), ("gzip;q=0.8", "gzip ; q=0.8"), ("gzip", "gzip,br"), ("", ","),
    ("a-very-long-member", "A-Very-Long-Member"), ("12345678", "1234 5678"), ("", " \t "),
  ])
  func `a list's members are alike whatever their case and white space`(_ one: String, _ other: String) {
    let first = seed.hashMember(of: Array(one.utf8).span, from: 0)
    let second = seed.hashMember(of: Array(other.utf8).span, from: 0)
    #expect(first.hash == second.hash)
    #expect(first.isEmpty == second.isEmpty)
  }

  @Test(arguments: [
    ("gzip", "br"), ("gzip", "gzi"), ("gzip", "gzip;q=0"), ("12345678", "123456789"), ("", "\0"),
    ("abcdefgh", "abcdefgh\0"),
  ])
  func `different members differ`(_ one: String, _ other: String) {
    let first = seed.hashMember(of: Array(one.utf8).span, from: 0)
    #expect(first.hash != seed.hashMember(of: Array(other.utf8).span, from: 0).hash)
  }

  @Test func `a list is gone through from comma to comma`() {
    let list = Array("a, bc ,,d".utf8)
    var ends: [Int] = []
    var empties: [Bool] = []
    var at = 0
    while at <= list.count {
      let member = seed.hashMember(of: list.span, from: at)
      ends.append(member.end)
      empties.append(member.isEmpty)
      at = member.end + 1
    }
    #expect(ends == [1, 6, 7, 9])
    #expect(empties == [false, false, true, false])
  }

  @Test func `a member's hash is not that of the same text as a key`() {
    for text in ["", "gzip", "12345678"] {
      #expect(seed.hashMember(of: Array(text.utf8).span, from: 0).hash != hash(text))
    }
  }
}
