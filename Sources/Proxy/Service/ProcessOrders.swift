import Glibc
import Telemetry

/// What the process that serves is told from outside, by signals.
struct ProcessOrders {
  private let signals: SignalQueue
  private let isChild: Bool

  init(_ signals: SignalQueue, isChild: Bool) {
    self.signals = signals
    self.isChild = isChild
  }

  var descriptor: CInt { signals.descriptor }

  /// A child is often told twice, by its parent and by whoever told that; the parent kills it where a second
  /// order means that.
  var secondEndsAtOnce: Bool { !isChild }

  /// The next order to drain, if one has come. The order to open `log` anew is carried out here.
  func next(reopening log: AccessLog) -> Drain? {
    while let signal = signals.next() {
      switch signal {
      case SIGTERM, SIGINT: return .last
      case SIGUSR1: log.reopen()
      case SIGUSR2 where isChild: return .successor
      case SIGUSR2: Service.warn("no upgrade: --no-supervise leaves nobody who could do it")
      default: break
      }
    }
    return nil
  }
}
