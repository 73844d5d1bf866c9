import Bytes
import Glibc
import IO

/// Looks after the workers from the main thread, and tells the parent that they are well (lifecycle L29).
final class WorkerWatch {
  private let deployment: Deployment
  private let wakeUps: [CInt]
  private let reports: WorkerReports
  private let pulse: CInt?
  private let interval: Milliseconds?
  private let kernel = Kernel()
  private var threads: [pthread_t] = []
  private var watchdog: Watchdog
  /// `nil`: nobody looks.
  private(set) var nextLook: Milliseconds?

  init(_ deployment: Deployment, wakeUps: [CInt], reports: WorkerReports, pulse: CInt?) {
    self.deployment = deployment
    self.wakeUps = wakeUps
    self.reports = reports
    self.pulse = pulse
    interval = deployment.configuration.watchdogInterval
    watchdog = Watchdog(workers: wakeUps.count)
  }

  /// The workers listen.
  func begin(_ threads: [pthread_t]) {
    self.threads = threads
    nextLook = interval.map { kernel.now() + $0 }
    if let pulse { WakeUp.signal(pulse) }
  }

  func lookIfDue() {
    guard let interval, let due = nextLook, due <= kernel.now() else { return }
    nextLook = kernel.now() + interval
    let ended = reports.ended.withLock { $0 }
    let (quiet, hanging) = watchdog.look(
      at: deployment.counters.enumerated().map { ended.contains($0) ? nil : $1.value(of: .turns) })
    if let hanging { giveUp(hanging) }
    for worker in quiet { WakeUp.signal(wakeUps[worker]) }
    if let pulse { WakeUp.signal(pulse) }
  }

  /// The signal goes to the worker's own thread, so that the backtrace is of what it hangs in. Printing that
  /// takes the handler away, and the thread goes on: the second signal ends the process. A thread that not
  /// even that reaches is not waited for.
  private func giveUp(_ worker: Int) -> Never {
    Service.warn("worker \(worker) has not turned for too long (--watchdog), and is ended")
    pthread_kill(threads[worker], SIGABRT)
    sleep(1)
    pthread_kill(threads[worker], SIGABRT)
    sleep(10)
    kill(getpid(), SIGKILL)
    exit(1)
  }
}
