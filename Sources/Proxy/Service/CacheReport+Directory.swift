import Bytes
import Caching
import HTTP
public import Storage

/// The same reports of a directory that no server has.
extension CacheReport {
  /// - Parameters:
  ///   - pattern: As `CacheArguments` has it; `nil`: all.
  ///   - take: Called with each page and its JSON.
  public static func list(
    _ directory: StoreDirectory, pattern: String?, take: (ReportedPage, [UInt8]) -> Void
  ) {
    let pattern = pattern.flatMap { URLPattern($0) }
    StoreListing(directory).run(where: { pattern?.matches($0) ?? true }) { page in
      report(json(page, of: directory, showsHeads: false), take)
    }
  }

  /// Every response under a URL.
  public static func describe(
    _ directory: StoreDirectory, url: String, take: (ReportedPage, [UInt8]) -> Void
  ) {
    guard let url = canonicalURL(from: Array(url.utf8).span) else { return }
    StoreListing(directory).run(where: { $0.equals(url.span) }, checkBytes: EntryPage.checkBytes) { page in
      report(json(page, of: directory, showsHeads: true), take)
    }
  }

  private static func report(_ json: [UInt8], _ take: (ReportedPage, [UInt8]) -> Void) {
    if let page = ReportedPage(json) { take(page, json) }
  }

  /// A moment for people.
  ///
  /// - Parameter wallTime: Seconds since 1970.
  public static func time(_ wallTime: Int64) -> String {
    var text = OutputBuffer(capacity: 32)
    HTTPDate.write(wallTime, to: &text)
    return String(decoding: text.bytes.array, as: UTF8.self)
  }
}
