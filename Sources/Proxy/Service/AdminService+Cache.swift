import Caching
import Storage

/// `/cache`, `/cache/entry` and `/cache/verify`: what the disk tier holds. All of it is read by disk threads,
/// a bounded piece per request.
extension AdminService {
  /// `GET /cache?url=GLOB&cursor=N`
  func list(_ exchange: Exchange, _ target: AdminTarget) {
    guard let disk = diskToShow(exchange, writes: false) else { return }
    guard let cursor = target.cursor else { return refuseCursor(exchange) }
    var pattern: URLPattern?
    if let text = target.value(of: "url") {
      pattern = URLPattern(text)
      guard pattern != nil else {
        return refuse(
          exchange, 400, "not a pattern of URLs: \(text), expected http://host/path, with * for any text")
      }
    }
    report(exchange) { answer in
      disk.list(pattern, from: cursor) {
        answer(CacheReport.json($0, of: disk.directory, showsHeads: false))
      }
    }
  }

  /// `GET /cache/entry?url=URL`
  func describe(_ exchange: Exchange, _ target: AdminTarget) {
    guard let disk = diskToShow(exchange, writes: false) else { return }
    let text = target.value(of: "url") ?? ""
    guard let url = canonicalURL(from: Array(text.utf8).span) else {
      return refuse(exchange, 400, "not a URL: \(text), expected http://host/path")
    }
    report(exchange) { answer in
      disk.describe(url: url) { answer(CacheReport.json($0, of: disk.directory, showsHeads: true)) }
    }
  }

  /// `POST /cache/verify?cursor=N`
  func verify(_ exchange: Exchange, _ target: AdminTarget) {
    guard let disk = diskToShow(exchange, writes: true) else { return }
    guard let cursor = target.cursor else { return refuseCursor(exchange) }
    report(exchange) { answer in
      disk.verify(from: cursor) { answer(CacheReport.json($0, of: disk.directory)) }
    }
  }

  private func report(_ exchange: Exchange, _ ask: (@escaping @Sendable ([UInt8]) -> Void) -> Bool) {
    if !exchange.worker.report(to: exchange, ask) { refuse(exchange, 503, "the process is ending") }
  }

  /// `nil`: the exchange has been refused.
  private func diskToShow(_ exchange: Exchange, writes: Bool) -> DiskStore? {
    guard isAuthorized(exchange, writes: writes) else {
      let type = writes ? " and Content-Type: application/json" : ""
      refuse(exchange, 403, "this needs the admin token, or loopback as address and Host\(type)")
      return nil
    }
    guard let disk = deployment.disk else {
      refuse(exchange, 404, "this larder keeps nothing on a disk: it was started without --disk")
      return nil
    }
    return disk
  }

  private func refuseCursor(_ exchange: Exchange) {
    refuse(exchange, 400, "cursor: expected a number that the page before has given as next")
  }
}
