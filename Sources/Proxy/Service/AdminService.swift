import Bytes
import Caching
import HTTP
import IO
import Storage
import Telemetry
import Upstream

/// The operator's listener: `/health`, `/ready`, `/metrics`, `/purge` and `/cache` (lifecycle L26).
struct AdminService {
  /// Longest body of a `POST`, in bytes.
  static let bodyLimit = 1 << 20

  let deployment: Deployment

  /// Called when the head is complete; a body is collected first.
  func answer(_ exchange: Exchange) {
    guard exchange.requestHasBody else { return answerWhole(exchange) }
    exchange.collect(limit: Self.bodyLimit)
  }

  /// Called when all of the request is here.
  func answerWhole(_ exchange: Exchange) {
    // A scraper may send a query, which /metrics does not ask for.
    let target = exchange.request.head.withBytes(exchange.request.pathAndQuery) { AdminTarget($0) }
    let isRead = exchange.request.method == .get || exchange.request.method == .head
    switch target.path {
    case "/health": isRead ? health(exchange) : wrongMethod(exchange, "GET")
    case "/ready": isRead ? ready(exchange) : wrongMethod(exchange, "GET")
    case "/metrics": isRead ? metrics(exchange) : wrongMethod(exchange, "GET")
    case "/purge": exchange.request.method == .post ? purge(exchange) : wrongMethod(exchange, "POST")
    case "/cache": isRead ? list(exchange, target) : wrongMethod(exchange, "GET")
    case "/cache/entry": isRead ? describe(exchange, target) : wrongMethod(exchange, "GET")
    case "/cache/verify":
      exchange.request.method == .post ? verify(exchange, target) : wrongMethod(exchange, "POST")
    default:
      refuse(
        exchange, 404,
        "there is /health, /ready, /metrics, /purge, /cache, /cache/entry and /cache/verify")
    }
  }

  func refuse(_ exchange: Exchange, _ status: UInt16, _ text: String, extra: String = "") {
    var answer = OutputBuffer(capacity: 128)
    AdminText.writeError(text, to: &answer)
    exchange.deliverOwn(
      status: status, body: answer.bytes.array, contentType: AdminText.contentType, extra: extra)
  }

  private func wrongMethod(_ exchange: Exchange, _ allowed: String) {
    refuse(exchange, 405, "the method is \(allowed)", extra: "Allow: \(allowed)\r\n")
  }

  private func health(_ exchange: Exchange) {
    var answer = OutputBuffer(capacity: 128)
    let uptime = Int(exchange.worker.loop.cacheSeconds - deployment.startedAt)
    AdminText.writeHealth(version: Service.version, uptimeSeconds: uptime, to: &answer)
    exchange.deliverOwn(status: 200, body: answer.bytes.array, contentType: AdminText.contentType)
  }

  private func ready(_ exchange: Exchange) {
    let servers = deployment.pool.snapshot().servers
    let usable = servers.count { $0.state == .up }
    var answer = OutputBuffer(capacity: 256)
    var checks: [ReadinessCheck] = [
      .accepting(isDraining: deployment.isDraining.load(ordering: .relaxed)),
      .upstream(usable: usable, of: servers.count),
    ]
    if let disk = deployment.disk { checks.append(.disk(fault: disk.health.fault)) }
    let status = AdminText.writeReadiness(checks, to: &answer)
    exchange.deliverOwn(status: status, body: answer.bytes.array, contentType: AdminText.contentType)
  }

  private func metrics(_ exchange: Exchange) {
    let statistics = deployment.store.statistics
    let pool = deployment.pool.snapshot()
    let servers = pool.servers.map {
      ServerSample(
        name: $0.name, isUp: $0.state == .up, active: $0.inUse, failures: Int(clamping: $0.failures),
        ejections: $0.ejections)
    }
    let text = MetricsText(
      workers: deployment.counters, decisionNames: Decision.allCases.map { "\($0.logName)" },
      process: ProcessSample(
        version: Service.version, startedAt: deployment.startedAt,
        isDraining: deployment.isDraining.load(ordering: .relaxed),
        maxClients: deployment.configuration.maxClients,
        accessLogErrors: deployment.accessLog.writeErrors,
        accessLogLinesLost: deployment.accessLog.linesLost),
      memory: MemorySample(
        budgetBytes: statistics.arena.budget, usedBytes: statistics.arena.countedBytes,
        inFlightBytes: deployment.store.inFlight.bytes,
        inFlightLimitBytes: deployment.store.inFlight.limit,
        entries: statistics.entries, marks: statistics.marks, purgeRecords: statistics.purgeRecords,
        evictions: [
          ("memory", Int(clamping: statistics.evictions)),
          ("variants", Int(clamping: statistics.variantsDropped)),
        ]),
      disk: deployment.disk.map { DiskSample($0) },
      pools: [PoolSample(name: "default", waiting: pool.queueLength, servers: servers)])
    var answer = OutputBuffer(capacity: 16384)
    text.write(to: &answer)
    exchange.deliverOwn(status: 200, body: answer.bytes.array, contentType: MetricsText.contentType)
  }

