import Bytes
import CLinux
import Caching
import Glibc
import IO
import Synchronization
import Telemetry

/// The workers of one deployment with their threads, from opening the sockets to the last worker's end.
///
/// Belongs to the main thread.
final class Crew {
  let deployment: Deployment
  private let role: ListenerRole
  /// Listening descriptors, by address and worker.
  private var sockets: [(descriptors: [CInt], setting: ListenSetting)] = []
  private var adminSocket: (descriptor: CInt, address: SocketAddress)?
  private var wakeUps: [CInt] = []
  private var threads: [pthread_t] = []
  /// Workers write to it when they listen, and when they have ended.
  private let progress: CInt
  private let failure = Box()

  var addresses: [SocketAddress] { sockets.map { $0.setting.address } }

  init(_ configuration: Configuration, role: ListenerRole) throws(ServiceError) {
    self.role = role
    progress = eventfd(0, CInt(EFD_CLOEXEC))
    var wakeUps: [CInt] = []
    for _ in 0..<configuration.workers { wakeUps.append(eventfd(0, CInt(EFD_NONBLOCK) | CInt(EFD_CLOEXEC))) }
    guard progress >= 0, !wakeUps.contains(-1) else {
      throw .failed(flag: "--workers", value: "\(configuration.workers)", reason: "no descriptor is left")
    }
    self.wakeUps = wakeUps
    let log: AccessLog
    do throws(AccessLogError) {
      log = try AccessLog(configuration.accessLog, workers: configuration.workers)
    } catch {
      throw .failed(flag: "--access-log", value: error.path, reason: Service.errnoText(error.code))
    }
    var random: (UInt64, UInt64) = (0, 0)
    guard unsafe linux_random(&random, 16) == 0 else {
      throw .failed(flag: "", value: "", reason: "getrandom: \(Service.errnoText(errno))")
    }
    deployment = Deployment(
      configuration, seed: HashSeed(random.0, random.1), accessLog: log,
      mailboxes: wakeUps.map { fd in Mailbox { WakeUp.signal(fd) } },
      kernel: Kernel())
    try open(configuration)
  }

  private func open(_ configuration: Configuration) throws(ServiceError) {
    for setting in configuration.listen {
      do throws(SystemError) {
        let (descriptors, used) = try ListeningSocket.open(setting.address, count: configuration.workers)
        sockets.append((descriptors, ListenSetting(used, expectsProxyHeader: setting.expectsProxyHeader)))
      } catch {
        throw .failed(flag: "--listen", value: "\(setting)", reason: error.reason)
      }
    }
    guard let admin = configuration.admin, role == .proxy else { return }
    do throws(SystemError) {
      let (descriptors, used) = try ListeningSocket.open(admin, count: 1)
      adminSocket = (descriptors[0], used)
    } catch {
      throw .failed(flag: "--admin", value: "\(admin)", reason: error.reason)
    }
  }

  var addressLines: [String] {
    sockets.map { "Listening on \($0.setting)" } + (adminSocket.map { ["Admin on \($0.address)"] } ?? [])
  }

  /// Starts the threads; returns when all of them listen.
  func start() throws(ServiceError) {
    for index in 0..<deployment.mailboxes.count {
      let start = WorkerStart(
        index: index, deployment: deployment, role: role, wakeUp: wakeUps[index],
        listeners: sockets.map { ($0.descriptors[index], $0.setting.expectsProxyHeader) },
        adminDescriptor: index == 0 ? adminSocket?.descriptor : nil, progress: progress, failure: failure)
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
    if let error = failure.error.withLock({ $0 }) {
      throw .failed(flag: "--workers", value: "\(threads.count)", reason: error.reason)
    }
  }

  /// Waits for a signal, drains, and returns when every worker has ended or the time for it is over.
  func superviseUntilEnd(signals: CInt) {
    _ = awaitEvent(signals: signals, milliseconds: -1)
    deployment.isDraining.store(true, ordering: .relaxed)
    let delay = deployment.configuration.drainDelayMilliseconds
    if delay > 0, awaitEvent(signals: signals, milliseconds: delay) == .signal { exit(1) }
    post(.drain)
    let clock = ContinuousClock()
    let deadline = clock.now + .milliseconds(deployment.configuration.drainTimeoutMilliseconds)
    var ended = 0
    while ended < threads.count {
      let left = deadline - clock.now
      let milliseconds =
        Int(left.components.seconds * 1000) + Int(left.components.attoseconds / 1_000_000_000_000_000)
      guard milliseconds > 0 else { break }
      switch awaitEvent(signals: signals, milliseconds: milliseconds) {
      case .signal: exit(1)
      case .progress(let count): ended += count
      case .timeOut: break
      }
    }
    if ended < threads.count {
      deployment.counters[0].add(.drainTimeouts)
      post(.closeNow)
    }
    end()
  }

  /// Has the workers finish, and waits for them.
  func end() {
    post(.closeNow)
    for thread in threads { _ = pthread_join(thread, nil) }
    threads = []
    _ = deployment.accessLog.close(within: 2000)
  }

  func removeSockets() {
    for address in addresses where address.isUnix {
      _ = unsafe unlink(String(decoding: address.path, as: UTF8.self))
    }
  }

  private func post(_ mail: Mail) { for mailbox in deployment.mailboxes { mailbox.post(mail) } }

  private enum Event: Equatable {
    case signal, progress(Int), timeOut
  }

  private func awaitEvent(signals: CInt, milliseconds: Int) -> Event {
    var watched = [
      pollfd(fd: signals, events: Int16(POLLIN), revents: 0),
      pollfd(fd: progress, events: Int16(POLLIN), revents: 0),
    ]
    while true {
      let count = unsafe poll(&watched, 2, CInt(clamping: milliseconds))
      if count == 0 { return .timeOut }
      if count > 0 { break }
    }
    if watched[0].revents != 0 {
      var information = [UInt8](repeating: 0, count: 128)
      _ = unsafe read(signals, &information, 128)
      return .signal
    }
    var ended: UInt64 = 0
    _ = unsafe read(progress, &ended, 8)
    return .progress(Int(ended))
  }
}

/// The first failure of a worker's start.
final class Box: Sendable {
  let error = Mutex<SystemError?>(nil)
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
  let failure: Box

  func run() {
    unsafe linux_name_thread("larder-\(index)")
    do throws(SystemError) {
      let worker = try Worker(index: index, deployment: deployment, kernel: Kernel(), policy: Policy())
      let wake = try WakeUp(loop: worker.loop, adopting: wakeUp)
      for (descriptor, expectsProxyHeader) in listeners {
        try worker.listen(descriptor, role: role, expectsProxyHeader: expectsProxyHeader)
      }
      if let adminDescriptor { try worker.listen(adminDescriptor, role: .admin) }
      WakeUp.signal(progress)
      worker.run()
      worker.loop.close(wake)
    } catch {
      failure.error.withLock { first in if first == nil { first = error } }
      WakeUp.signal(progress)
    }
    WakeUp.signal(progress)
  }
}
