import Bytes
import HTTP
import Testing

@Suite("Dates, RFC 9110 §5.6.7")
struct HTTPDateTests {
  /// 784111777 is the moment that the RFC writes in all three forms.
  @Test(
    arguments: [
      ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777), ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
      ("Sun Nov  6 08:49:37 1994", 784_111_777), ("Sun Nov 06 08:49:37 1994", 784_111_777),
      ("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("Wed, 31 Dec 1969 23:59:59 GMT", -1),
      ("Tue, 29 Feb 2000 12:00:00 GMT", 951_825_600), ("Thu, 29 Feb 2024 00:00:00 GMT", 1_709_164_800),
      ("Tue, 19 Jan 2038 03:14:07 GMT", 2_147_483_647), ("Tue, 19 Jan 2038 03:14:08 GMT", 2_147_483_648),
      ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799), ("Sat, 01 Jan 0000 00:00:00 GMT", -62_167_219_200),
      ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800),  // a leap second is the next minute's first
      ("Wed Dec 31 23:59:59 2025", 1_767_225_599),
      // The weekday need not fit, and case does not matter: RFC 9111 §4.2
      ("Mon, 06 Nov 1994 08:49:37 GMT", 784_111_777), ("sun, 06 NOV 1994 08:49:37 gmt", 784_111_777),
      ("SUNDAY, 06-nov-94 08:49:37 Gmt", 784_111_777), ("THU nov  6 08:49:37 1994", 784_111_777),
    ] as [(String, Int64)])
  func `is read`(_ text: String, _ seconds: Int64) {
    #expect(parse(text) == seconds)
  }

  @Test(arguments: [
    "", "0", "-1", "784111777", "now", "Sun", "Sun,", ",", "Sunday,", "Sun, 06 Nov 1994",
    "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37 +0000",
    "Sun, 06 Nov 1994 08:49:37 GMT ", " Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT+1",
    "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 94 08:49:37 GMT", "Sun, 06 Nov 1994 8:49:37 GMT",
    "Sun, 06 Nov 1994 08.49.37 GMT", "Sun, 06 Nov 1994 08:49 GMT", "Sun,06 Nov 1994 08:49:37 GMT",
    "Sun 06 Nov 1994 08:49:37 GMT", "Sun, 06-Nov-1994 08:49:37 GMT", "Sun, 06  Nov 1994 08:49:37 GMT",
    "Son, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nox 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT",
    "Sun, 31 Nov 1994 08:49:37 GMT", "Wed, 30 Feb 2000 00:00:00 GMT", "Thu, 29 Feb 2023 00:00:00 GMT",
    "Mon, 29 Feb 1900 00:00:00 GMT", "Sun, 32 Jan 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
    "Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, +6 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov -994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:3x GMT", "Sunday, 06-Nov-1994 08:49:37 GMT",
    "Sunday, 06 Nov 94 08:49:37 GMT", "Sundae, 06-Nov-94 08:49:37 GMT", "Sunday, 6-Nov-94 08:49:37 GMT",
    "Sunday,06-Nov-94 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37", "Sun Nov 6 08:49:37 1994",
    "Sun Nov  6 08:49:37 1994 GMT", "Sun Nov  6 08:49:37 94", "Sun Nov   08:49:37 1994",
    "Sun Nov 31 08:49:37 1994", "Sun  Nov 6 08:49:37 1994",
    "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
  ])
  func `is refused`(_ text: String) {
    #expect(parse(text) == nil)
  }

  @Test func `every prefix and every byte changed never trap`() {
    for text in [
      "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
    ] {
      let bytes = Array(text.utf8)
      for size in 0..<bytes.count { #expect(HTTPDate.parse(bytes.span.extracting(first: size)) == nil) }
      for i in bytes.indices {
        for byte in UInt8.min...UInt8.max {
          var changed = bytes
          changed[i] = byte
          _ = HTTPDate.parse(changed.span)
        }
      }
    }
  }

  /// 2026-06-15 12:00:00.
  private static let june2026: Int64 = 1_781_524_800

  @Test(
    arguments: [
      ("Monday, 15-Jun-26 12:00:00 GMT", 1_781_524_800),
      ("Thursday, 18-Aug-50 02:01:18 GMT", 2_544_400_878),  // 2050
      ("Sunday, 01-Jan-76 00:00:00 GMT", 3_345_062_400),  // 2076: not yet 50 years ahead
      ("Monday, 15-Jun-76 12:00:00 GMT", 3_359_448_000),  // 50 years to the second
      ("Monday, 15-Jun-76 12:00:01 GMT", 203_688_001),  // more: 1976
      ("Saturday, 01-Jan-77 00:00:00 GMT", 220_924_800),  // 1977
      ("Friday, 31-Dec-99 23:59:59 GMT", 946_684_799),  // 1999
      ("Saturday, 01-Jan-00 00:00:00 GMT", 946_684_800),  // 2000
    ] as [(String, Int64)])
  func `two digits of a year mean the nearest one that is not 50 years ahead`(
    _ text: String, _ seconds: Int64
  ) {
    let bytes = Array(text.utf8)
    #expect(HTTPDate.parse(bytes.span, now: HTTPDateTests.june2026) == seconds)
  }

  @Test func `two digits of a year, read late in a century`() {
    let bytes = Array("Friday, 01-Jan-10 00:00:00 GMT".utf8)
    let in2095: Int64 = 3_944_678_400
    let year2110: Int64 = 4_417_977_600
    #expect(HTTPDate.parse(bytes.span, now: in2095) == year2110)
  }

  @Test(
    arguments: [
      (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"), (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
      (-1, "Wed, 31 Dec 1969 23:59:59 GMT"), (951_825_600, "Tue, 29 Feb 2000 12:00:00 GMT"),
      (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"), (Int64.max, "Fri, 31 Dec 9999 23:59:59 GMT"),
      (Int64.min, "Sat, 01 Jan 0000 00:00:00 GMT"),
    ] as [(Int64, String)])
  func `is written in the preferred form`(_ seconds: Int64, _ expected: String) {
    var output = OutputBuffer(capacity: 64)
    HTTPDate.write(seconds, to: &output)
    let written = text(output.bytes)
    #expect(written == expected)
    #expect(written.utf8.count == 29)
  }

  @Test func `what is written is read again, day by day over 400 years`() {
    var output = OutputBuffer(capacity: 64)
    var wrong = 0
    for day in 0..<146_097 {
      let seconds = Int64(day) * 86400 + Int64(day % 86400)
      output.removeAll()
      HTTPDate.write(seconds, to: &output)
      if HTTPDate.parse(output.bytes) != seconds { wrong += 1 }
    }
    #expect(wrong == 0)
  }

  private func parse(_ text: String) -> Int64? {
    let bytes = Array(text.utf8)
    return HTTPDate.parse(bytes.span)
  }
}
