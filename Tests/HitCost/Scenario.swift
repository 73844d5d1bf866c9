/// A kind of hit.
struct Scenario {
  let name: String
  let path: String
  /// Request fields behind `Host`, each line ended.
  var fields = ""
  var method = "GET"
  /// Start of the response that shows that it was such a hit.
  var status = "HTTP/1.1 200 "

  var hasBody: Bool { method != "HEAD" && !status.contains("304") }

  var request: String { "\(method) \(path) HTTP/1.1\r\nHost: cost.test\r\n\(fields)\r\n" }

  static let browserFields = """
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0\r
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r
    Accept-Language: en-GB,en;q=0.5\r
    Accept-Encoding: gzip, deflate, br, zstd\r
    Referer: http://cost.test/articles/2031/index.html\r
    Connection: keep-alive\r
    Priority: u=0, i\r

    """

  static let all = [
    Scenario(name: "plain", path: "/1024"),
    Scenario(name: "browser", path: "/1024", fields: browserFields),
    Scenario(name: "large", path: "/60000"),
    Scenario(name: "varying", path: "/vary", fields: browserFields),
    Scenario(name: "head", path: "/1024", method: "HEAD"),
    Scenario(
      name: "not-modified", path: "/1024", fields: "If-None-Match: \"one\"\r\n", status: "HTTP/1.1 304 "),
    Scenario(name: "range", path: "/1024", fields: "Range: bytes=0-99\r\n", status: "HTTP/1.1 206 "),
  ]

  /// What the origin answers.
  static func response(to request: [UInt8]) -> String {
    let target = String(decoding: request, as: UTF8.self).split(separator: " ")[1].dropFirst()
    let length = Int(target) ?? 1024
    let vary = target == "vary" ? "Vary: Accept-Encoding\r\n" : ""
    return "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
      + "Cache-Control: max-age=86400\r\nETag: \"one\"\r\n\(vary)Content-Length: \(length)\r\n\r\n"
      + String(repeating: "x", count: length)
  }
}
