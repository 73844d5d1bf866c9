import Bytes
import Caching
import HTTP
import IO
import Telemetry

/// `PURGE` on a listener for clients: everything under the request's URL goes (lifecycle L7, L19 to L24).
extension Exchange {
  func purge() {
    guard mayPurge else { return refusePurge() }
    switch worker.policy.purge(self) {
    case .purge: break
    case .synthesize(let response): return deliverSynthetic(response)
    case .restart: return restart()
    case .fail: return fail()
    }
    let worker = worker
    worker.url.removeAll()
    writeCanonicalURL(request, to: &worker.url)
    let isSoft = request.head.withValue(of: .softPurge) { $0.equals("1") } ?? false
    let result = worker.purge(worker.url.bytes, soft: isSoft, for: self)
    worker.counters.add(isSoft ? .softPurges : .hardPurges)
    worker.counters.add(.entriesPurged, result.purged)
    purged = result
    if diskTicket == 0 { purgeIsLogged(true) }
  }

  /// The purge is in force since it began; now it also outlives a crash, unless the disk has refused to note
  /// it (L22).
  func purgeIsLogged(_ isDurable: Bool) {
    if facts.role == .admin { return worker.admin.purgeIsLogged(self, isDurable) }
    var answer = OutputBuffer(capacity: 128)
    request.head.withBytes(request.authority) { host in
      AdminText.writePurge(
        count: purged.purged, host: host, sequence: purged.sequence, isDurable: isDurable, to: &answer)
    }
    decision = .purge(.done)
    deliverOwn(status: 200, body: answer.bytes.array, contentType: "application/json")
  }

  private var mayPurge: Bool {
    guard let client else { return false }
    if client.isLoopback, !isTrulyLocal { return false }
    return worker.configuration.purgeFrom.contains { $0.contains(client) }
  }

  private func refusePurge() {
    let seen = client?.hostText ?? "unknown"
    decision = .purge(.refused)
    deliverOwn(
      status: 403,
      body: Array("PURGE is not allowed from \(seen); --purge-from \(seen) would allow it.\n".utf8))
  }
}
