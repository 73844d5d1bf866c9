import Bytes
import Glibc

/// The time of a line in both of nginx's forms, local, made once a second: `24/Nov/2025:12:34:46 +0100` and
/// `2025-11-24T12:34:46+01:00`.
///
/// Source: `$time_local` and `$time_iso8601` of nginx; the names of months do not follow the locale.
struct LogClock: ~Copyable {
  private var localText = OutputBuffer(capacity: 32)
  private var isoText = OutputBuffer(capacity: 32)
  private var second = Int64.min

  /// Makes the texts for this second since 1970, unless they are those at hand.
  mutating func set(_ now: Int64) {
    guard now != second else { return }
    second = now
    var parts = unsafe tm()
    var seconds = time_t(now)
    // SAFETY: both point to locals; a year beyond Int32 gives NULL and leaves `parts` zero.
    if unsafe localtime_r(&seconds, &parts) == nil { unsafe parts = unsafe tm() }
    unsafe writeLocal(parts)
    unsafe writeISO(parts)
  }

  func appendLocal(to out: inout OutputBuffer) { out.append(localText.bytes) }

  func appendISO(to out: inout OutputBuffer) { out.append(isoText.bytes) }

  private mutating func writeLocal(_ parts: tm) {
    localText.removeAll()
    unsafe localText.append(twoDigits: Int(parts.tm_mday))
    localText.append(.slash)
    localText.append(unsafe monthName(Int(parts.tm_mon)))
    localText.append(.slash)
    unsafe localText.append(fourDigits: Int(parts.tm_year) + 1900)
    localText.append(.colon)
    unsafe localText.append(timeOf: parts)
    localText.append(.space)
    unsafe localText.append(offsetOf: parts, hasColon: false)
  }

  private mutating func writeISO(_ parts: tm) {
    isoText.removeAll()
    unsafe isoText.append(fourDigits: Int(parts.tm_year) + 1900)
    isoText.append(.dash)
    unsafe isoText.append(twoDigits: Int(parts.tm_mon) + 1)
    isoText.append(.dash)
    unsafe isoText.append(twoDigits: Int(parts.tm_mday))
    isoText.append("T")
    unsafe isoText.append(timeOf: parts)
    unsafe isoText.append(offsetOf: parts, hasColon: true)
  }
}

extension OutputBuffer {
  fileprivate mutating func append(fourDigits value: Int) {
    append(twoDigits: value / 100 % 100)
    append(twoDigits: value % 100)
  }

  fileprivate mutating func append(timeOf parts: tm) {
    unsafe append(twoDigits: Int(parts.tm_hour))
    append(.colon)
    unsafe append(twoDigits: Int(parts.tm_min))
    append(.colon)
    unsafe append(twoDigits: Int(parts.tm_sec))
  }

  fileprivate mutating func append(offsetOf parts: tm, hasColon: Bool) {
    let minutes = unsafe Int(parts.tm_gmtoff) / 60
    append(minutes < 0 ? UInt8.dash : UInt8(ascii: "+"))
    append(twoDigits: abs(minutes) / 60)
    if hasColon { append(.colon) }
    append(twoDigits: abs(minutes) % 60)
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
