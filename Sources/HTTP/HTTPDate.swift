public import Bytes

/// Dates of HTTP, RFC 9110 §5.6.7, as seconds since 1970 without leap seconds.
public enum HTTPDate {
  /// Reads the preferred form (`Sun, 06 Nov 1994 08:49:37 GMT`), RFC 850's
  /// (`Sunday, 06-Nov-94 08:49:37 GMT`) and asctime's (`Sun Nov  6 08:49:37 1994`).
  ///
  /// Names are compared without regard to case (RFC 9111 §4.2); all else must be as the grammar has it. The
  /// weekday must be one, but need not be the date's. Second 60 is taken for the next minute's 0.
  ///
  /// - Parameter now: Places two-digit years: a date more than 50 years ahead of it is of the century before.
  ///   Left out, it is the start of 2026.
  /// - Returns: `nil` for anything else, and for days that no month has.
  public static func parse(_ bytes: Span<UInt8>, now: Int64 = 1_767_225_600) -> Int64? {
    guard let comma = bytes.firstIndex(of: .comma) else { return asctime(bytes) }
    return comma == 3 ? fixdate(bytes) : rfc850(bytes, comma, now)
  }

  /// Writes the preferred form, 29 bytes. Seconds outside the years 0 to 9999 are moved to the nearest
  /// inside.
  public static func write(_ seconds: Int64, to output: inout OutputBuffer) {
    let date = CivilDate(seconds: min(max(seconds, -62_167_219_200), 253_402_300_799))
    append(weekdayNames, date.weekday, to: &output)
    output.append(", ")
    append(date.day, digits: 2, to: &output)
    output.append(.space)
    append(monthNames, date.month - 1, to: &output)
    output.append(.space)
    append(date.year, digits: 4, to: &output)
    output.append(.space)
    append(date.second / 3600, digits: 2, to: &output)
    output.append(.colon)
    append(date.second / 60 % 60, digits: 2, to: &output)
    output.append(.colon)
    append(date.second % 60, digits: 2, to: &output)
    output.append(" GMT")
  }

  private static var weekdayNames: StaticString { "SunMonTueWedThuFriSat" }
  private static var monthNames: StaticString { "JanFebMarAprMayJunJulAugSepOctNovDec" }

  private static func append(_ names: StaticString, _ index: Int, to output: inout OutputBuffer) {
    // SAFETY: the caller's index is of a weekday or month, and names have 3 letters each.
    unsafe output.append(from: names.utf8Start + index * 3, count: 3)
  }

  private static func append(_ value: Int, digits: Int, to output: inout OutputBuffer) {
    var place = digits == 4 ? 1000 : 10
    while place > 0 {
      output.append(48 + UInt8(truncatingIfNeeded: value / place % 10))
      place /= 10
    }
  }

  /// `Sun, 06 Nov 1994 08:49:37 GMT`
  private static func fixdate(_ bytes: Span<UInt8>) -> Int64? {
    guard bytes.count == 29, name(bytes, at: 0, of: weekdayNames) != nil, bytes[4] == .space,
      let day = number(bytes, 5..<7), bytes[7] == .space, let month = name(bytes, at: 8, of: monthNames),
      bytes[11] == .space, let year = number(bytes, 12..<16), bytes[16] == .space,
      let second = time(bytes, at: 17), isZone(bytes, at: 25)
    else { return nil }
    return CivilDate.seconds(year: year, month: month + 1, day: day, second: second)
  }

  /// `Sunday, 06-Nov-94 08:49:37 GMT`
  private static func rfc850(_ bytes: Span<UInt8>, _ comma: Int, _ now: Int64) -> Int64? {
    let at = comma + 2
    guard bytes.count == at + 22, isLongWeekday(bytes.extracting(0..<comma)), bytes[comma + 1] == .space,
      let day = number(bytes, at..<(at + 2)), bytes[at + 2] == .dash,
      let month = name(bytes, at: at + 3, of: monthNames), bytes[at + 6] == .dash,
      let shortYear = number(bytes, (at + 7)..<(at + 9)), bytes[at + 9] == .space,
      let second = time(bytes, at: at + 10), isZone(bytes, at: at + 18)
    else { return nil }
    let today = CivilDate(seconds: min(max(now, 0), 253_402_300_799))
    // The century of the year 50 years ahead holds every two-digit year that is not further off than that.
    var year = (today.year + 50) / 100 * 100 + shortYear
    if year > today.year + 50 { year -= 100 }
    guard let seconds = CivilDate.seconds(year: year, month: month + 1, day: day, second: second) else {
      return nil
    }
    if year < today.year + 50 || seconds <= today.later(byYears: 50) { return seconds }
    return CivilDate.seconds(year: year - 100, month: month + 1, day: day, second: second)
  }

