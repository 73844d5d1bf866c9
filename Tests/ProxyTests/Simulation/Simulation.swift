import Bytes
import IO
import Telemetry
import Upstream

@testable import Proxy
@testable import Storage

/// Which workers have been woken, and who is at work: a post by a worker into its own box needs no waking.
private final class WakeFlags: @unchecked Sendable {
  var isSet: [Bool]
  var running = -1
  var isSuppressed = false

  init(count: Int) { isSet = Array(repeating: false, count: count) }

  func wake(_ worker: Int) { if running != worker, !isSuppressed { isSet[worker] = true } }
}

/// The real workers on a simulated kernel, clock and network, all in one thread. What happens next is chosen
/// by chance from everything that could.
final class Simulation {
  let network: Network
  let kernel: SimulatedKernel
  let deployment: Deployment
  private(set) var workers: [Worker] = []
  private var polls: [Poll] = []
  private(set) var listeners: [SimulatedListener] = []
  private let flags: WakeFlags
  private(set) var clients: [SimulatedClient] = []
  /// Time may pass while something could happen, as it does on a slow machine.
  var timePasses = true
  var stepLimit = 2_000_000
  static let firstPort: UInt16 = 3000

  init(
    seed: UInt64, workers count: Int = 2, servers: Int = 1,
    _ configure: (inout Configuration) -> Void = { _ in }, policy: () -> Policy = { Policy() }
  ) throws {
    network = Network(seed: seed)
    kernel = SimulatedKernel(network)
    var configuration = Configuration(machine: Machine(processors: count, memoryBytes: 256 << 20))
    configuration.memoryBytes = 32 << 20
    configuration.maxObjectBytes = 8 << 20
    configuration.admin = nil
    configuration.backends = (0..<servers).map {
      BackendAddress(fixed: SocketAddress(ipv4: 0x0a00_0001, port: Self.firstPort + UInt16($0)))
    }
    configure(&configuration)
    let flags = WakeFlags(count: count)
    self.flags = flags
    deployment = try Deployment(
      configuration, seed: HashSeed(seed, ~seed), accessLog: try AccessLog(.off, .json, workers: count),
      mailboxes: (0..<count).map { index in Mailbox { flags.wake(index) } },
      kernel: kernel)
    for index in 0..<count {
      let worker = try Worker(index: index, deployment: deployment, kernel: kernel, policy: policy())
      workers.append(worker)
      polls.append(kernel.polls[index])
      let listener = SimulatedListener()
      listeners.append(listener)
      try worker.listen(
        kernel.open(listener: listener), role: .proxy,
        expectsProxyHeader: configuration.listen[0].expectsProxyHeader)
    }
  }

  // MARK: Actors

  /// A server at the next port of the configured ones.
  @discardableResult
  func server(
    _ index: Int = 0, respond: @escaping (Message, ServerConnection) -> [ServerStep]
  ) -> SimulatedServer {
    SimulatedServer(network, port: Self.firstPort + UInt16(index), respond: respond)
  }

  /// - Parameter worker: Whose listener it comes to; `nil`: any.
  func client(_ name: String = "client", worker: Int? = nil, address: UInt32 = 0x7f00_0001) -> SimulatedClient
  {
    let at = worker ?? network.random.below(listeners.count)
    let port = UInt16(10_000 + clients.count % 50_000)
    let client = SimulatedClient(
      network, to: listeners[at], name: "\(name) \(clients.count)",
      from: SocketAddress(ipv4: address, port: port))
    clients.append(client)
    return client
  }

  /// A client that speaks no HTTP beyond what `bytes` say.
  func rawClient(_ bytes: [UInt8]) -> RawPeer {
    let (near, far) = StreamEnd.pair(on: network)
    far.address = SocketAddress(ipv4: 0x7f00_0001, port: 9999)
    let peer = RawPeer(network, end: near, sends: bytes)
    near.actor = peer
    let listener = network.random.pick(listeners)
    listener.pending.append(far)
    listener.watch?.edge(.readable)
    network.activate(peer)
    return peer
  }

  // MARK: Running

  private func isRunnable(_ worker: Int) -> Bool {
    let poll = polls[worker]
    return flags.isSet[worker] || !poll.isAsleep || poll.hasEvents || network.now >= poll.sleepsUntil
  }

  private func turn(_ worker: Int) {
    flags.isSet[worker] = false
    flags.running = worker
    workers[worker].turn(longest: -1)
    flags.running = -1
  }

  /// One thing happens. False: nothing ever will.
  func step() -> Bool {
    let runnable = workers.indices.filter(isRunnable)
    let active = network.activeCount
    if runnable.isEmpty, active == 0 { return sleep() }
    if timePasses, network.random.once(in: 40) {
      network.advance(to: network.now + Milliseconds(1 + network.random.below(8)))
    }
    if !runnable.isEmpty, active == 0 || network.random.once(in: 3) {
      turn(network.random.pick(runnable))
    } else {
      network.stepOne()
    }
    if network.steps & 63 == 0 { inspectMailboxes() }
    return true
  }

