public import Bytes

/// The answer to `GET /metrics`. Reads shared numbers and allocates: for the admin listener, not for a hit.
public struct MetricsText {
  public static let contentType: StaticString = "text/plain; version=0.0.4; charset=utf-8"

  private let workers: [WorkerCounters]
  private let decisionNames: [String]
  private let process: ProcessSample
  private let memory: MemorySample?
  private let disk: DiskSample?
  private let pools: [PoolSample]

  /// - Parameter decisionNames: Name of each decision, by index. Decisions of one name are shown as one.
  public init(
    workers: [WorkerCounters], decisionNames: [String], process: ProcessSample, memory: MemorySample?,
    disk: DiskSample? = nil, pools: [PoolSample]
  ) {
    self.workers = workers
    self.decisionNames = decisionNames
    self.process = process
    self.memory = memory
    self.disk = disk
    self.pools = pools
  }

  public func write(to out: inout OutputBuffer) {
    writeRequests(to: &out)
    writeResponses(to: &out)
    for latency in Latency.allCases { write(latency, to: &out) }
    writeTallies(to: &out)
    if let memory { write(memory, to: &out) }
    if let disk { write(disk, to: &out) }
    writePools(to: &out)
    writeProcess(to: &out)
  }

  private func sum(_ value: (WorkerCounters) -> Int) -> Int { workers.reduce(0) { $0 + value($1) } }
}

// MARK: - What workers counted

extension MetricsText {
  private static let classNames = ["1xx", "2xx", "3xx", "4xx", "5xx", "none"]

  /// Only pairs that have occurred: most of the rest never will.
  private func writeRequests(to out: inout OutputBuffer) {
    let name: StaticString = "larder_requests_total"
    out.openFamily(name, .counter, "Requests ended, by decision and class of the status sent.")
    for (decision, text) in decisionNames.enumerated() where decisionNames.firstIndex(of: text) == decision {
      let sameName = decisionNames.indices.filter { decisionNames[$0] == text }
      for (statusClass, classText) in MetricsText.classNames.enumerated() {
        let count = sum { worker in
          sameName.filter { $0 < worker.decisionCount }
            .reduce(0) { $0 + worker.requests(decision: $1, statusClass: statusClass) }
        }
        if count > 0 { out.sample(name, ("decision", text), ("status", classText), count) }
      }
    }
  }

  private func writeResponses(to out: inout OutputBuffer) {
    let name: StaticString = "larder_responses_total"
    out.openFamily(name, .counter, "Responses sent, by status.")
    for offset in 0..<WorkerCounters.statusCount {
      let count = sum { $0.responses(statusOffset: offset) }
      guard count > 0 else { continue }
      out.sample(name, "status", offset < 500 ? String(offset + 100) : "none", count)
    }
  }

  /// The count is the sum of the buckets as read, so that it never contradicts the last of them.
  private func write(_ latency: Latency, to out: inout OutputBuffer) {
    out.openFamily(latency.name, .histogram, latency.help)
    var total = 0
    for bucket in 0..<LatencyBuckets.count {
      total += sum { $0.observations(of: latency, bucket: bucket) }
      out.append(latency.name)
      out.append("_bucket{le=\"")
      if bucket < LatencyBuckets.bounds.count {
        out.append(secondsOf: LatencyBuckets.bounds[bucket])
      } else {
        out.append("+Inf")
      }
      out.append("\"} ")
      out.append(decimal: total)
      out.append(.lineFeed)
    }
    out.append(latency.name)
    out.append("_sum ")
    out.append(secondsOf: sum { $0.sum(of: latency) })
    out.append(.lineFeed)
    out.append(latency.name)
    out.append("_count ")
    out.append(decimal: total)
    out.append(.lineFeed)
  }

  private func writeTallies(to out: inout OutputBuffer) {
    for family in MetricFamily.allCases {
      out.openFamily(family.name, family.kind, family.help)
      for tally in Tally.allCases where tally.series.family == family {
        let value = sum { $0.value(of: tally) }
        if let label = family.label, let text = tally.series.label {
          out.sample(family.name, label, text.description, value)
        } else {
          out.sample(family.name, value)
        }
      }
    }
  }
}

// MARK: - What the shared parts say