  /// `Sun Nov  6 08:49:37 1994`
  private static func asctime(_ bytes: Span<UInt8>) -> Int64? {
    guard bytes.count == 24, name(bytes, at: 0, of: weekdayNames) != nil, bytes[3] == .space,
      let month = name(bytes, at: 4, of: monthNames), bytes[7] == .space,
      let day = number(bytes, (bytes[8] == .space ? 9 : 8)..<10), bytes[10] == .space,
      let second = time(bytes, at: 11), bytes[19] == .space, let year = number(bytes, 20..<24)
    else { return nil }
    return CivilDate.seconds(year: year, month: month + 1, day: day, second: second)
  }

  /// The index of the name of 3 letters at `start`.
  private static func name(_ bytes: Span<UInt8>, at start: Int, of names: StaticString) -> Int? {
    for index in 0..<(names.utf8CodeUnitCount / 3) {
      // SAFETY: three letters of the static string.
      let letters = unsafe names.utf8Start + index * 3
      if unsafe bytes[start].lowered == letters[0].lowered && bytes[start + 1].lowered == letters[1]
        && bytes[start + 2].lowered == letters[2]
      {
        return index
      }
    }
    return nil
  }

  private static func isLongWeekday(_ bytes: Span<UInt8>) -> Bool {
    bytes.equalsIgnoringCase("monday") || bytes.equalsIgnoringCase("tuesday")
      || bytes.equalsIgnoringCase("wednesday") || bytes.equalsIgnoringCase("thursday")
      || bytes.equalsIgnoringCase("friday") || bytes.equalsIgnoringCase("saturday")
      || bytes.equalsIgnoringCase("sunday")
  }

  private static func isZone(_ bytes: Span<UInt8>, at start: Int) -> Bool {
    bytes.extracting(start..<(start + 4)).equalsIgnoringCase(" gmt")
  }

  private static func number(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Int? {
    bytes.extracting(range).decimal
  }

  /// `08:49:37` as seconds of the day.
  private static func time(_ bytes: Span<UInt8>, at start: Int) -> Int? {
    guard let hour = number(bytes, start..<(start + 2)), bytes[start + 2] == .colon,
      let minute = number(bytes, (start + 3)..<(start + 5)), bytes[start + 5] == .colon,
      let second = number(bytes, (start + 6)..<(start + 8)), hour < 24, minute < 60, second <= 60
    else { return nil }
    return hour * 3600 + minute * 60 + second
  }
}

/// A day of the Gregorian calendar and the second in it.
struct CivilDate {
  var year: Int
  /// 1 through 12.
  var month: Int
  var day: Int
  /// 0 is Sunday.
  var weekday: Int
  /// Of the day.
  var second: Int

  /// The algorithm counts from March 1 of year 0, so that the leap day is a year's last: Howard Hinnant,
  /// "chrono-Compatible Low-Level Date Algorithms".
  init(seconds: Int64) {
    var days = Int(seconds) / 86400
    second = Int(seconds) % 86400
    if second < 0 {
      second += 86400
      days -= 1
    }
    // 1970-01-01 was a Thursday; the sum stays positive from year 0 on.
    weekday = (days + 4 + 7 * 110_000) % 7
    days += 719_468
    let era = (days >= 0 ? days : days - 146_096) / 146_097
    let dayOfEra = days - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
    month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  }

  /// The same day and time of another year; from a leap day the day before it, if that year has none.
  func later(byYears years: Int) -> Int64 {
    let last = CivilDate.length(ofMonth: month, year: year + years)
    return CivilDate.seconds(year: year + years, month: month, day: min(day, last), second: second) ?? 0
  }

  /// `nil` for a day that the month does not have.
  static func seconds(year: Int, month: Int, day: Int, second: Int) -> Int64? {
    guard day >= 1, day <= length(ofMonth: month, year: year) else { return nil }
    let shifted = month <= 2 ? year - 1 : year
    let era = (shifted >= 0 ? shifted : shifted - 399) / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return Int64(era * 146_097 + dayOfEra - 719_468) * 86400 + Int64(second)
  }

  private static func length(ofMonth month: Int, year: Int) -> Int {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }
}