  /// Nothing can happen before time passes.
  private func sleep() -> Bool {
    inspectMailboxes(mustBeEmpty: true)
    let next = min(network.nextTimer ?? .max, polls.map { $0.sleepsUntil }.min() ?? .max)
    guard next < .max else { return false }
    network.advance(to: next)
    return true
  }

  /// Runs until `isOver`. False: it never was.
  @discardableResult
  func run(until isOver: () -> Bool) -> Bool {
    let limit = network.steps + stepLimit
    while !isOver() {
      guard step() else { return false }
      if network.steps > limit {
        network.violate("no end after \(stepLimit) steps")
        return false
      }
    }
    return true
  }

  func run(for milliseconds: Int) {
    let end = network.now + Milliseconds(milliseconds)
    var isDue = false
    network.after(milliseconds) { isDue = true }
    run { isDue || network.now > end }
  }

  /// Until every client has ended.
  func runClients() {
    if !run(until: { clients.allSatisfy { $0.isDone } }) {
      let open = clients.filter { !$0.isDone }.map { $0.name }
      network.violate("these clients never end: \(open.prefix(5))")
    }
  }

  /// A box with mail whose worker sleeps is a lost wake-up; two pieces about one fill are one too many (L3).
  private func inspectMailboxes(mustBeEmpty: Bool = false) {
    flags.isSuppressed = true
    defer { flags.isSuppressed = false }
    for (index, mailbox) in deployment.mailboxes.enumerated() {
      var mails: [Mail] = []
      mailbox.drain(into: &mails)
      if mustBeEmpty, !mails.isEmpty {
        network.violate("L3: worker \(index) sleeps on \(mails.count) pieces of mail")
      }
      var advanced: Set<ObjectIdentifier> = []
      var drained: Set<ObjectIdentifier> = []
      for mail in mails {
        let isNew =
          switch mail {
          case .advanced(let fill): advanced.insert(ObjectIdentifier(fill)).inserted
          case .drained(let fill): drained.insert(ObjectIdentifier(fill)).inserted
          case .granted, .disk, .drain, .closeNow: true
          }
        if !isNew { network.violate("L3: two pieces of mail about one fill for worker \(index)") }
        mailbox.post(mail)
      }
    }
  }

  /// Tells the workers to drain, as SIGTERM does.
  func drain() {
    deployment.isDraining.store(true, ordering: .relaxed)
    for mailbox in deployment.mailboxes { mailbox.post(.drain(.last)) }
  }

  // MARK: Counting

  func count(_ tally: Tally) -> Int { deployment.counters.reduce(0) { $0 + $1.value(of: tally) } }

  /// What holds when all clients have gone and all connections have had time to be closed.
  func finish() {
    for client in clients { client.leave() }
    run(for: 200_000)
    func expect(_ value: Int, _ wanted: Int, _ name: String) {
      if value != wanted { network.violate("\(name) is \(value) and not \(wanted) at the end") }
    }
    expect(count(.fillsInFlight), 0, "fills in flight")
    expect(count(.connectionsOpen), 0, "open connections")
    expect(count(.tunnelsOpen), 0, "open tunnels")
    expect(count(.upstreamConnectionsOpen), 0, "open upstream connections")
    expect(count(.upstreamConnectionsIdle), 0, "idle upstream connections")
    expect(count(.impossibleEvents), 0, "impossible events")
    let ends: [Tally] = [
      .fillsStored, .fillsNotStored, .fillsNotModified, .fillsFenced, .fillsFailed, .fillsCancelled,
      .fillsSwitched,
    ]
    expect(ends.reduce(0) { $0 + count($1) }, count(.fillsStarted), "fills ended")
    expect(deployment.clients.load(ordering: .relaxed), 0, "clients")
    let store = deployment.store.statistics
    expect(deployment.store.fences.statistics.inFlight, 0, "births in flight")
    expect(store.registeredFills, 0, "registered fills")
    expect(store.purgeRecords, 0, "purge records")
    expect(deployment.store.inFlight.bytes, 0, "bytes in flight")
    if store.arena.countedBytes > store.arena.budget {
      network.violate("\(store.arena.countedBytes) bytes of \(store.arena.budget) are in use")
    }
    while deployment.store.evictOldest() {}
    let empty = deployment.store.statistics.arena
    expect(empty.allocatedBytes, 0, "bytes in blocks when all is evicted")
    expect(empty.heapBytes, 0, "bytes of blocks outside the arena when all is evicted")
    let pool = deployment.pool.snapshot()
    expect(pool.queueLength, 0, "queue of the pool")
    for server in pool.servers { expect(server.inUse, 0, "connections in use to \(server.name)") }
    if kernel.streamCount > 0 { network.violate("descriptors left open: \(kernel.openText)") }
  }
}
