import Bytes
import Caching
import IO
import Storage

/// The process's clocks as the disk tier asks for them.
final class ServiceClock: DiskClock {
  private let kernel: Kernel
  private let cacheOffset: Milliseconds
  private let boot: UInt64

  /// - Parameter cacheOffset: From the monotonic clock to that of ages.
  init(kernel: sending Kernel, cacheOffset: Milliseconds, system: DiskSystem) {
    self.kernel = kernel
    self.cacheOffset = cacheOffset
    boot = StoreClock.currentBoot(system)
  }

  var now: CacheSeconds { (kernel.now() + cacheOffset) / 1000 }

  var storeClock: StoreClock {
    StoreClock(cacheOffset: cacheOffset, wallOffset: kernel.wallOffset, boot: boot)
  }

  var microseconds: Int64 { kernel.microseconds() }
}
