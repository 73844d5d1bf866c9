import Bytes
import CLinux
import Glibc
import IO

/// The parent: it has the listening sockets and children that serve on them, one usually, two while one
/// finishes what it has (lifecycle L29). It takes no byte from a peer.
///
/// Belongs to the main thread, the only one; children are begun by running the program again, so that none
/// begins with what another process had in memory.
final class Supervisor {
  private let configuration: Configuration
  private let signals: SignalQueue
  private let sockets: ListeningSockets
  private let pidFile: PidFile?
  private var supervision = Supervision()
  private var children: [Child] = []
  /// Where an upgrade finds the new program.
  private let path = Program.ownPath()
  private var program: Program
  private let kernel = Kernel()
  private var startIsDue: Milliseconds?
  private var nextLook: Milliseconds
  private var status: Int32?

  init(_ configuration: Configuration) throws(ServiceError) {
    self.configuration = configuration
    signals = try SignalQueue(withChildren: true)
    do throws(SystemError) {
      program = try Program(at: "/proc/self/exe")
    } catch {
      throw .failed(flag: "", value: "/proc/self/exe", reason: error.reason)
    }
    sockets = try ListeningSockets(opening: configuration, role: .proxy)
    pidFile = try PidFile(configuration)
    nextLook = kernel.now()
  }

  /// - Returns: The exit status, which is the last child's.
  func run() -> Int32 {
    Backtraces.configure(programAt: path)
    start(as: .starting, program)
    while status == nil {
      wait()
      for i in children.indices where children[i].hear() {
        follow(supervision.serves(children[i].process, now: kernel.now()))
      }
      while let signal = signals.next() { take(signal) }
      look()
      if let due = startIsDue, due <= kernel.now() {
        startIsDue = nil
        if supervision.lacksChild { start(as: .starting, program) }
      }
    }
    sockets.removeFiles()
    pidFile?.remove()
    return status ?? 0
  }

  private func wait() {
    let descriptors = [signals.descriptor] + children.map(\.pulse)
    var watched = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    var until = startIsDue
    if let interval = configuration.watchdogInterval {
      nextLook = min(nextLook, kernel.now() + interval)
      until = min(until ?? nextLook, nextLook)
    }
    let longest = until.map { CInt(clamping: max($0 - kernel.now(), 0)) } ?? -1
    _ = unsafe poll(&watched, nfds_t(watched.count), longest)
  }

  private func take(_ signal: CInt) {
    switch signal {
    case SIGCHLD: reap()
    case SIGUSR1: follow(supervision.askedToReopenLogs())
    case SIGUSR2: follow(supervision.askedToUpgrade())
    default: follow(supervision.askedToStop())
    }
  }

  private func reap() {
    while true {
      var state: CInt = 0
      let process = unsafe waitpid(-1, &state, WNOHANG)
      guard process > 0 else { return }
      guard let index = children.firstIndex(where: { $0.process == process }) else { continue }
      children.remove(at: index).forget()
      follow(supervision.ended(process, Supervision.Ending(waitStatus: state), now: kernel.now()))
    }
  }

  /// Whether the children are well, four times in the watchdog's time.
  private func look() {
    guard let interval = configuration.watchdogInterval, nextLook <= kernel.now() else { return }
    nextLook = kernel.now() + interval
    for i in children.indices where children[i].isTooSilent() {
      follow(supervision.isSilent(children[i].process))
    }
  }

  private func start(as stage: Supervision.Stage, _ program: Program) {
    do throws(SystemError) {
      let child = try Child(program, sockets)
      children.append(child)
      supervision.began(child.process, as: stage)
    } catch {
      follow(supervision.couldNotStart("\(error.call): \(error.reason)", as: stage))
    }
  }

  private func startCandidate() {
    do throws(SystemError) {
      start(as: .candidate, try Program(at: path))
    } catch {
      follow(supervision.couldNotStart("\(path): \(error.reason)", as: .candidate))
    }
  }

  private func follow(_ orders: [Supervision.Order]) {
    for order in orders {
      switch order {
      case .start(let pause): startIsDue = kernel.now() + pause
      case .startCandidate: startCandidate()
      case .adoptProgram(let child): program = self[child]?.program ?? program
      case .announce: for line in sockets.lines { Service.say(line) }
      case .closeListeners: sockets.close()
      case .send(let signal, let child): self[child]?.send(signal)
      case .log(let text): Service.warn(text)
      case .end(let status): self.status = status
      }
    }
  }

  private subscript(process: pid_t) -> Child? { children.first { $0.process == process } }
}

extension Supervision.Ending {
  /// - Parameter waitStatus: As `waitpid` gives it, of a process that has ended.
  init(waitStatus: CInt) {
    let signal = waitStatus & 0x7f
    guard signal != 0 else {
      self = .exited(waitStatus >> 8 & 0xff)
      return
    }
    let name = unsafe linux_signal_name(signal).map { unsafe "SIG" + String(cString: $0) }
    self = .killed(by: signal, name: name ?? "signal \(signal)")
  }
}

extension Configuration {
  /// Between two looks at what should be alive; `nil`: nobody looks.
  var watchdogInterval: Milliseconds? {
    watchdogMilliseconds == 0 ? nil : Milliseconds(max(watchdogMilliseconds / Watchdog.looks, 1))
  }
}
