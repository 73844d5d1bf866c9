public import Bytes
import Glibc

/// How this process tells time to files, and takes it from them. Ages run on `CacheSeconds`, which belong to
/// one process: files hold the wall clock's time, and the monotonic clock's together with the boot that it
/// counts from. After a restart within the same boot the latter is exact, whatever was done to the wall clock
/// meanwhile; after another boot there is only the wall clock (decision 14).
public struct StoreClock: Equatable, Sendable {
  /// From the monotonic clock to `CacheSeconds`, in milliseconds: fixed for the life of the process.
  public var cacheOffset: Milliseconds
  /// From the monotonic clock to the wall clock, in milliseconds, as it stands now.
  public var wallOffset: Milliseconds
  /// Names the boot of the machine; 0: not known.
  public var boot: UInt64

  public init(cacheOffset: Milliseconds, wallOffset: Milliseconds, boot: UInt64) {
    self.cacheOffset = cacheOffset
    self.wallOffset = wallOffset
    self.boot = boot
  }

  /// Seconds since 1970 by the wall clock as it stands now.
  public func wall(_ time: CacheSeconds) -> Int64 {
    time &+ Self.seconds(wallOffset &- cacheOffset)
  }

  func monotonic(_ time: CacheSeconds) -> Milliseconds { time &* 1000 &- cacheOffset }

  /// What a file says, in this process's seconds; never later than `now`: a time that lies ahead would keep a
  /// response young for ever.
  func cacheSeconds(wall: Int64, monotonic: Milliseconds, boot: UInt64, now: CacheSeconds) -> CacheSeconds {
    let time = boot != 0 && boot == self.boot ? Self.seconds(monotonic &+ cacheOffset) : wall
    return min(time, now)
  }

  /// Rounded to the nearest: both offsets are read with an error of some milliseconds.
  private static func seconds(_ milliseconds: Milliseconds) -> Int64 {
    let (quotient, rest) = (milliseconds &+ 500).quotientAndRemainder(dividingBy: 1000)
    return rest < 0 ? quotient - 1 : quotient
  }
}

extension StoreClock {
  /// For a process that only looks: its `CacheSeconds` are the wall clock's.
  public static func ofWall(_ system: DiskSystem) -> (clock: StoreClock, now: CacheSeconds) {
    var wall = timespec()
    var monotonic = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &wall)
    unsafe clock_gettime(CLOCK_MONOTONIC, &monotonic)
    let offset = milliseconds(wall) - milliseconds(monotonic)
    return (
      StoreClock(cacheOffset: offset, wallOffset: offset, boot: currentBoot(system)),
      CacheSeconds(wall.tv_sec)
    )
  }

  private static func milliseconds(_ time: timespec) -> Milliseconds {
    Milliseconds(time.tv_sec) * 1000 + Milliseconds(time.tv_nsec) / 1_000_000
  }

  /// The boot that this machine runs since; 0 where it is not told.
  public static func currentBoot(_ system: DiskSystem) -> UInt64 {
    var text = [UInt8](repeating: 0, count: 36)
    let file = system.open("/proc/sys/kernel/random/boot_id", in: -100, flags: 0)
    guard file >= 0 else { return 0 }
    defer { system.close(file) }
    // SAFETY: the kernel writes at most 36 bytes.
    let count = unsafe text.withUnsafeMutableBytes {
      unsafe system.readFully(file, into: $0.baseAddress!, count: 36, at: 0)
    }
    guard count == 36 else { return 0 }
    return HashSeed(0, 0).hash(text.span).low | 1
  }
}
