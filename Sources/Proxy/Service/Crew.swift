import Bytes
import CLinux
import Caching
import Glibc
import IO
import Storage
import Synchronization
import Telemetry

/// The workers of one deployment with their threads, from the sockets to the last worker's end.
///
/// Belongs to the main thread.
final class Crew {
  let deployment: Deployment
  let sockets: ListeningSockets
  private let role: ListenerRole
  private var wakeUps: [CInt] = []
  private var threads: [pthread_t] = []
  /// Workers write to it when they listen, and when they have ended.
  private let progress: CInt
  private let reports = WorkerReports()
  private let watch: WorkerWatch
  private let kernel = Kernel()

  /// - Parameter pulse: Where the parent hears that the workers are well.
  init(
    _ configuration: Configuration, role: ListenerRole, sockets: ListeningSockets, pulse: CInt? = nil
  ) throws(ServiceError) {
    self.role = role
    self.sockets = sockets
    progress = eventfd(0, CInt(EFD_CLOEXEC))
    var wakeUps: [CInt] = []
    for _ in 0..<configuration.workers { wakeUps.append(eventfd(0, CInt(EFD_NONBLOCK) | CInt(EFD_CLOEXEC))) }
    guard progress >= 0, !wakeUps.contains(-1) else {
      throw .failed(flag: "--workers", value: "\(configuration.workers)", reason: "no descriptor is left")
    }
    self.wakeUps = wakeUps
    let log: AccessLog
    do throws(AccessLogError) {
      log = try AccessLog(
        configuration.accessLog, configuration.accessLogFormat, workers: configuration.workers)
    } catch {
      throw .failed(
        flag: "--access-log", value: configuration.accessLog.text,
        reason: error.path.isEmpty || error.path == configuration.accessLog.text
          ? Service.errnoText(error.code) : "\(error.path): \(Service.errnoText(error.code))")
    }
    let directory = try Crew.openStore(configuration)
    do throws(PurgeLog.Failure) {
      deployment = try Deployment(
        configuration,
        seed: directory.map { HashSeed($0.meta.seed.low, $0.meta.seed.high) } ?? Crew.randomSeed(),
        accessLog: log, mailboxes: wakeUps.map { fd in Mailbox { WakeUp.signal(fd) } }, kernel: Kernel(),
        directory: directory)
    } catch {
      throw .failed(
        flag: "--disk", value: configuration.disk?.path ?? "", reason: "\(PurgeLog.name): \(error.message)")
    }
    watch = WorkerWatch(deployment, wakeUps: wakeUps, reports: reports, pulse: pulse)
  }

  private static func openStore(_ configuration: Configuration) throws(ServiceError) -> StoreDirectory? {
    guard let setting = configuration.disk else { return nil }
    do throws(StoreDirectoryError) {
      return try StoreDirectory.open(
        setting.path, levels: setting.levels, keyVersion: Configuration.keyVersion,
        keyTemplate: HashSeed(0, 0).hash(Array(configuration.key.text.utf8).span).low)
    } catch {
      throw .failed(flag: "--disk", value: setting.path, reason: error.message)
    }
  }

  private static func randomSeed() -> HashSeed {
    var random = SystemRandomNumberGenerator()
    return HashSeed(random.next(), random.next())
  }

  /// Starts the threads; returns when all of them listen.
  func start() throws(ServiceError) {
    deployment.disk?.start()
    for index in 0..<deployment.mailboxes.count {
      let start = WorkerStart(
        index: index, deployment: deployment, role: role, wakeUp: wakeUps[index],
        listeners: sockets.clients.map { ($0.descriptors[index], $0.setting.expectsProxyHeader) },
        adminDescriptor: index == 0 ? sockets.admin?.descriptor : nil, progress: progress,
        reports: reports)
      do throws(SystemError) {
        threads.append(try startThread { start.run() })
      } catch {
        throw .failed(flag: "--workers", value: "\(deployment.mailboxes.count)", reason: error.reason)
      }
    }
    var listening: UInt64 = 0
    while listening < UInt64(threads.count) {
      var count: UInt64 = 0
      guard unsafe read(progress, &count, 8) == 8 else { continue }
      listening += count
    }
    if let error = reports.error.withLock({ $0 }) {
      throw .failed(flag: "--workers", value: "\(threads.count)", reason: error.reason)
    }
  }

