import CLinux
import Glibc

/// The signals that this process takes, read from a descriptor where they are waited for. To be made before
/// the first thread, so that all of them inherit the mask.
struct SignalQueue {
  let descriptor: CInt

  init(withChildren: Bool = false) throws(ServiceError) {
    descriptor = linux_await_signals(withChildren ? 1 : 0)
    guard descriptor >= 0 else {
      throw .failed(flag: "", value: "", reason: "signalfd: \(Service.errnoText(errno))")
    }
  }

  /// The next that has come, if one has.
  func next() -> CInt? {
    var information = signalfd_siginfo()
    let size = MemoryLayout<signalfd_siginfo>.size
    guard unsafe read(descriptor, &information, size) == size else { return nil }
    return CInt(bitPattern: information.ssi_signo)
  }
}
