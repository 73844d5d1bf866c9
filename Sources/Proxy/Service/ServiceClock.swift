import Bytes
import Caching
import IO
import Storage

/// The process's clocks as the disk tier asks for them.
final class ServiceClock: DiskClock {
  /// Only its clocks are asked, which keep no state.
  private nonisolated(unsafe) let kernel: Kernel
  private let cacheOffset: Milliseconds
  private let boot: UInt64

  /// - Parameter cacheOffset: From the monotonic clock to that of ages.
  init(kernel: Kernel, cacheOffset: Milliseconds, system: DiskSystem) {
    unsafe self.kernel = kernel
    self.cacheOffset = cacheOffset
    boot = StoreClock.currentBoot(system)
  }

  var now: CacheSeconds { unsafe (kernel.now() + cacheOffset) / 1000 }

  var storeClock: StoreClock {
    unsafe StoreClock(cacheOffset: cacheOffset, wallOffset: kernel.wallOffset, boot: boot)
  }

  var microseconds: Int64 { unsafe kernel.microseconds() }
}
