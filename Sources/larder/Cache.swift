import Proxy
import Storage

func runCache(_ arguments: [String]) throws(CommandError) {
  let cache = try understood { () throws(UsageError) in try CacheArguments.parse(arguments) }
  switch cache.task {
  case .list: try list(cache)
  case .show: try show(cache)
  case .verify: try verify(cache)
  }
}

/// Who tells what is in a cache directory: its files, or the server that has it.
enum CacheSource {
  case directory(StoreDirectory)
  case server(ServedCache)

  init(_ cache: CacheArguments) throws(CommandError) {
    guard let path = cache.directory else {
      self = .server(ServedCache(cache, reason: nil))
      return
    }
    do throws(StoreDirectoryError) {
      self = .directory(try StoreDirectory.examine(path))
    } catch {
      guard error.reason == .isLocked else { throw .store(error) }
      self = .server(ServedCache(cache, reason: error))
    }
  }
}

/// A server that has a cache directory, asked page by page.
struct ServedCache {
  private let client: AdminClient
  /// Why the directory itself was not read; `nil`: none was named.
  private let reason: StoreDirectoryError?

  /// A page of files to be read wholly takes as long as the longest file does.
  private static let patienceSeconds = 600

  fileprivate init(_ cache: CacheArguments, reason: StoreDirectoryError?) {
    client = AdminClient(
      cache.destination, token: cache.adminToken, flag: "--admin", patienceSeconds: Self.patienceSeconds)
    self.reason = reason
  }

  /// - Parameters:
  ///   - query: Its parameters, each with an ampersand behind it.
  ///   - take: Called with each page and its JSON.
  func pages(
    _ method: String, _ path: String, query: String = "", take: (ReportedPage, [UInt8]) -> Void
  ) throws(CommandError) {
    var cursor: UInt32? = 0
    while let at = cursor {
      let (page, json) = try page(method, "\(path)?\(query)cursor=\(at)")
      take(page, json)
      cursor = page.next
    }
  }

  func page(_ method: String, _ target: String) throws(CommandError) -> (ReportedPage, [UInt8]) {
    let json: [UInt8]
    let page: ReportedPage?
    do throws(AdminError) {
      json = try client.ask(method, target)
      page = ReportedPage(json)
      if page == nil { throw client.isUnreadable }
    } catch {
      if let reason { throw .storeInUse(reason, error) }
      throw .admin(error)
    }
    if let reason, let here = StoreDirectory.location(of: reason.path), here != page!.directory {
      throw .otherStore(reason, served: page!.directory)
    }
    return (page!, json)
  }
}

/// As the value of a parameter in a query, RFC 3986 §2.1.
func percentEncoded(_ text: String) -> String {
  var encoded = ""
  for byte in text.utf8 {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
      encoded.unicodeScalars.append(Unicode.Scalar(byte))
    default:
      let digits = String(byte, radix: 16, uppercase: true)
      encoded += digits.utf8.count == 1 ? "%0\(digits)" : "%\(digits)"
    }
  }
  return encoded
}

func warn(_ text: String) { Output.error.write("larder: \(text)\n") }
