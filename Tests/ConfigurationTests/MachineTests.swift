import Testing

@testable import Proxy

private let mebibyte = 1_048_576

@Suite("The machine, L31")
struct MachineTests {
  static let defaults: [(Int, Int)] = [
    (16384 * mebibyte, 1024 * mebibyte),  // 16 GiB: capped
    (4096 * mebibyte, 1024 * mebibyte),  // exactly the cap
    (4095 * mebibyte, 1023 * mebibyte),  // a quarter is 1023.75 MiB
    (512 * mebibyte, 128 * mebibyte),
    (512 * mebibyte + 12_345, 128 * mebibyte),
    (2 * mebibyte, mebibyte),  // never less than --memory takes
    (0, mebibyte),
    (Int.max, 1024 * mebibyte),
  ]

  @Test(arguments: defaults)
  func `the default is a quarter of the memory, at most 1 GiB`(_ memory: Int, _ expected: Int) {
    #expect(Machine(processors: 1, memoryBytes: memory).defaultCacheBytes == expected)
  }

  @Test func `an entry may take an eighth of the default`() {
    let configuration = Configuration(machine: Machine(processors: 3, memoryBytes: 1024 * mebibyte))
    #expect(configuration.memoryBytes == 256 * mebibyte)
    #expect(configuration.maxObjectBytes == 32 * mebibyte)
    #expect(configuration.workers == 3)
  }

  @Test(arguments: [
    ("536870912\n", 536_870_912), ("536870912", 536_870_912),
    ("9223372036854771712\n", 9_223_372_036_854_771_712),  // "no limit" of version 1
    ("0\n", 0),
  ])
  func `a control group states its limit in bytes`(_ text: String, _ bytes: Int) {
    #expect(Machine.memoryLimit(in: text) == bytes)
  }

  @Test(arguments: ["max\n", "max", "", "\n", "-1\n", "12 kB\n", "99999999999999999999\n"])
  func `a control group without a limit has none`(_ text: String) {
    #expect(Machine.memoryLimit(in: text) == nil)
  }

  @Test func `the machine's memory is MemTotal, in units of 1024 bytes`() {
    let sample = """
      MemTotal:       16316412 kB
      MemFree:         1198000 kB
      MemAvailable:   11403336 kB
      SwapTotal:             0 kB
      """
    #expect(Machine.totalMemory(in: sample) == 16_316_412 * 1024)
    #expect(Machine.totalMemory(in: "MemFree: 1 kB\nMemTotal:\t2048 kB\n") == 2048 * 1024)
  }

  @Test(arguments: [
    "", "MemTotal:", "MemTotal: kB", "MemTotal: 12", "MemTotal: 12 MB", "MemTotal: x kB", "MemTotal: 0 kB",
    "MemTotal: 9223372036854775807 kB", "MemFree: 12 kB", "XMemTotal: 12 kB",
  ])
  func `a text without MemTotal gives nothing`(_ text: String) {
    #expect(Machine.totalMemory(in: text) == nil)
  }

  @Test func `limits are looked for in a group and in all around it`() {
    #expect(
      ControlGroup(of: "0::/system.slice/larder.service\n").limitFiles == [
        "/sys/fs/cgroup/system.slice/larder.service/memory.max", "/sys/fs/cgroup/system.slice/memory.max",
        "/sys/fs/cgroup/memory.max",
      ])
    #expect(ControlGroup(of: "0::/\n").limitFiles == ["/sys/fs/cgroup/memory.max"])
    #expect(
      ControlGroup(of: "5:cpu,memory:/docker/a\n4:memorable:/x\n").limitFiles == [
        "/sys/fs/cgroup/memory/docker/a/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/docker/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.limit_in_bytes",
      ])
  }

  @Test func `a group outside what a container sees is taken for its root`() {
    #expect(ControlGroup(of: "0::/../../other\n").limitFiles == ["/sys/fs/cgroup/memory.max"])
  }

  @Test(arguments: ["", "\n", "0", "0:", "nonsense"])
  func `an unreadable group gives no files`(_ text: String) {
    #expect(ControlGroup(of: text).limitFiles.isEmpty)
  }

  @Test func `this machine has a processor and memory`() {
    let machine = Machine.current()
    #expect(machine.processors >= 1)
    #expect(machine.memoryBytes > 0)
    #expect(Configuration.memoryRange.contains(machine.defaultCacheBytes))
  }
}
