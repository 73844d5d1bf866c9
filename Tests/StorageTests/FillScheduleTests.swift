import Bytes
import Glibc
import Synchronization
import Testing

@testable import Storage

@Suite("Fill under random schedules and threads, L3")
struct FillScheduleTests {
  @Test(arguments: Array(1...60) + [UInt64.random(in: 0...UInt64.max)])
  func `in any order of append, wake, sleep, enter and leave, every reader gets every byte`(_ seed: UInt64)
    throws
  {
    print("fill schedule: seed \(seed)")
    var schedule = try Schedule(seed: seed)
    while !schedule.isOver { try schedule.turn() }
    schedule.larder.store.end(schedule.fill)
  }

  @Test(arguments: [true, false])
  func `an owner and readers on threads of their own: every byte arrives`(_ isKept: Bool) throws {
    let length = 3_000_000
    let larder = Larder(budget: 16 << 20, workers: 3) { $0.windowBytes = 50_000 }
    let fill = try #require(larder.join("k", worker: 0).started)
    for w in 1...2 { try #require(fill.enter(worker: w)) }
    if !isKept { fill.stopKeeping() }
    let wakers = larder.wakers
    let results = ReaderResults()
    let readers = (1...2).map { w in
      TestThread { results.add(readToEnd(fill, worker: w, waker: wakers[w])) }
    }
    larder.head(fill)
    var sent = 0
    while sent < length {
      let count = min(length - sent, 7000)
      let chunk = (sent..<(sent + count)).map { UInt8(truncatingIfNeeded: $0 &* 31) }
      let done = fill.send(chunk.span)
      sent += done
      if done == 0 {
        while wakers[0].takeDrained().isEmpty { sched_yield() }
        fill.clearDrained()
      }
    }
    fill.complete()
    for reader in readers { reader.join() }
    let expected = (0..<length).reduce(0) { $0 &* 33 &+ Int(UInt8(truncatingIfNeeded: $1 &* 31)) }
    #expect(results.sums == [expected, expected])
    if isKept { #expect(larder.commit(fill) == .stored) }
    larder.store.end(fill)
  }

  @Test func `look-ups, fills and purges from several threads: never older than the purge`() throws {
    let larder = Larder(budget: 2 << 20, workers: 3)
    let record = PurgeRecord()
    let threads = (0..<3).map { w in TestThread { churn(larder, worker: w, record) } }
    for thread in threads { thread.join() }
    #expect(record.failures.load(ordering: .relaxed) == 0)
    #expect(record.hits.load(ordering: .relaxed) > 0)
    #expect(larder.store.statistics.fillsInFlight == 0)
    #expect(larder.store.statistics.purgeRecords == 0)
  }
}

/// A fill with its owner and readers on three workers, whose turns come in an order that a seed decides.
private struct Schedule {
  /// A worker's part: its readers, each with what it has read.
  struct Worker {
    var readers: [[UInt8]] = []
    var isAwake = true
  }

  let seed: UInt64
  let larder: Larder
  let fill: Fill
  let body: [UInt8]
  let window: Int
  let isKept: Bool
  var random: SeededRandom
  var workers = Array(repeating: Worker(), count: 3)
  var sent = 0
  var ownerSleeps = false
  /// Turns since somebody could do something.
  var idleTurns = 0

  init(seed: UInt64) throws {
    self.seed = seed
    random = SeededRandom(seed)
    let window = 1 + random.below(20_000)
    self.window = window
    larder = Larder(workers: 3) { $0.windowBytes = window }
    isKept = random.below(2) == 0
    let length = random.below(60_000)
    body = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    fill = try #require(larder.join("k", worker: 0).started)
    for w in 0..<3 where random.below(3) > 0 {
      try #require(fill.enter(worker: w))
      workers[w].readers.append([])
    }
    if !isKept { fill.stopKeeping() }
    let isLengthKnown = random.below(2) == 0
    larder.head(fill, length: isLengthKnown ? body.count : nil)
  }

  var isOver: Bool { fill.status == .complete && workers.allSatisfy { $0.readers.isEmpty } }

  mutating func turn() throws {
    let w = random.below(3)
    let isBusy =
      switch random.below(6) {
      case 0, 1: send()
      case 2: try hearDrained()
      case 3: try hearAdvanced(w)
      case 4: try read(w)
      default: comeAndGo(w)
      }
    idleTurns = isBusy ? 0 : idleTurns + 1
    try #require(idleTurns < 5000, "everybody sleeps: seed \(seed)")
    if !fill.keep { try #require(fill.heldBytes <= window + 3 * 65_536) }
  }

  private mutating func send() -> Bool {
    guard !ownerSleeps, fill.status == .streaming else { return false }
    let end = min(body.count, sent + random.below(5000))
    let count = fill.send(body.span.extracting(sent..<end))
    sent += count
    if sent == body.count {
      fill.complete()
    } else {
      ownerSleeps = count == 0 && !isKept && fill.isPaused
    }
    return true
  }

  private mutating func hearDrained() throws -> Bool {
    let mails = larder.wakers[0].takeDrained()
    try #require(mails.count <= 1, "seed \(seed)")
    guard !mails.isEmpty else { return false }
    fill.clearDrained()
    ownerSleeps = false
    return true
  }

  private mutating func hearAdvanced(_ w: Int) throws -> Bool {
    let mails = larder.wakers[w].takeAdvanced()
    try #require(mails.count <= 1, "seed \(seed)")
    guard !mails.isEmpty else { return false }
    fill.clearPending(worker: w)
    workers[w].isAwake = true
    return true
  }

  /// Each reader of a worker reads some; when they have read all there is, the worker sleeps.
  private mutating func read(_ w: Int) throws -> Bool {
    guard workers[w].isAwake else { return false }
    let status = fill.status
    let published = fill.published
    for i in workers[w].readers.indices.reversed() {
      let start = workers[w].readers[i].count
      let limit = min(published - start, 1 + random.below(8000))
      workers[w].readers[i] += fill.bytes(from: start, limit: limit)
      let isRight = workers[w].readers[i].elementsEqual(body[0..<workers[w].readers[i].count])
      try #require(isRight, "seed \(seed)")
      if status == .complete, workers[w].readers[i].count == published {
        try #require(published == body.count)
        workers[w].readers.remove(at: i)
        fill.leave(worker: w)
      }
    }
    report(w)
    workers[w].isAwake = status == .complete || workers[w].readers.contains { $0.count < published }
    return true
  }

  private mutating func comeAndGo(_ w: Int) -> Bool {
    if random.below(4) == 0, !workers[w].readers.isEmpty {
      workers[w].readers.removeLast()
      fill.leave(worker: w)
    } else if random.below(20) == 0, fill.status != .complete, fill.enter(worker: w) {
      workers[w].readers.append([])
      workers[w].isAwake = true
    }
    report(w)
    return false
  }

  private func report(_ w: Int) {
    if let least = workers[w].readers.map(\.count).min() { fill.report(worker: w, consumed: least) }
  }
}

/// Runs a reader until the end; the result is a hash over all bytes in order.
private func readToEnd(_ fill: Fill, worker: Int, waker: RecordingWaker) -> Int {
  var sum = 0
  var offset = 0
  while true {
    let status = fill.status
    while let (bytes, count) = unsafe fill.segment(at: offset, max: 9999) {
      for i in 0..<count { sum = unsafe sum &* 33 &+ Int(bytes[i]) }
      offset += count
      fill.report(worker: worker, consumed: offset)
    }
    if status == .complete || status == .failed { break }
    while waker.takeAdvanced().isEmpty { sched_yield() }
    fill.clearPending(worker: worker)
  }
  fill.leave(worker: worker)
  return sum
}

/// What the threads have seen: for each of eight keys the newest purge that was answered.
private final class PurgeRecord: Sendable {
  let answered = Guarded([UInt64](repeating: 0, count: 8))
  let failures = Atomic<Int>(0)
  let hits = Atomic<Int>(0)
}

private func churn(_ larder: Larder, worker: Int, _ record: PurgeRecord) {
  var random = SeededRandom(UInt64(worker))
  for _ in 0..<3000 {
    let n = random.below(8)
    let key = "key \(n)"
    switch random.below(8) {
    case 0:
      let url = Array(key.utf8)
      let sequence = larder.store.purge(url: url.span, soft: false).sequence
      record.answered.withLock { $0[n] = max($0[n], sequence) }
    case 1...3:
      switch larder.join(key, worker: worker) {
      case .started(let fill):
        larder.head(fill)
        _ = larder.finish(fill, String(repeating: key, count: 100 + random.below(2000)))
      case .joined(let fill):
        if fill.enter(worker: worker) {
          _ = fill.bytes(from: 0, limit: 100)
          fill.leave(worker: worker)
        }
      case .changed, .nothing: break
      }
      for fill in larder.wakers[worker].takeAdvanced() { fill.clearPending(worker: worker) }
    default:
      let answered = record.answered.withLock { $0[n] }
      guard let handle = larder.handle(key) else { continue }
      let isRight = handle.wholeBody.prefix(key.utf8.count).elementsEqual(key.utf8)
      if handle.born < answered || !isRight { record.failures.wrappingAdd(1, ordering: .relaxed) }
      record.hits.wrappingAdd(1, ordering: .relaxed)
    }
  }
}

private final class ReaderResults: Sendable {
  private let values = Guarded<[Int]>([])

  func add(_ sum: Int) { values.withLock { $0.append(sum) } }
  var sums: [Int] { values.withLock { $0 } }
}
