import Bytes
import Testing

@testable import Telemetry

@Suite("Metrics, Prometheus text format 0.0.4")
struct MetricsTextTests {
  let process = ProcessSample(
    version: "0.1.0", startedAt: 1_763_985_286, isDraining: false, maxClients: 65_536, accessLogErrors: 2,
    accessLogLinesLost: 7)

  func text(
    _ workers: [WorkerCounters], names: [String] = ["hit", "miss"], memory: MemorySample? = nil,
    pools: [PoolSample] = []
  ) throws -> ExpositionText {
    var out = OutputBuffer(capacity: 64)
    MetricsText(workers: workers, decisionNames: names, process: process, memory: memory, pools: pools)
      .write(to: &out)
    return try ExpositionText(string(out))
  }

  @Test func `a worker that has done nothing makes valid text with every tally at 0`() throws {
    let text = try text([WorkerCounters(decisionCount: 2)])
    for tally in Tally.allCases {
      let (family, label) = tally.series
      let key = label.map { "\(family.name){\(family.label!)=\"\($0)\"}" } ?? "\(family.name)"
      #expect(text.samples[key] == 0, "\(tally)")
    }
    #expect(text.samples["larder_client_request_duration_seconds_count"] == 0)
  }

  @Test func `what the log lost and what the process uses is told`() throws {
    let text = try text([WorkerCounters(decisionCount: 2)])
    #expect(text.samples["larder_access_log_write_errors_total"] == 2)
    #expect(text.samples["larder_access_log_lost_lines_total"] == 7)
    for name in [
      "process_cpu_seconds_total", "process_resident_memory_bytes", "process_virtual_memory_bytes",
      "process_open_fds", "process_max_fds", "process_start_time_seconds",
    ] {
      #expect(text.samples[name, default: 0] > 0, "\(name)")
    }
    let resident = try #require(text.samples["process_resident_memory_bytes"])
    let virtual = try #require(text.samples["process_virtual_memory_bytes"])
    #expect(resident > 1_000_000 && resident <= virtual)
  }

  @Test func `each tally is a series of its own`() {
    let series = Tally.allCases.map { "\($0.series.family.name) \($0.series.label?.description ?? "")" }
    #expect(Set(series).count == Tally.allCases.count)
    #expect(Tally.allCases.count == Tally.count)
  }

