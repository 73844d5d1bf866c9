import Glibc

/// What the kernel says of this process, under the names that every Prometheus client uses.
struct ProcessUsage {
  /// Of all threads, user and system.
  var cpuMicroseconds = 0
  var residentBytes = 0
  var virtualBytes = 0
  var openDescriptors = 0
  var descriptorLimit = 0

  static func current() -> ProcessUsage {
    var usage = ProcessUsage()
    var time = timespec()
    if unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 {
      usage.cpuMicroseconds = time.tv_sec * 1_000_000 + time.tv_nsec / 1000
    }
    var limit = rlimit()
    if unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
      usage.descriptorLimit = Int(clamping: limit.rlim_cur)
    }
    usage.readMemory()
    usage.openDescriptors = openDescriptorCount()
    return usage
  }

  /// The first two numbers of `/proc/self/statm`, in pages (proc(5)).
  private mutating func readMemory() {
    let file = unsafe open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return }
    defer { _ = close(file) }
    var text = [UInt8](repeating: 0, count: 128)
    let count = unsafe read(file, &text, text.count)
    let numbers = text.prefix(max(count, 0)).split(separator: 32).map { word in
      word.reduce(0) { $0 * 10 + Int($1 & 15) }
    }
    guard numbers.count > 1 else { return }
    let page = Int(sysconf(CInt(_SC_PAGESIZE)))
    (virtualBytes, residentBytes) = (numbers[0] * page, numbers[1] * page)
  }

  private static func openDescriptorCount() -> Int {
    guard let folder = unsafe opendir("/proc/self/fd") else { return 0 }
    defer { _ = unsafe closedir(folder) }
    var count = 0
    while unsafe readdir(folder) != nil { count += 1 }
    // Not the two links every folder has, nor the descriptor that looks.
    return max(count - 3, 0)
  }
}