extension MetricsText {
  private func write(_ memory: MemorySample, to out: inout OutputBuffer) {
    out.gauge("larder_memory_budget_bytes", "Memory the memory tier may use.", memory.budgetBytes)
    out.gauge(
      "larder_memory_used_bytes", "Memory allocated by the memory tier, index included.", memory.usedBytes)
    out.gauge(
      "larder_in_flight_memory_bytes", "Memory held by traffic under way: fills passed through, requests.",
      memory.inFlightBytes)
    out.gauge(
      "larder_in_flight_memory_limit_bytes", "Memory beyond which what is not in the cache is refused.",
      memory.inFlightLimitBytes)
    out.gauge("larder_memory_entries", "Responses stored in memory.", memory.entries)
    out.gauge("larder_memory_marks", "Keys marked as not shareable.", memory.marks)
    out.gauge(
      "larder_memory_purge_records", "Purges kept because older fills are under way.", memory.purgeRecords)
    let name: StaticString = "larder_memory_evictions_total"
    out.openFamily(name, .counter, "Responses evicted from memory, by reason.")
    let reasons = memory.evictions
    for (index, eviction) in reasons.enumerated()
    where reasons.firstIndex(where: { $0.reason == eviction.reason }) == index {
      let count = reasons.reduce(0) { $0 + ($1.reason == eviction.reason ? $1.count : 0) }
      out.sample(name, "reason", eviction.reason, count)
    }
  }

  private func writePools(to out: inout OutputBuffer) {
    guard !pools.isEmpty else { return }
    let waiting: StaticString = "larder_pool_waiting_requests"
    out.openFamily(waiting, .gauge, "Requests waiting for a free connection to a server.")
    for pool in pools { out.sample(waiting, "pool", pool.name, pool.waiting) }
    writeServers(
      "larder_server_up", .gauge, "1 for a server that takes requests, 0 for one that is out.", to: &out
    ) {
      $0.contains { $0.isUp } ? 1 : 0
    }
    writeServers("larder_server_active_connections", .gauge, "Connections to a server in use.", to: &out) {
      $0.reduce(0) { $0 + $1.active }
    }
    writeServers("larder_server_failures_total", .counter, "Failures held against a server.", to: &out) {
      $0.reduce(0) { $0 + $1.failures }
    }
    writeServers("larder_server_ejections_total", .counter, "Times a server was taken out.", to: &out) {
      $0.reduce(0) { $0 + $1.ejections }
    }
  }

  /// One sample per server. Those of one name in one pool are summed: a label set may occur only once.
  private func writeServers(
    _ name: StaticString, _ kind: MetricKind, _ help: StaticString, to out: inout OutputBuffer,
    value: ([ServerSample]) -> Int
  ) {
    out.openFamily(name, kind, help)
    for pool in pools {
      for (index, server) in pool.servers.enumerated()
      where pool.servers.firstIndex(where: { $0.name == server.name }) == index {
        let sameName = pool.servers.filter { $0.name == server.name }
        out.sample(name, ("pool", pool.name), ("server", server.name), value(sameName))
      }
    }
  }

  private func writeProcess(to out: inout OutputBuffer) {
    out.openFamily("larder_build_info", .gauge, "Always 1; the label says which version runs.")
    out.sample("larder_build_info", "version", process.version, 1)
    out.gauge("larder_workers", "Worker threads.", workers.count)
    out.gauge(
      "larder_draining", "1 while the process finishes its last requests.", process.isDraining ? 1 : 0)
    out.gauge(
      "larder_client_connections_limit", "Client connections that there may be.", process.maxClients)
    out.gauge(
      "process_start_time_seconds", "Start of the process, in seconds since 1970.", Int(process.startedAt))
    out.counter(
      "larder_access_log_write_errors_total", "Writes of the access log that failed.", process.accessLogErrors
    )
    out.counter(
      "larder_access_log_lost_lines_total", "Access log lines lost in writes that failed.",
      process.accessLogLinesLost)
    writeUsage(.current(), to: &out)
  }

  private func writeUsage(_ usage: ProcessUsage, to out: inout OutputBuffer) {
    let time: StaticString = "process_cpu_seconds_total"
    out.openFamily(time, .counter, "Processor time of all threads, user and system, in seconds.")
    out.append(time)
    out.append(.space)
    out.append(secondsOf: usage.cpuMicroseconds)
    out.append(.lineFeed)
    out.gauge("process_resident_memory_bytes", "Resident memory.", usage.residentBytes)
    out.gauge("process_virtual_memory_bytes", "Virtual memory.", usage.virtualBytes)
    out.gauge("process_open_fds", "Open file descriptors.", usage.openDescriptors)
    out.gauge("process_max_fds", "Most file descriptors that may be open.", usage.descriptorLimit)
  }
}

extension OutputBuffer {
  /// A family of one gauge without labels.
  mutating func gauge(_ name: StaticString, _ help: StaticString, _ value: Int) {
    openFamily(name, .gauge, help)
    sample(name, value)
  }

  /// A family of one counter without labels.
  mutating func counter(_ name: StaticString, _ help: StaticString, _ value: Int) {
    openFamily(name, .counter, help)
    sample(name, value)
  }
}
