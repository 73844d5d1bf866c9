import Bytes

/// The body of `POST /purge`: `{"url": "http://host/path"}`, `{"urls": […]}` or `{"files": […]}` (the name
/// that CDNs use), with `"soft": true` if wanted. Several of them add up.
///
/// A member that is not known is refused rather than skipped: it may have meant to purge something.
public struct PurgeRequest: Equatable, Sendable {
  /// As written, in the order of the text; at least one.
  public var urls: [[UInt8]]
  public var isSoft: Bool

  /// Most URLs in one request: each is a look-up in every stripe's index, done by a worker.
  public static let urlLimit = 1000

  public static func parse(_ body: Span<UInt8>) throws(PurgeRequestError) -> PurgeRequest {
    let json: JSON
    do { json = try JSON.parse(body) } catch { throw .notJSON(error) }
    guard case .object(let members) = json.value else { throw .notAnObject(at: json.offset) }
    var request = PurgeRequest(urls: [], isSoft: false)
    for member in members { try request.take(member) }
    guard !request.urls.isEmpty else { throw .noURL(at: json.offset) }
    return request
  }

  private mutating func take(_ member: JSONMember) throws(PurgeRequestError) {
    let name = member.name.span
    if name.equals("url") {
      try add(member.content)
    } else if name.equals("urls") || name.equals("files") {
      guard case .array(let elements) = member.content.value else {
        throw .wrongType(at: member.content.offset, wanted: "an array of strings")
      }
      for element in elements { try add(element) }
    } else if name.equals("soft") {
      guard case .bool(let soft) = member.content.value else {
        throw .wrongType(at: member.content.offset, wanted: "true or false")
      }
      isSoft = soft
    } else {
      throw .unknownMember(at: member.nameOffset)
    }
  }

  private mutating func add(_ json: JSON) throws(PurgeRequestError) {
    guard case .string(let url) = json.value else { throw .wrongType(at: json.offset, wanted: "a string") }
    guard !url.isEmpty else { throw .emptyURL(at: json.offset) }
    guard urls.count < PurgeRequest.urlLimit else { throw .tooManyURLs(at: json.offset) }
    urls.append(url)
  }
}

/// Why a purge by JSON was refused; its answer is 400.
public enum PurgeRequestError: Error, Equatable, Sendable {
  case notJSON(JSONError)
  case notAnObject(at: Int)
  case unknownMember(at: Int)
  case wrongType(at: Int, wanted: String)
  case noURL(at: Int)
  case emptyURL(at: Int)
  case tooManyURLs(at: Int)

  /// Byte offset of the fault in the body.
  public var offset: Int {
    switch self {
    case .notJSON(let error): error.offset
    case .notAnObject(let at), .unknownMember(let at), .wrongType(let at, _), .noURL(let at),
      .emptyURL(let at), .tooManyURLs(let at):
      at
    }
  }

  public var text: String {
    switch self {
    case .notJSON(let error): error.text.description
    case .notAnObject: "expected an object such as {\"url\": \"http://host/path\"}"
    case .unknownMember: "unknown member; url, urls, files and soft are known"
    case .wrongType(_, let wanted): "expected \(wanted)"
    case .noURL: "no URL named; expected url, urls or files"
    case .emptyURL: "a URL is empty"
    case .tooManyURLs: "more than \(PurgeRequest.urlLimit) URLs"
    }
  }
}