  /// Waits for the order to end, drains, and returns when every worker has ended or the time for it is over.
  func runUntilEnd(_ orders: ProcessOrders) {
    watch.begin(threads)
    let drain = awaitOrder(orders)
    // With a successor, a balancer that asks whether we are ready must not be told that we are not.
    if drain == .last {
      deployment.isDraining.store(true, ordering: .relaxed)
      wait(orders, milliseconds: deployment.configuration.drainDelayMilliseconds)
    }
    post(.drain(drain))
    wait(orders, milliseconds: deployment.configuration.drainTimeoutMilliseconds) { self.hasEnded }
    if !hasEnded {
      deployment.counters[0].add(.drainTimeouts)
      post(.closeNow)
    }
    end()
  }

  private var hasEnded: Bool { reports.ended.withLock { $0.count == threads.count } }

  private func awaitOrder(_ orders: ProcessOrders) -> Drain {
    while true {
      if let drain = orders.next(reopening: deployment.accessLog) { return drain }
      pause(orders, until: nil)
    }
  }

  /// Waits until `condition` holds, or the time is over. A second order to end ends the process at once.
  private func wait(
    _ orders: ProcessOrders, milliseconds: Int, until condition: () -> Bool = { false }
  ) {
    let deadline = kernel.now() + Milliseconds(milliseconds)
    while !condition(), kernel.now() < deadline {
      if orders.next(reopening: deployment.accessLog) == .last, orders.secondEndsAtOnce { exit(1) }
      pause(orders, until: deadline)
    }
  }

  /// Sleeps until a signal, news from a worker, `deadline`, or the time to look after the workers.
  private func pause(_ orders: ProcessOrders, until deadline: Milliseconds?) {
    var watched = [
      pollfd(fd: orders.descriptor, events: Int16(POLLIN), revents: 0),
      pollfd(fd: progress, events: Int16(POLLIN), revents: 0),
    ]
    let next = [deadline, watch.nextLook].compactMap { $0 }.min()
    let longest = next.map { CInt(clamping: max($0 - kernel.now(), 0)) } ?? -1
    _ = unsafe poll(&watched, 2, longest)
    if watched[1].revents != 0 {
      var count: UInt64 = 0
      _ = unsafe read(progress, &count, 8)
    }
    watch.lookIfDue()
  }

  /// Has the workers finish, and waits for them.
  func end() {
    post(.closeNow)
    for thread in threads { _ = pthread_join(thread, nil) }
    threads = []
    // Only now: until then they were written to, and their numbers must not become somebody else's.
    for wakeUp in wakeUps { close(wakeUp) }
    deployment.disk?.stop()
    _ = deployment.accessLog.close(within: 2000)
  }

  private func post(_ mail: Mail) { for mailbox in deployment.mailboxes { mailbox.post(mail) } }
}

/// What workers tell the main thread.
final class WorkerReports: Sendable {
  /// The first failure of a worker's start.
  let error = Guarded<SystemError?>(nil)
  let ended = Guarded<Set<Int>>([])
}

/// What a worker's thread needs to begin.
struct WorkerStart: Sendable {
  let index: Int
  let deployment: Deployment
  let role: ListenerRole
  let wakeUp: CInt
  let listeners: [(descriptor: CInt, expectsProxyHeader: Bool)]
  let adminDescriptor: CInt?
  let progress: CInt
  let reports: WorkerReports

  func run() {
    unsafe linux_name_thread("larder-\(index)")
    do throws(SystemError) {
      let worker = try Worker(index: index, deployment: deployment, kernel: Kernel(), policy: Policy())
      _ = try WakeUp(loop: worker.loop, adopting: wakeUp)
      for (descriptor, expectsProxyHeader) in listeners {
        try worker.listen(descriptor, role: role, expectsProxyHeader: expectsProxyHeader)
      }
      if let adminDescriptor { try worker.listen(adminDescriptor, role: .admin) }
      WakeUp.signal(progress)
      worker.run()
    } catch {
      reports.error.withLock { first in if first == nil { first = error } }
      WakeUp.signal(progress)
    }
    reports.ended.withLock { _ = $0.insert(index) }
    WakeUp.signal(progress)
  }
}
