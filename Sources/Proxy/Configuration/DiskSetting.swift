public import Storage

/// The disk tier as the command line has it: `PATH[,size=SIZE][,inactive=DURATION]…`, in the words of nginx's
/// `proxy_cache_path`.
public struct DiskSetting: Sendable, Equatable {
  public var path: String
  /// Bytes of the file system, temporary files included.
  public var sizeBytes = 10 << 30
  /// After so many seconds without use an entry leaves.
  public var inactiveSeconds = 3600
  public var levels = DiskLevels.default
  /// Bytes that the file system keeps free.
  public var minFreeBytes = 0
  public var maxEntries: Int?
  /// A response is written when it was asked for so often.
  public var minUses = 1

  static let sizeRange = 1 << 20...1 << 60

  static func parse(_ text: String) throws(Rejection) -> DiskSetting? {
    if text == "none" { return nil }
    let parts = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    guard let path = parts.first, !path.isEmpty, !path.utf8.contains(0) else { throw Rejection(text) }
    var setting = DiskSetting(path: path)
    for part in parts.dropFirst() {
      guard let equals = part.firstIndex(of: "=") else {
        throw Rejection(part, expected: "a part such as size=10GiB")
      }
      try setting.set(String(part[..<equals]), to: String(part[part.index(after: equals)...]))
    }
    return setting
  }

  private mutating func set(_ name: String, to value: String) throws(Rejection) {
    switch name {
    case "size":
      guard let bytes = Quantity.bytes(value), Self.sizeRange.contains(bytes) else {
        throw Rejection("size=\(value)", expected: "a size of at least 1MiB, such as 10GiB")
      }
      sizeBytes = bytes
    case "inactive":
      guard let time = Quantity.milliseconds(value), time >= 1000 else {
        throw Rejection("inactive=\(value)", expected: "a time of at least 1s, such as 60m")
      }
      inactiveSeconds = time / 1000
    case "levels":
      do { levels = try DiskLevels(value) } catch {
        throw Rejection("levels=\(value)", expected: error.expectation)
      }
    case "min-free":
      guard let bytes = Quantity.bytes(value) else {
        throw Rejection("min-free=\(value)", expected: "a size such as 1GiB")
      }
      minFreeBytes = bytes
    case "max-entries":
      guard let count = Int(value), count > 0 else {
        throw Rejection("max-entries=\(value)", expected: "a number of entries")
      }
      maxEntries = count
    case "min-uses":
      guard let count = Int(value), 1...AdmissionFilter.mostUses ~= count else {
        throw Rejection("min-uses=\(value)", expected: "a number from 1 to \(AdmissionFilter.mostUses)")
      }
      minUses = count
    default:
      throw Rejection(name, expected: "size, inactive, levels, min-free, max-entries or min-uses")
    }
  }

  /// The form that `parse` reads, with every value.
  var description: String {
    var text = "\(path),size=\(Quantity.describe(bytes: sizeBytes))"
    text += ",inactive=\(Quantity.describe(milliseconds: inactiveSeconds * 1000)),levels=\(levels.text)"
    if minFreeBytes > 0 { text += ",min-free=\(Quantity.describe(bytes: minFreeBytes))" }
    if let maxEntries { text += ",max-entries=\(maxEntries)" }
    if minUses > 1 { text += ",min-uses=\(minUses)" }
    return text
  }

  /// - Parameters:
  ///   - memoryObject: Longest body that may lie in memory.
  ///   - openFiles: Most files that may be held open.
  func options(memoryObject: Int, openFiles: Int) -> DiskOptions {
    var limits = DiskLimits(
      size: sizeBytes, inactive: Int64(clamping: inactiveSeconds), minFree: minFreeBytes)
    if let maxEntries { limits.maxEntries = maxEntries }
    var options = DiskOptions(limits: limits, memoryObject: memoryObject)
    options.minUses = minUses
    options.openFiles = openFiles
    return options
  }
}
