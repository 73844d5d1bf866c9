import Bytes
import Glibc

/// The time as `[24/Nov/2025:12:34:46 +0100]` has it, without the brackets: local, made once a second.
///
/// Source: `$time_local` of nginx; the names of months do not follow the locale.
struct LogClock: ~Copyable {
  private var text = OutputBuffer(capacity: 32)
  private var second = Int64.min

  /// Makes the text for this second since 1970, unless it is the one at hand.
  mutating func set(_ now: Int64) {
    guard now != second else { return }
    second = now
    var parts = unsafe tm()
    var seconds = time_t(now)
    // SAFETY: both point to locals; a year beyond Int32 gives NULL and leaves `parts` zero.
    if unsafe localtime_r(&seconds, &parts) == nil { unsafe parts = unsafe tm() }
    unsafe write(parts)
  }

  var bytes: Span<UInt8> {
    @_lifetime(borrow self)
    get { text.bytes }
  }

  private mutating func write(_ parts: tm) {
    text.removeAll()
    unsafe text.appendPadded(Int(parts.tm_mday), digits: 2)
    text.append(.slash)
    text.append(unsafe monthName(Int(parts.tm_mon)))
    text.append(.slash)
    unsafe text.appendPadded(Int(parts.tm_year) + 1900, digits: 4)
    for part in unsafe [parts.tm_hour, parts.tm_min, parts.tm_sec] {
      text.append(.colon)
      text.appendPadded(Int(part), digits: 2)
    }
    text.append(.space)
    let minutes = unsafe Int(parts.tm_gmtoff) / 60
    text.append(minutes < 0 ? UInt8.dash : UInt8(ascii: "+"))
    text.appendPadded(abs(minutes) / 60, digits: 2)
    text.appendPadded(abs(minutes) % 60, digits: 2)
  }
}

private func monthName(_ month: Int) -> StaticString {
  switch month {
  case 0: "Jan"
  case 1: "Feb"
  case 2: "Mar"
  case 3: "Apr"
  case 4: "May"
  case 5: "Jun"
  case 6: "Jul"
  case 7: "Aug"
  case 8: "Sep"
  case 9: "Oct"
  case 10: "Nov"
  default: "Dec"
  }
}
