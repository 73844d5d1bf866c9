import Bytes
import CLinux
import Glibc
import IO

/// The system calls of all workers, on a simulated network. One for all: each worker has its own poll.
final class SimulatedKernel: Kernel {
  private enum Descriptor {
    case poll(Poll)
    case listener(SimulatedListener)
    case stream(StreamEnd)
  }

  let network: Network
  var faults = Faults()
  private var table: [Descriptor?] = [nil, nil, nil]
  /// The most connections to one server that were open at once, as the workers see it.
  private(set) var mostDialled = 0
  private var dialled: [SocketAddress: Int] = [:]
  /// No descriptor below it is free.
  private var lowestFree = 3
  /// In the order of their making.
  private(set) var polls: [Poll] = []

  init(_ network: Network) {
    self.network = network
    super.init()
  }

  // MARK: Descriptors

  /// The lowest that is free, as the kernel does: so numbers are used again at once.
  private func open(_ descriptor: Descriptor) -> CInt {
    let fd = place(descriptor)
    network.trace("open \(fd)")
    return fd
  }

  private func place(_ descriptor: Descriptor) -> CInt {
    while lowestFree < table.count, table[lowestFree] != nil { lowestFree += 1 }
    if lowestFree < table.count { table[lowestFree] = descriptor } else { table.append(descriptor) }
    return CInt(lowestFree)
  }

  private func find(_ fd: CInt, _ call: StaticString) -> Descriptor? {
    guard fd >= 3, fd < table.count, let found = table[Int(fd)] else {
      network.violate("\(call) of descriptor \(fd), which is not open")
      return nil
    }
    return found
  }

  private func stream(_ fd: CInt, _ call: StaticString) -> StreamEnd? {
    guard case .stream(let end)? = find(fd, call) else { return nil }
    return end
  }

  /// A descriptor for an end that no listener brought.
  func adopt(_ end: StreamEnd) -> CInt { open(.stream(end)) }

  func open(listener: SimulatedListener) -> CInt { open(.listener(listener)) }

  func poll(_ fd: CInt) -> Poll? {
    guard case .poll(let poll)? = find(fd, "poll") else { return nil }
    return poll
  }

  /// What is open, for messages.
  var openText: String {
    table.indices.compactMap { at in
      switch table[at] {
      case .poll: "\(at) poll"
      case .listener: "\(at) listener"
      case .stream(let end): "\(at) stream \(end.state.rawValue)"
      case nil: nil
      }
    }.joined(separator: ", ")
  }

  var streamCount: Int {
    table.count { if case .stream = $0 { true } else { false } }
  }

  /// One connection, whichever, is lost on the way.
  func loseOne() {
    let ends = table.compactMap { if case .stream(let end) = $0 { end } else { nil } }
    guard !ends.isEmpty else { return }
    let lost = network.random.pick(ends)
    network.trace("a connection is lost")
    lost.lose(ECONNRESET)
  }

  private func vacate(_ fd: CInt) {
    guard fd >= 3, fd < table.count else { return }
    if case .stream(let end)? = table[Int(fd)], end.isDialled, let address = end.address {
      dialled[address]? -= 1
    }
    table[Int(fd)] = nil
    lowestFree = min(lowestFree, Int(fd))
  }

  // MARK: Calls

  override func read(_ fd: CInt, into memory: UnsafeMutableRawPointer, count: Int) -> Int {
    let result = unsafe reading(fd, into: memory, count: count)
    network.trace("read \(fd) \(count) = \(result)")
    return result
  }

  private func reading(_ fd: CInt, into memory: UnsafeMutableRawPointer, count: Int) -> Int {
    guard let end = stream(fd, "read") else { return -Int(EBADF) }
    if count == 0 { network.violate("a read with no room") }
    switch faults.next(.read) {
    case nil: return unsafe end.read(into: memory, count: count)
    case let code? where code == ECONNRESET || code == ETIMEDOUT || code == EHOSTUNREACH:
      _ = end.take()
      end.lose(code)
      return -Int(end.takeError() ?? code)
    case EAGAIN?:
      // As if what is there had come a moment later.
      if end.mayRead { network.after(0) { end.announce(.readable) } }
      return -Int(EAGAIN)
    case let code?: return -Int(code)
    }
  }

  /// What the kernel would do without a copy.
  override func sendFile(_ fd: CInt, from file: CInt, offset: Int, count: Int) -> Int {
    var bytes = [UInt8](repeating: 0, count: count)
    let got = unsafe bytes.withUnsafeMutableBytes { unsafe pread(file, $0.baseAddress, count, off_t(offset)) }
    guard got == count else { return -Int(EIO) }
    let result = unsafe bytes.withUnsafeMutableBytes { buffer in
      var part = unsafe iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
      return unsafe writing(fd, &part, count: 1, as: .sendFile)
    }
    network.trace("sendfile \(fd) = \(result)")
    return result
  }

