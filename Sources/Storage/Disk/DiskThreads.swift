import Bytes
import Glibc
import Synchronization

/// The threads that may wait for the disk, and what there is for them to do. Reads that somebody waits for go
/// before writes; writes are bounded by their bytes, reads by who asks.
///
/// Made and stopped by the disk store; anybody may submit.
@safe final class DiskThreads: Sendable {
  typealias Job = @Sendable () -> Void

  private struct Queues {
    var urgent = JobQueue()
    var deferred = JobQueue()
    var deferredBytes = 0
    /// Being carried out.
    var running = 0
    var isStopping = false

    mutating func take() -> (job: Job, bytes: Int)? { urgent.take() ?? deferred.take() }
  }

  /// First come, first served. What is taken is let go of here: what a job holds must end with the job, and
  /// not under the lock of the queues, to which its end may want to submit something.
  private struct JobQueue {
    private var jobs: [(job: Job, bytes: Int)?] = []
    private var start = 0

    var count: Int { jobs.count - start }

    mutating func append(_ job: @escaping Job, bytes: Int = 0) { jobs.append((job, bytes)) }

    mutating func take() -> (job: Job, bytes: Int)? {
      guard start < jobs.count else { return nil }
      let next = jobs[start].take()
      start += 1
      if start == jobs.count || start > 1024 && start * 2 > jobs.count {
        jobs.removeFirst(start)
        start = 0
      }
      return next
    }
  }

  private let queues = Guarded(Queues())
  private nonisolated(unsafe) let work: UnsafeMutablePointer<sem_t>
  private nonisolated(unsafe) let idle: UnsafeMutablePointer<sem_t>
  private let byteLimit: Int
  private let threads = Guarded<[pthread_t]>([])

  /// - Parameter byteLimit: Most bytes of deferred jobs at once.
  init(count: Int, byteLimit: Int) {
    self.byteLimit = byteLimit
    unsafe work = .allocate(capacity: 1)
    unsafe idle = .allocate(capacity: 1)
    unsafe sem_init(work, 0, 0)
    unsafe sem_init(idle, 0, 0)
    for _ in 0..<count {
      guard let thread = startNamedThread("larder-disk", { self.run() }) else {
        preconditionFailure("no thread for the disk")
      }
      threads.withLock { $0.append(thread) }
    }
  }

  deinit {
    unsafe sem_destroy(work)
    unsafe sem_destroy(idle)
    unsafe work.deallocate()
    unsafe idle.deallocate()
  }

  /// For what somebody waits for.
  func submit(_ job: @escaping Job) {
    queues.withLock { $0.urgent.append(job) }
    unsafe sem_post(work)
  }

  /// For what can wait. False: too much waits already.
  ///
  /// - Parameter bytes: What the job keeps in memory until it has been done.
  func `defer`(bytes: Int, _ job: @escaping Job) -> Bool {
    let isTaken = queues.withLock {
      guard $0.deferredBytes + bytes <= byteLimit || bytes == 0, !$0.isStopping else { return false }
      $0.deferredBytes += bytes
      $0.deferred.append(job, bytes: bytes)
      return true
    }
    if isTaken { unsafe sem_post(work) }
    return isTaken
  }

  private func run() {
    while true {
      while unsafe sem_wait(work) != 0 {}
      let next = queues.withLock { queues -> (job: Job, bytes: Int)? in
        let next = queues.take()
        if next != nil { queues.running += 1 }
        return next
      }
      // Woken without a job: to end.
      guard let next else { return }
      next.job()
      let isIdle = queues.withLock {
        $0.deferredBytes -= next.bytes
        $0.running -= 1
        return $0.running == 0 && $0.urgent.count == 0 && $0.deferred.count == 0
      }
      if isIdle { unsafe sem_post(idle) }
    }
  }

  /// How much waits: jobs that somebody waits for, those that can wait, and what those keep, in bytes.
  var depths: (urgent: Int, deferred: Int, deferredBytes: Int) {
    queues.withLock { ($0.urgent.count, $0.deferred.count, $0.deferredBytes) }
  }

  /// Waits until there is nothing to do.
  func waitUntilIdle() {
    while queues.withLock({ $0.running + $0.urgent.count + $0.deferred.count }) > 0 {
      while unsafe sem_wait(idle) != 0 {}
    }
  }

  /// Does what there is and ends the threads; nothing deferred is taken from now on.
  func stop() {
    queues.withLock { $0.isStopping = true }
    let ending = threads.withLock { threads -> [pthread_t] in
      defer { threads = [] }
      return threads
    }
    for _ in ending { unsafe sem_post(work) }
    for thread in ending { _ = pthread_join(thread, nil) }
  }
}
