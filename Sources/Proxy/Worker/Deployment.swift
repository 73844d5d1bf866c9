import Bytes
import CLinux
import Caching
import HTTP
import IO
import Storage
import Synchronization
import Telemetry
import Upstream

/// What all workers share: everything here is immutable, atomic, or guards itself.
final class Deployment: Sendable {
  let configuration: Configuration
  let store: MemoryStore
  /// `nil`: memory is the only tier.
  let disk: DiskStore?
  let pool: Pool
  let counters: [WorkerCounters]
  let mailboxes: [Mailbox<Mail>]
  let accessLog: AccessLog
  let keyTemplate: KeyTemplate
  /// Our name in `Via`, unique to this process, so that loops are told from neighbours (lifecycle L25).
  let pseudonym: [UInt8]
  /// When the process began, in seconds since 1970 and on the clock of ages.
  let startedAt: CacheSeconds
  /// From the monotonic clock to that of ages.
  let cacheOffset: Milliseconds
  let isDraining = Atomic<Bool>(false)
  let clients = Atomic<Int>(0)
  /// `nil` while the limit is off, as is the next.
  let clientCounts: ClientCounts?
  let requestRates: RequestRates?

  init(
    _ configuration: Configuration, seed: HashSeed, accessLog: AccessLog,
    mailboxes: [Mailbox<Mail>], kernel: Kernel, directory: StoreDirectory? = nil
  ) throws(PurgeLog.Failure) {
    self.configuration = configuration
    self.mailboxes = mailboxes
    self.accessLog = accessLog
    keyTemplate = configuration.key.template
    startedAt = kernel.wallClock() / 1000
    cacheOffset = kernel.wallOffset
    counters = mailboxes.map { _ in WorkerCounters(decisionCount: Decision.count) }
    clientCounts = configuration.maxClientsPerAddress.map { ClientCounts(limit: $0) }
    requestRates = configuration.maxRequestRate.map {
      RequestRates(rate: $0, burst: configuration.maxRequestBurst)
    }
    var storeOptions = StoreOptions(maxObject: configuration.maxObjectBytes)
    storeOptions.inFlightLimit = configuration.inFlightBytes
    store = MemoryStore(
      budget: configuration.storeBytes, seed: seed, workerCount: mailboxes.count, options: storeOptions,
      wakers: mailboxes.map { WorkerWaker($0) }, firstSequence: directory?.meta.firstSequence ?? 0)
    if let directory, let setting = configuration.disk {
      let memoryObject = configuration.memoryBytes == 0 ? 0 : configuration.maxObjectBytes
      let diskOptions = setting.options(memoryObject: memoryObject, openFiles: configuration.openFiles)
      disk = try DiskStore(
        directory, options: diskOptions, memory: store,
        clock: ServiceClock(kernel: kernel, cacheOffset: cacheOffset, system: directory.system),
        report: Service.warn)
    } else {
      disk = nil
    }
    var options = PoolOptions()
    options.maxConnectionsPerServer = configuration.maxConnections
    pool = Pool(backends: configuration.backends, options: options) { worker, ticket, server in
      mailboxes[worker].post(.granted(ticket, server))
    }
    var name = OutputBuffer(capacity: 32)
    name.append("larder-")
    name.append(hex: seed.hash(Array("via".utf8).span).low)
    pseudonym = name.bytes.array
  }
}

/// What may be said to a worker from outside.
enum Mail: Sendable {
  /// At most one for each fill and worker is under way (lifecycle L3).
  case advanced(Fill)
  case drained(Fill)
  /// A connection to a server, for the fetch that queued for it.
  case granted(UInt64, Server)
  /// What a disk thread has to say to the exchange with this ticket; one for each that waits.
  case disk(UInt64, DiskAnswer)
  case drain(Drain)
  case closeNow
}

/// Who answers those that connect from now on.
enum Drain: Equatable, Sendable {
  /// Nobody: the service ends.
  case last
  /// The child that an upgrade has started.
  case successor
}

/// A worker's mailbox as fills know it.
private final class WorkerWaker: FillWaker {
  private let mailbox: Mailbox<Mail>

  init(_ mailbox: Mailbox<Mail>) { self.mailbox = mailbox }

  func fillAdvanced(_ fill: Fill) { mailbox.post(.advanced(fill)) }
  func fillDrained(_ fill: Fill) { mailbox.post(.drained(fill)) }
}
