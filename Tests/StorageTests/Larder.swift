import Bytes
import Caching
import Synchronization

@testable import Storage

/// A store with the shorthand that tests want: keys, URLs and bodies as text, request fields as a dictionary.
struct Larder {
  let store: MemoryStore
  let wakers: [RecordingWaker]
  let seed = HashSeed(1, 2)

  init(budget: Int = 4 << 20, workers: Int = 2, _ adjust: (inout StoreOptions) -> Void = { _ in }) {
    var options = StoreOptions(maxObject: budget / 2)
    adjust(&options)
    wakers = (0..<workers).map { _ in RecordingWaker() }
    store = MemoryStore(
      budget: budget, seed: HashSeed(1, 2), workerCount: workers, options: options, wakers: wakers)
  }

  func hash(_ text: String) -> KeyHash { seed.hash(Array(text.utf8).span) }

  /// As the proxy does it: a hash over the values of the named fields.
  func selecting(_ fields: [String: String]) -> (Span<UInt8>) -> KeyHash {
    { names in
      let text = String(decoding: names.array, as: UTF8.self)
      return hash(
        text.split(separator: ",").map { "\($0)=\(fields[String($0)] ?? "-")" }.joined(separator: ";"))
    }
  }

  func lookUp(_ key: String, now: Int64 = 0, _ fields: [String: String] = [:]) -> Seen {
    let bytes = Array(key.utf8)
    return Seen(store.lookUp(hash: hash(key), key: bytes.span, now: now, selecting: selecting(fields)))
  }

  func handle(_ key: String, now: Int64 = 0, _ fields: [String: String] = [:]) -> EntryHandle? {
    let bytes = Array(key.utf8)
    switch store.lookUp(hash: hash(key), key: bytes.span, now: now, selecting: selecting(fields)) {
    case .entry(let handle): return handle
    case .mark: return nil
    case .nothing: return nil
    }
  }

  func born(_ key: String) -> UInt64? { handle(key)?.born }
  func blockedUntil(_ key: String) -> Int64? { handle(key)?.refreshBlockedUntil }

  func join(
    _ key: String, url: String? = nil, now: Int64 = 0, replacing: UInt64 = 0, worker: Int = 0,
    mayStart: Bool = true, _ fields: [String: String] = [:]
  ) -> JoinOutcome {
    let bytes = Array(key.utf8)
    let urlBytes = Array((url ?? key).utf8)
    return store.join(
      hash: hash(key), key: bytes.span, urlHash: hash(url ?? key), url: urlBytes.span, now: now,
      cacheNow: now / 1000, collapseTimeout: 5000, worker: worker, replacing: replacing,
      mayStart: mayStart, selecting: selecting(fields))
  }

  func startPrivate(_ key: String, url: String? = nil, mayStore: Bool = true) -> Fill {
    let bytes = Array(key.utf8)
    let urlBytes = Array((url ?? key).utf8)
    return store.startPrivate(
      hash: hash(key), key: bytes.span, urlHash: hash(url ?? key), url: urlBytes.span, now: 0, worker: 0,
      mayStore: mayStore)
  }

  func purge(_ url: String, soft: Bool = false) -> Int {
    let bytes = Array(url.utf8)
    return store.purge(url: bytes.span, soft: soft).purged
  }

  /// Publishes the head of a storable response.
  func head(
    _ fill: Fill, vary: String = "", _ fields: [String: String] = [:], length: Int? = nil,
    isJoinable: Bool = true
  ) {
    let names = Array(vary.utf8)
    let hash = selecting(fields)(names.span)
    store.headArrived(fill, vary: names, selecting: hash)
    fill.publishHead(
      FillHead(contentLength: length, isJoinable: isJoinable, varyNames: names, selecting: hash))
  }

  /// Body, end and commit of a fill whose head is published.
  func finish(_ fill: Fill, _ body: String, responseTime: Int64 = 0) -> CommitOutcome {
    let bytes = Array(body.utf8)
    guard fill.append(bytes.span) == bytes.count else { return .noRoom }
    fill.complete()
    let outcome = commit(fill, responseTime: responseTime)
    store.end(fill)
    return outcome
  }

  func commit(_ fill: Fill, head: String = "HTTP/1.1 200 OK\r\nETag: \"a\"\r\n", responseTime: Int64 = 0)
    -> CommitOutcome
  {
    let bytes = Array(head.utf8)
    return store.commit(
      fill, head: bytes.span, status: 200, freshness: freshness(responseTime), etag: ByteRange(23, 26),
      lastModified: 784_111_777)
  }

  func freshness(_ time: Int64) -> Freshness {
    Freshness(requestTime: time, responseTime: time, lifetime: 60, source: .maxAge)
  }

  /// The whole way from a miss to a stored response.
  @discardableResult func fetch(
    _ key: String, url: String? = nil, _ body: String, vary: String = "", _ fields: [String: String] = [:],
    replacing: UInt64 = 0, now: Int64 = 0
  ) -> CommitOutcome? {
    guard case .started(let fill) = join(key, url: url, now: now, replacing: replacing, fields) else {
      return nil
    }
    head(fill, vary: vary, fields)
    return finish(fill, body, responseTime: now / 1000)
  }
}

/// What a look-up found, as a value.
enum Seen: Equatable {
  case body(String)
  case softlyPurged(String)
  case markedStale(String)
  case mark
  case nothing

  init(_ outcome: consuming LookupOutcome) {
    switch consume outcome {
    case .entry(let handle):
      let text = String(decoding: handle.wholeBody, as: UTF8.self)
      self = handle.isMarked ? .markedStale(text) : handle.isSoftlyPurged ? .softlyPurged(text) : .body(text)
    case .mark: self = .mark
    case .nothing: self = .nothing
    }
  }
}

extension EntryHandle {
  var wholeBody: [UInt8] {
    var bytes: [UInt8] = []
    for i in 0..<bodySegmentCount {
      let (pointer, count) = unsafe bodySegment(i)
      unsafe bytes.append(contentsOf: UnsafeBufferPointer(start: pointer, count: count))
    }
    return bytes
  }
}

extension JoinOutcome {
  var isNothing: Bool { if case .nothing = self { true } else { false } }
  var started: Fill? { if case .started(let fill) = self { fill } else { nil } }
  var joined: Fill? { if case .joined(let fill) = self { fill } else { nil } }
  var isChanged: Bool { if case .changed = self { true } else { false } }
}

/// Counts wake-ups and keeps them for tests that play the worker.
final class RecordingWaker: FillWaker {
  let advanced = Guarded<[Fill]>([])
  let drained = Guarded<[Fill]>([])

  func fillAdvanced(_ fill: Fill) { advanced.withLock { $0.append(fill) } }
  func fillDrained(_ fill: Fill) { drained.withLock { $0.append(fill) } }

  func takeAdvanced() -> [Fill] {
    advanced.withLock { fills in
      defer { fills = [] }; return fills
    }
  }
  func takeDrained() -> [Fill] {
    drained.withLock { fills in
      defer { fills = [] }; return fills
    }
  }
}

/// A small generator whose seed is printed by the tests that use it (SplitMix64).
struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}