  @Test func `a family has a label exactly when its tallies have a value for it`() {
    for tally in Tally.allCases {
      #expect((tally.series.label == nil) == (tally.series.family.label == nil), "\(tally)")
    }
    #expect(
      MetricFamily.allCases.allSatisfy { family in Tally.allCases.contains { $0.series.family == family } })
  }

  @Test func `the numbers of all workers are added`() throws {
    let workers = [WorkerCounters(decisionCount: 2), WorkerCounters(decisionCount: 2)]
    workers[0].add(.clientBytesSent, 1000)
    workers[1].add(.clientBytesSent, 24)
    workers[0].add(.connectionsOpen, 3)
    workers[1].add(.connectionsOpen)
    workers[0].add(.connectionsOpen, -2)
    workers[1].add(.collapseTimeouts)
    let text = try text(workers)
    #expect(text.samples["larder_client_sent_bytes_total"] == 1024)
    #expect(text.samples["larder_client_connections"] == 2)
    #expect(text.samples["larder_timeouts_total{kind=\"collapse\"}"] == 1)
    #expect(text.samples["larder_workers"] == 2)
  }

  @Test func `requests are counted by decision and status class, and by exact status`() throws {
    let worker = WorkerCounters(decisionCount: 2)
    worker.requestEnded(decision: 0, status: 200, microseconds: 40)
    worker.requestEnded(decision: 0, status: 206, microseconds: 40)
    worker.requestEnded(decision: 1, status: 404, microseconds: 40)
    let text = try text([worker])
    #expect(text.samples["larder_requests_total{decision=\"hit\",status=\"2xx\"}"] == 2)
    #expect(text.samples["larder_requests_total{decision=\"miss\",status=\"4xx\"}"] == 1)
    #expect(text.samples["larder_requests_total{decision=\"miss\",status=\"2xx\"}"] == nil)
    #expect(text.samples["larder_responses_total{status=\"206\"}"] == 1)
    #expect(text.samples["larder_responses_total{status=\"404\"}"] == 1)
  }

  @Test(arguments: [-1, 2, Int.max, Int.min])
  func `a decision out of range is counted under the last one`(_ decision: Int) throws {
    let worker = WorkerCounters(decisionCount: 2)
    worker.requestEnded(decision: decision, status: 200, microseconds: 1)
    #expect(try text([worker]).samples["larder_requests_total{decision=\"miss\",status=\"2xx\"}"] == 1)
  }

  @Test(arguments: [UInt16(0), 99, 600, 65535])
  func `a status that is none is counted as none`(_ status: UInt16) throws {
    let worker = WorkerCounters(decisionCount: 1)
    worker.requestEnded(decision: 0, status: status, microseconds: 1)
    let text = try text([worker], names: ["hit"])
    #expect(text.samples["larder_requests_total{decision=\"hit\",status=\"none\"}"] == 1)
    #expect(text.samples["larder_responses_total{status=\"none\"}"] == 1)
  }

  @Test func `decisions of one name are one series`() throws {
    let worker = WorkerCounters(decisionCount: 3)
    for decision in 0..<3 { worker.requestEnded(decision: decision, status: 200, microseconds: 1) }
    let text = try text([worker], names: ["miss", "hit", "miss"])
    #expect(text.samples["larder_requests_total{decision=\"miss\",status=\"2xx\"}"] == 2)
  }

  @Test func `more names than a worker knows are no fault`() throws {
    _ = try text([WorkerCounters(decisionCount: 1)], names: ["hit", "miss", "error"])
  }

  @Test func `pools, servers and memory appear with what they were given`() throws {
    let servers = [
      ServerSample(name: "127.0.0.1:3000", isUp: true, active: 7, failures: 1, ejections: 0),
      ServerSample(name: "127.0.0.1:3001", isUp: false, active: 0, failures: 9, ejections: 2),
    ]
    let memory = MemorySample(
      budgetBytes: 1 << 30, usedBytes: 12345, inFlightBytes: 678, inFlightLimitBytes: 1 << 28, entries: 3,
      marks: 1, purgeRecords: 6, evictions: [("budget", 5), ("variants", 2), ("budget", 1)])
    let text = try text(
      [WorkerCounters(decisionCount: 2)], memory: memory,
      pools: [PoolSample(name: "default", waiting: 4, servers: servers)])
    #expect(text.samples["larder_server_up{pool=\"default\",server=\"127.0.0.1:3000\"}"] == 1)
    #expect(text.samples["larder_server_up{pool=\"default\",server=\"127.0.0.1:3001\"}"] == 0)
    #expect(text.samples["larder_server_failures_total{pool=\"default\",server=\"127.0.0.1:3001\"}"] == 9)
    #expect(text.samples["larder_pool_waiting_requests{pool=\"default\"}"] == 4)
    #expect(text.samples["larder_memory_budget_bytes"] == 1_073_741_824)
    #expect(text.samples["larder_memory_purge_records"] == 6)
    #expect(text.samples["larder_in_flight_memory_bytes"] == 678)
    #expect(text.samples["larder_in_flight_memory_limit_bytes"] == 268_435_456)
    #expect(text.samples["larder_client_connections_limit"] == 65_536)
    #expect(text.samples["larder_memory_evictions_total{reason=\"budget\"}"] == 6)
  }

  @Test func `a server named twice is one series, up when either is`() throws {
    let servers = [false, true].map {
      ServerSample(name: "unix:/a", isUp: $0, active: 2, failures: 0, ejections: 0)
    }
    let text = try text(
      [WorkerCounters(decisionCount: 2)], pools: [PoolSample(name: "p", waiting: 0, servers: servers)])
    #expect(text.samples["larder_server_up{pool=\"p\",server=\"unix:/a\"}"] == 1)
    #expect(text.samples["larder_server_active_connections{pool=\"p\",server=\"unix:/a\"}"] == 4)
  }

  @Test func `backslash, quote and line feed in a label are escaped`() throws {
    let server = ServerSample(name: "unix:/a\"b\\c\nd}é", isUp: true, active: 0, failures: 0, ejections: 0)
    let text = try text(
      [WorkerCounters(decisionCount: 2)], pools: [PoolSample(name: "p", waiting: 0, servers: [server])])
    #expect(text.samples["larder_server_up{pool=\"p\",server=\"unix:/a\\\"b\\\\c\\nd}é\"}"] == 1)
  }
}

@Suite("Latency histograms")
struct LatencyTests {
  @Test(arguments: [
    (0, 0), (100, 0),  // `le` includes its bound
    (101, 1), (250, 1), (251, 2), (1000, 3), (10_000_000, 15), (10_000_001, 16), (Int.max / 2, 16),
    (-5, 0),  // a clock that went back
  ])
  func `a duration falls into the first bucket that holds it`(_ microseconds: Int, _ bucket: Int) {
    let worker = WorkerCounters(decisionCount: 1)
    worker.observe(.upstreamFirstByte, microseconds: microseconds)
    for i in 0..<LatencyBuckets.count {
      #expect(worker.observations(of: .upstreamFirstByte, bucket: i) == (i == bucket ? 1 : 0))
      #expect(worker.observations(of: .clientRequest, bucket: i) == 0)
    }
    #expect(worker.sum(of: .upstreamFirstByte) == max(microseconds, 0))
  }

  @Test func `bounds ascend and the first is the one that is tried before the search`() {
    #expect(LatencyBuckets.bounds == LatencyBuckets.bounds.sorted())
    #expect(Set(LatencyBuckets.bounds).count == LatencyBuckets.count - 1)
    #expect(LatencyBuckets.bounds.first == 100)
  }

  @Test(arguments: [
    (0, "0"), (1, "0.000001"), (100, "0.0001"), (2500, "0.0025"), (1_000_000, "1"), (2_500_000, "2.5"),
    (10_000_010, "10.00001"),
  ])
  func `seconds are exact and without trailing zeros`(_ microseconds: Int, _ text: String) {
    var out = OutputBuffer(capacity: 8)
    out.append(secondsOf: microseconds)
    #expect(string(out) == text)
  }
}
