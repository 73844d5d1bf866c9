import CallCounter
import Glibc
import IO
import Proxy
import Upstream

/// Hits before counting, counted, and gone through step by step.
private let warmUps = 300
let hitsCounted = 1000
let hitsStepped = 5
/// A line costs the same whatever kind of hit it tells of: with a log there are only the first two.
private let logPath = CommandLine.arguments.dropFirst().first

func measure() {
  call_counter_prepare()
  let output = dup(1)
  let port = startService()
  let worker = unsafe call_counter_thread("larder-0")
  guard worker > 0 else { fatalError("no worker") }
  var results: [String] = []
  for scenario in Scenario.all.prefix(logPath == nil ? Scenario.all.count : 2) {
    results.append(cost(of: scenario, port: port, worker: worker))
  }
  let text = Array("[\n\(results.joined(separator: ",\n"))\n]\n".utf8)
  _ = unsafe text.withUnsafeBytes { unsafe write(output, $0.baseAddress, $0.count) }
  exit(0)
}

/// Starts origin and service; returns the service's port, which it prints.
private func startService() -> UInt16 {
  let (listener, originPort) = Blocking.listener()
  var configuration = Configuration()
  configuration.listen = [ListenSetting(SocketAddress(ipv4: 0x7f00_0001, port: 0))]
  configuration.backends = [BackendAddress(fixed: SocketAddress(ipv4: 0x7f00_0001, port: originPort))]
  configuration.admin = nil
  configuration.workers = 1
  configuration.servesAlone = true
  configuration.watchdogMilliseconds = 0
  configuration.memoryBytes = 64 << 20
  configuration.maxObjectBytes = 8 << 20
  if let logPath { configuration.accessLog = .file(logPath) }
  var ends: [CInt] = [0, 0]
  guard unsafe pipe(&ends) == 0, dup2(ends[1], 1) >= 0 else { fatalError("pipe") }
  do {
    _ = try startThread {
      while true {
        let connection = listener.accept()
        while true {
          let request = connection.receiveRequest()
          if request.isEmpty { break }
          connection.send(Scenario.response(to: request))
        }
      }
    }
    let started = configuration
    _ = try startThread {
      do {
        _ = try Service.run(started)
      } catch {
        fatalError("\(error)")
      }
    }
  } catch {
    fatalError("\(error)")
  }
  return port(printedTo: ends[0])
}

private func port(printedTo fd: CInt) -> UInt16 {
  var line = ""
  var byte: UInt8 = 0
  while unsafe read(fd, &byte, 1) == 1 {
    guard byte == 10 else {
      line.append(Character(Unicode.Scalar(byte)))
      continue
    }
    if line.hasPrefix("Listening on"), let port = line.split(separator: ":").last.flatMap({ UInt16($0) }) {
      return port
    }
    line = ""
  }
  fatalError("the service did not start")
}

private func cost(of scenario: Scenario, port: UInt16, worker: pid_t) -> String {
  let client = Blocking.connected(to: port)
  defer { close(client.fd) }
  /// The first response is stored, those that follow must be hits of the right kind.
  func hit(_ count: Int, isFirst: Bool = false) {
    for _ in 0..<count {
      client.send(scenario.request)
      let head = client.receiveResponse(hasBody: scenario.hasBody)
      let isHit = head.hasPrefix(scenario.status) && head.contains("X-Cache-Status: HIT")
      guard isFirst || isHit else { fatalError("\(scenario.name): \(head)") }
    }
  }
  call_counter_watch(worker)
  let start = Snapshot()
  hit(1, isFirst: true)
  call_counter_watch(0)
  let miss = Snapshot().count - start.count
  hit(warmUps)
  let before = Snapshot()
  call_counter_watch(worker)
  hit(hitsCounted)
  call_counter_watch(0)
  let calls = Snapshot()
  guard call_counter_step(worker) == 0 else { return report(scenario, miss: miss, before, calls, nil) }
  var least: (start: Steps, end: Steps)?
  for _ in 0..<hitsStepped {
    let start = settled(worker)
    hit(1)
    let steps = (start, settled(worker))
    // Timers come up and tables grow now and then; what every hit costs is in the one that did the least.
    if least.map({ instructions(steps) < instructions($0) }) ?? true { least = steps }
  }
  call_counter_stop()
  hit(1)
  return report(scenario, miss: miss, before, calls, least)
}

private func instructions(_ steps: (start: Steps, end: Steps)) -> Int {
  steps.end.counts.instructions - steps.start.counts.instructions
}

/// Waits until the worker waits.
private func settled(_ worker: pid_t) -> Steps {
  var last = -1
  while true {
    let now = call_counter_steps().instructions
    // Without steps it may also have lost the processor to somebody else.
    if now == last, call_counter_sleeps(worker) != 0 { return Steps() }
    last = now
    usleep(5000)
  }
}