  override func write(_ fd: CInt, _ parts: UnsafePointer<iovec>, count: Int) -> Int {
    let result = unsafe writing(fd, parts, count: count, as: .write)
    network.trace("write \(fd) = \(result)")
    return result
  }

  private func writing(
    _ fd: CInt, _ parts: UnsafePointer<iovec>, count: Int, as call: Faults.Call
  ) -> Int {
    guard let end = stream(fd, "write") else { return -Int(EBADF) }
    switch faults.next(call) {
    case nil: break
    case let code? where code == EPIPE || code == ECONNRESET || code == ETIMEDOUT:
      end.lose(code)
      return -Int(end.takeError() ?? code)
    case EAGAIN?:
      network.after(0) { end.announce(.writable) }
      return -Int(EAGAIN)
    case let code?: return -Int(code)
    }
    var total = 0
    for i in 0..<count {
      let part = unsafe parts[i]
      if unsafe part.iov_len == 0 { continue }
      let written = unsafe end.write(part.iov_base, count: part.iov_len)
      if written < 0 { return total > 0 ? total : written }
      total += written
      if unsafe written < part.iov_len { break }
    }
    return total
  }

  override func accept(_ fd: CInt, peer: inout SocketAddress?) -> CInt {
    guard case .listener(let listener)? = find(fd, "accept") else { return -EBADF }
    if !listener.pending.isEmpty {
      switch faults.next(.accept) {
      case nil: break
      case ECONNABORTED?:
        listener.pending.removeFirst().reset()
        return -ECONNABORTED
      case let code?: return -code
      }
    }
    guard !listener.pending.isEmpty else { return -EAGAIN }
    let end = listener.pending.removeFirst()
    peer = end.address
    return open(.stream(end))
  }

  override func unsentBytes(_ fd: CInt) -> Int { stream(fd, "ioctl")?.unsentBytes ?? 0 }

  override func connect(_ address: SocketAddress) -> CInt {
    if let code = faults.next(.connect) { return -code }
    let (near, _) = StreamEnd.pair(on: network)
    near.beginConnecting(to: address)
    near.address = address
    near.isDialled = true
    dialled[address, default: 0] += 1
    mostDialled = max(mostDialled, dialled[address] ?? 0)
    return open(.stream(near))
  }

  override func localAddress(_ fd: CInt) -> SocketAddress? {
    stream(fd, "getsockname") == nil ? nil : SocketAddress(ipv4: 0x0a00_0002, port: 8080)
  }

  override func connectOutcome(_ fd: CInt) -> CInt {
    let end = stream(fd, "getsockopt")
    if let code = faults.next(.connectOutcome) { end?.lose(code) }
    return end?.takeError() ?? 0
  }

  override func shutdownWrite(_ fd: CInt) {
    network.trace("shutdown \(fd)")
    stream(fd, "shutdown")?.shutdownWrite()
  }

  override func close(_ fd: CInt) {
    network.trace("close \(fd)")
    switch find(fd, "close") {
    case .stream(let end)?: end.close()
    case .listener(let listener)?: listener.close()
    case .poll?, nil: break
    }
    vacate(fd)
  }

  override func reset(_ fd: CInt) {
    network.trace("reset \(fd)")
    stream(fd, "reset")?.reset()
    vacate(fd)
  }

  /// Simulated descriptors have no copies.
  override func unwatch(_ poll: CInt, _ fd: CInt) {}

  override func watch(_ pollFD: CInt, _ fd: CInt, token: UInt64, interest: UInt32) -> CInt {
    guard let poll = poll(pollFD) else { return -EBADF }
    if let code = faults.next(.watch) { return -code }
    let watch = Watch(poll: poll, token: token, interest: interest)
    switch find(fd, "epoll_ctl") {
    case .stream(let end)?:
      watch.end = end
      end.watch = watch
      watch.edge(end.state)
    case .listener(let listener)?:
      watch.listener = listener
      listener.watch = watch
      if !listener.pending.isEmpty { watch.edge(.readable) }
    case .poll?, nil: return -EBADF
    }
    return 0
  }

  override func makePoll() -> CInt {
    if let code = faults.next(.makePoll) { return -code }
    polls.append(Poll())
    return open(.poll(polls[polls.count - 1]))
  }

  override func wait(
    _ pollFD: CInt, _ events: UnsafeMutablePointer<linux_event>, capacity: Int, milliseconds: Int
  ) -> Int {
    guard let poll = poll(pollFD) else { return -Int(EBADF) }
    return unsafe poll.wait(events, capacity: capacity, milliseconds: milliseconds, network)
  }

  override func now() -> Milliseconds { network.now }
  override func wallClock() -> Milliseconds { network.wallClock }
  override func microseconds() -> Int64 { network.now * 1000 }
}