  private func purge(_ exchange: Exchange) {
    guard isAuthorized(exchange, writes: true) else {
      return refuse(
        exchange, 403,
        "a purge needs the admin token, or loopback as address and Host and Content-Type: application/json")
    }
    let body = exchange.collected
    let request: PurgeRequest
    do throws(PurgeRequestError) {
      request = try PurgeRequest.parse(body.span)
    } catch {
      var answer = OutputBuffer(capacity: 128)
      AdminText.writeError(error.text, offset: error.offset, to: &answer)
      return exchange.deliverOwn(
        status: 400, body: answer.bytes.array, contentType: AdminText.contentType)
    }
    let urls = request.urls.map { canonicalURL(from: $0.span) }
    guard let malformed = urls.firstIndex(of: nil) else {
      return carryOut(urls.compactMap { $0 }, isSoft: request.isSoft, for: exchange)
    }
    refuse(
      exchange, 400,
      "not a URL: \(String(decoding: request.urls[malformed], as: UTF8.self)), expected http://host/path")
  }

  private func carryOut(_ urls: [[UInt8]], isSoft: Bool, for exchange: Exchange) {
    var count = 0
    var sequence: UInt64 = 0
    for (index, url) in urls.enumerated() {
      // Whoever waits for the last waits for all: the log keeps their order.
      let isLast = index == urls.count - 1
      let result = exchange.worker.purge(url.span, soft: isSoft, for: isLast ? exchange : nil)
      count += result.purged
      sequence = result.sequence
    }
    let counters = exchange.worker.counters
    counters.add(isSoft ? .softPurges : .hardPurges, urls.count)
    counters.add(.entriesPurged, count)
    exchange.purged = (count, sequence)
    exchange.purgedHost = urls.first.map { Array($0.prefix { $0 != .slash }) } ?? []
    if exchange.diskTicket == 0 { purgeIsLogged(exchange, true) }
  }

  func purgeIsLogged(_ exchange: Exchange, _ isDurable: Bool) {
    var answer = OutputBuffer(capacity: 128)
    let host = exchange.purgedHost
    AdminText.writePurge(
      count: exchange.purged.purged, host: host.span, sequence: exchange.purged.sequence,
      isDurable: isDurable, to: &answer)
    exchange.deliverOwn(status: 200, body: answer.bytes.array, contentType: AdminText.contentType)
  }

  /// A page in somebody's browser can reach this listener, by a form or by a name that resolves to it. It
  /// cannot set this content type unasked, nor a literal loopback Host; and what it gets without either of
  /// them it cannot read.
  ///
  /// - Parameter writes: The content type is asked for.
  func isAuthorized(_ exchange: Exchange, writes: Bool) -> Bool {
    let token = Array((deployment.configuration.adminToken ?? "").utf8)
    if !token.isEmpty {
      return exchange.request.head.withValue(of: .authorization) { value in
        guard value.count > 7, value.extracting(0..<7).equalsIgnoringCase("bearer ") else { return false }
        return isSame(value.extracting(7..<value.count), token.span)
      } ?? false
    }
    guard exchange.isTrulyLocal else { return false }
    let isJSON = exchange.request.head.withValue(of: .contentType) { type in
      let end = type.firstIndex(of: .semicolon) ?? type.count
      return type.extracting(type.trimmed(ByteRange(0, end))).equalsIgnoringCase("application/json")
    }
    guard !writes || isJSON ?? false else { return false }
    return exchange.request.head.withBytes(exchange.request.authority) { isLoopbackHost($0) }
  }

  /// In time that does not depend on where they differ.
  private func isSame(_ one: Span<UInt8>, _ other: Span<UInt8>) -> Bool {
    guard one.count == other.count else { return false }
    var difference: UInt8 = 0
    for i in one.indices { difference |= one[i] ^ other[i] }
    return difference == 0
  }

  private func isLoopbackHost(_ authority: Span<UInt8>) -> Bool {
    let text = String(decoding: authority.array, as: UTF8.self)
    if text == "localhost" || text.hasPrefix("localhost:") { return true }
    let withPort = text.hasSuffix("]") || !text.contains(":") ? text + ":80" : text
    guard let address = try? SocketAddress.parse(listen: withPort) else { return false }
    return address.isLoopback
  }
}
