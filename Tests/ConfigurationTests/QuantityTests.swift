import Testing

@testable import Proxy

@Suite("Quantities")
struct QuantityTests {
  @Test(arguments: [
    ("0", 0), ("1", 1), ("65536", 65_536), ("007", 7), ("12b", 12), ("12B", 12),
    ("64k", 65_536), ("64K", 65_536), ("64KiB", 65_536), ("64kib", 65_536),
    ("512m", 536_870_912), ("512MiB", 536_870_912), ("1g", 1_073_741_824), ("1GiB", 1_073_741_824),
    ("2t", 2_199_023_255_552), ("2TiB", 2_199_023_255_552), ("9223372036854775807", Int.max),
  ])
  func `a size is bytes, or a number of units of 1024`(_ text: String, _ bytes: Int) {
    #expect(Quantity.bytes(text) == bytes)
  }

  @Test(arguments: [
    "", " ", "k", "-1", "+1", "1.5GiB", "1 GiB", " 1", "1 ", "0x10", "1e6", "1_000", "١", "1k1", "10%",
    "64kB", "64MB", "64GB",  // 1000 to half the world
    "1p", "9223372036854775808", "9007199254740992k", "99999999999999999999999",
  ])
  func `anything else is not a size`(_ text: String) { #expect(Quantity.bytes(text) == nil) }

  @Test(arguments: [
    ("0", 0), ("1", 1000), ("90", 90_000), ("90s", 90_000), ("500ms", 500), ("10m", 600_000),
    ("2h", 7_200_000), ("1d", 86_400_000),
  ])
  func `a duration is seconds, or a number of units`(_ text: String, _ milliseconds: Int) {
    #expect(Quantity.milliseconds(text) == milliseconds)
  }

  @Test(arguments: [
    "", "s", "-1s", "+1s", "1.5s", "1 s", "1m30s", "10M", "1w", "1min", "1S", "9223372036854775807s",
    "106751991168d",
  ])
  func `anything else is not a duration`(_ text: String) { #expect(Quantity.milliseconds(text) == nil) }

  @Test(arguments: [
    (0, "0"), (1, "1"), (1023, "1023"), (1024, "1KiB"), (1025, "1025"), (1536, "1536"),
    (1_048_576, "1MiB"), (1_572_864, "1536KiB"), (1_073_741_824, "1GiB"), (1_099_511_627_776, "1TiB"),
  ])
  func `a size is described exactly, in the largest unit that is`(_ bytes: Int, _ text: String) {
    #expect(Quantity.describe(bytes: bytes) == text)
    #expect(Quantity.bytes(text) == bytes)
  }

  @Test(arguments: [
    (0, "0s"), (1, "1ms"), (999, "999ms"), (1000, "1s"), (1500, "1500ms"), (60_000, "60s"), (90_000, "90s"),
    (120_000, "2m"), (600_000, "10m"), (3_600_000, "60m"), (7_200_000, "2h"), (86_400_000, "24h"),
    (172_800_000, "2d"), (600_001, "600001ms"),
  ])
  func `a duration is described exactly`(_ milliseconds: Int, _ text: String) {
    #expect(Quantity.describe(milliseconds: milliseconds) == text)
    #expect(Quantity.milliseconds(text) == milliseconds)
  }
}
