import Bytes
import HTTP
public import IO

/// The small origin that stands in when no backend is named: a few pages that show what a cache does.
public enum DemoOrigin {
  /// Serves until SIGTERM or SIGINT.
  public static func run(listen: [SocketAddress]) throws(ServiceError) {
    var configuration = Configuration()
    configuration.listen = listen.map { ListenSetting($0) }
    configuration.admin = nil
    configuration.workers = 1
    configuration.memoryBytes = smallMemory
    try Service.serve(configuration, role: .demoOrigin)
  }

  static let smallMemory = 8 << 20

  static let paths = ["/", "/api/users", "/api/time", "/slow", "/bytes/65536"]

  static func answer(_ exchange: Exchange) {
    guard !exchange.requestHasBody else { return exchange.collect(limit: 1 << 20) }
    let target = exchange.request.head.withBytes(exchange.request.pathAndQuery) { $0.array }
    let path = target.span.extracting(0..<(target.firstIndex(of: .question) ?? target.count))
    if path.equals("/") {
      page(
        exchange, "Larder's demo origin. Try \(paths.joined(separator: " "))\n",
        "Cache-Control: max-age=10\r\n")
    } else if path.equals("/api/users") {
      json(
        exchange, #"[{"id":1,"name":"Ada"},{"id":2,"name":"Grace"}]"#,
        "Cache-Control: s-maxage=60\r\nETag: \"users-1\"\r\n")
    } else if path.equals("/api/time") {
      json(exchange, "{\"seconds\":\(exchange.worker.loop.wallSeconds)}", "Cache-Control: no-store\r\n")
    } else if path.equals("/slow") {
      exchange.waitForDemo(milliseconds: 1000)
    } else if path.count > 7, path.extracting(0..<7).equals("/bytes/"),
      let count = path.extracting(7..<path.count).decimal, count <= 16 << 20
    {
      exchange.deliverOwn(
        status: 200, body: [UInt8](repeating: 120, count: count), contentType: "application/octet-stream",
        extra: "Cache-Control: max-age=60\r\n")
    } else {
      exchange.deliverOwn(
        status: 404, body: Array("Nothing here.\n".utf8), extra: "Cache-Control: max-age=5\r\n")
    }
  }

  /// What `/slow` says after its second.
  static func answerSlowly(_ exchange: Exchange) {
    page(exchange, "At last.\n", "Cache-Control: max-age=10\r\n")
  }

  /// A request with a body gets it back.
  static func answerWhole(_ exchange: Exchange) {
    exchange.deliverOwn(
      status: 200, body: exchange.collected, contentType: "application/octet-stream",
      extra: "Cache-Control: no-store\r\n")
  }

  private static func page(_ exchange: Exchange, _ text: String, _ extra: String) {
    exchange.deliverOwn(status: 200, body: Array(text.utf8), extra: extra)
  }

  private static func json(_ exchange: Exchange, _ text: String, _ extra: String) {
    exchange.deliverOwn(
      status: 200, body: Array("\(text)\n".utf8), contentType: "application/json", extra: extra)
  }
}
