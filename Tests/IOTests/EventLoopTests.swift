import Bytes
import CLinux
import Glibc
import IO
import Testing

@Suite("Event loop on a scripted kernel")
struct EventLoopTests {
  private let kernel = ScriptedKernel()

  private func makeLoop() throws -> EventLoop {
    try EventLoop(kernel: kernel, cacheOffset: kernel.wallOffset)
  }

  private func event(_ timed: Timed, _ readiness: Readiness = .readable) -> ScriptedKernel.Event {
    ScriptedKernel.Event(token: timed.token, readiness: readiness)
  }

  @Test func `an event reaches its owner and nobody else`() throws {
    let loop = try makeLoop()
    let one = Watched(1)
    let other = Watched(2)
    try loop.add(one)
    try loop.add(other)
    kernel.batches = [[event(other)]]
    loop.turn(longest: 0)
    #expect(one.happened == [] && other.happened == ["ready"])
  }

  @Test func `an event of the same batch does not reach a channel that an earlier one closed`() throws {
    let loop = try makeLoop()
    let first = Watched(1)
    let second = Watched(2)
    try loop.add(first)
    try loop.add(second)
    first.onReady = { _ in loop.close(second) }
    kernel.batches = [[event(first), event(second)]]
    loop.turn(longest: 0)
    #expect(second.happened == [])
    #expect(second.fd == -1 && kernel.closed == [2])
  }

  @Test func `a stale event does not reach the new owner of its place`() throws {
    let loop = try makeLoop()
    let old = Watched(1)
    let closer = Watched(2)
    let new = Watched(1)
    try loop.add(old)
    try loop.add(closer)
    let stale = event(old)
    closer.onReady = { _ in
      loop.close(old)
      try? loop.add(new)
    }
    kernel.batches = [[event(closer), stale], [stale]]
    loop.turn(longest: 0)
    loop.turn(longest: 0)
    // The new owner does have the old one's place.
    #expect(
      new.token != 0 && UInt32(truncatingIfNeeded: new.token) == UInt32(truncatingIfNeeded: stale.token))
    #expect(new.token != stale.token)
    #expect(old.happened == [] && new.happened == [])
  }

  @Test func `a token that was never given reaches nobody`() throws {
    let loop = try makeLoop()
    let one = Watched()
    try loop.add(one)
    kernel.batches = [
      [0, 1, .max, one.token &+ 1, one.token &+ 1 << 32].map { .init(token: $0, readiness: .readable) }
    ]
    loop.turn(longest: 0)
    #expect(one.happened == [])
  }

  @Test func `a descriptor that cannot be watched leaves nothing behind`() throws {
    let loop = try makeLoop()
    let one = Watched()
    kernel.watchResult = -EMFILE
    #expect(throws: SystemError(call: "epoll_ctl", code: EMFILE)) { try loop.add(one) }
    #expect(one.token == 0)
    kernel.watchResult = 0
    try loop.add(one)
    #expect(one.token != 0)
  }

  @Test func `an interrupted wait is a turn without events`() throws {
    let loop = try makeLoop()
    let one = Watched()
    try loop.add(one)
    kernel.waitFailure = -Int(EINTR)
    kernel.batches = [[event(one)]]
    loop.turn(longest: 0)
    #expect(one.happened == [])
    loop.turn(longest: 0)
    #expect(one.happened == ["ready"])
  }

  @Test func `resumed comes once a turn, after the events, however often it was asked for`() throws {
    let loop = try makeLoop()
    let one = Watched()
    try loop.add(one)
    one.onReady = { channel in for _ in 0..<3 { loop.resumeLater(channel) } }
    kernel.batches = [[event(one), event(one)]]
    loop.turn(longest: 0)
    #expect(one.happened == ["ready", "ready", "resumed"])
    loop.turn(longest: 0)
    #expect(one.happened.count == 3)
  }

  @Test func `who asks again while it is resumed has its turn in the next, which does not wait`() throws {
    let loop = try makeLoop()
    let one = Watched()
    try loop.add(one)
    one.onResumed = { channel in if channel.happened.count < 3 { loop.resumeLater(channel) } }
    loop.resumeLater(one)
    for expected in 1...3 {
      loop.turn(longest: -1)
      #expect(one.happened.count == expected)
      #expect(kernel.waits.last == 0)
    }
    loop.turn(longest: 5000)
    #expect(one.happened.count == 3)
    #expect(kernel.waits.last == 5000)
  }

  @Test func `a deadline of 0 is none, and one that was taken away does not come`() throws {
    let loop = try makeLoop()
    let one = Watched()
    try loop.add(one)
    loop.setDeadline(one, loop.now + 100)
    loop.setDeadline(one, 0)
    kernel.clock += 100_000
    loop.turn(longest: 0)
    #expect(one.happened == [])
  }

  @Test func `a deadline comes once, and is gone when it is told`() throws {
    let loop = try makeLoop()
    let one = Watched()
    try loop.add(one)
    one.onTimedOut = { #expect($0.deadline == 0) }
    loop.setDeadline(one, loop.now + 100)
    kernel.clock += 99
    loop.turn(longest: 0)
    #expect(one.happened == [])
    kernel.clock += 17
    loop.turn(longest: 0)
    kernel.clock += 1_000_000
    loop.turn(longest: 0)
    #expect(one.happened == ["timedOut"])
  }

  @Test func `an owner may set its next deadline from within the last`() throws {
    let loop = try makeLoop()
    let one = Watched()
    try loop.add(one)
    one.onTimedOut = { loop.setDeadline($0, loop.now + 50) }
    loop.setDeadline(one, loop.now + 50)
    kernel.passesTime = true
    let start = kernel.clock
    while one.happened.count < 10 { loop.turn(longest: -1) }
    #expect(kernel.clock - start >= 500 && kernel.clock - start <= 10 * (50 + 16))
  }

  @Test func `a deadline of one that was closed does not reach the next owner of its place`() throws {
    let loop = try makeLoop()
    let old = Watched(1)
    try loop.add(old)
    loop.setDeadline(old, loop.now + 100)
    loop.close(old)
    let new = Watched(2)
    try loop.add(new)
    kernel.clock += 10_000
    loop.turn(longest: 0)
    #expect(old.happened == [] && new.happened == [])
  }

  @Test func `the same deadline set again and again comes once`() throws {
    let loop = try makeLoop()
    let one = Watched()
    try loop.add(one)
    let deadline = loop.now + 60_001
    for _ in 0..<100 { loop.setDeadline(one, deadline) }
    kernel.clock = deadline + 16
    loop.turn(longest: 0)
    #expect(one.happened == ["timedOut"])
  }

  @Test func `a wait is no longer than asked, nor than to the next deadline`() throws {
    let loop = try makeLoop()
    let one = Watched()
    try loop.add(one)
    loop.turn(longest: -1)
    #expect(kernel.waits.last == -1)
    loop.setDeadline(one, loop.now + 1000)
    loop.turn(longest: -1)
    #expect((1000...1016).contains(kernel.waits.last!))
    loop.turn(longest: 10)
    #expect(kernel.waits.last == 10)
  }

  @Test func `the clock of ages does not follow the wall clock's jumps`() throws {
    let loop = try makeLoop()
    #expect(loop.cacheSeconds == kernel.wall)
    kernel.wall -= 86_400
    kernel.clock += 5000
    loop.turn(longest: 0)
    #expect(loop.wallSeconds == kernel.wall)
    #expect(loop.cacheSeconds == kernel.wall + 86_400 + 5)
  }

  @Test func `a channel is closed once, with a reset where that is asked for`() throws {
    let loop = try makeLoop()
    let one = Watched(5)
    let other = Watched(6)
    try loop.add(one)
    try loop.add(other)
    loop.close(one)
    loop.close(one)
    loop.close(other, abruptly: true)
    #expect(kernel.closed == [5] && kernel.reset == [6])
  }

  /// Deadlines set, moved and taken away at random, against a list that is looked through at every turn.
  @Test(arguments: [51, 52, 53, 54] as [UInt64])
  func `no time-out comes early and none is lost`(_ seed: UInt64) throws {
    var random = Seeded(seed)
    let loop = try makeLoop()
    let owners = (0..<60).map { Watched(CInt($0)) }
    for owner in owners { try loop.add(owner) }
    var model: [Int: Milliseconds] = [:]
    for _ in 0..<4000 {
      for _ in 0..<Int.random(in: 0...4, using: &random) {
        let i = Int.random(in: 0..<owners.count, using: &random)
        if Int.random(in: 0..<8, using: &random) == 0 {
          loop.setDeadline(owners[i], 0)
          model[i] = nil
        } else {
          let far = [16, 100, 2000, 65_536, 400_000].randomElement(using: &random)! as Milliseconds
          model[i] = loop.now + Milliseconds.random(in: 1...far, using: &random)
          loop.setDeadline(owners[i], model[i]!)
        }
      }
      let step = [0, 1, 16, 50, 3000, 200_000].randomElement(using: &random)! as Milliseconds
      kernel.clock += Milliseconds.random(in: 0...step, using: &random)
      loop.turn(longest: 0)
      for (i, owner) in owners.enumerated() {
        let deadline = model[i]
        if owner.happened.isEmpty {
          #expect(deadline ?? .max > loop.now - 16, "seed \(seed), owner \(i)")
        } else {
          #expect(owner.happened == ["timedOut"], "seed \(seed), owner \(i)")
          #expect(deadline ?? .max <= loop.now, "seed \(seed), owner \(i)")
          owner.happened = []
          model[i] = nil
        }
      }
    }
  }
}

@Suite("Event loop on the real kernel")
struct RealEventLoopTests {
  private func pair() -> (CInt, CInt) {
    var ends: [CInt] = [-1, -1]
    let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
    #expect(unsafe socketpair(AF_UNIX, type, 0, &ends) == 0)
    return (ends[0], ends[1])
  }

  @Test func `bytes, room and the peer's end are told once each`() throws {
    let loop = try EventLoop(kernel: Kernel(), cacheOffset: 0)
    let (mine, theirs) = pair()
    let channel = Watched(mine)
    try loop.add(channel)
    loop.turn(longest: 0)  // It can be written to.
    #expect(channel.happened == ["ready"])
    loop.turn(longest: 0)
    #expect(channel.happened.count == 1)
    #expect(unsafe write(theirs, "x", 1) == 1)
    loop.turn(longest: 5000)
    #expect(channel.happened.count == 2)
    close(theirs)
    loop.turn(longest: 5000)
    #expect(channel.happened.count == 3)
    loop.close(channel)
  }

  @Test func `events of a closed channel do not reach the one that has its place`() throws {
    let loop = try EventLoop(kernel: Kernel(), cacheOffset: 0)
    let (mine, theirs) = pair()
    let (closing, peer) = pair()
    let old = Watched(mine)
    let closer = Watched(closing)
    var new: Watched?
    var spare: CInt = -1
    closer.onReady = { _ in
      guard new == nil else { return }
      loop.close(old)
      let (fd, other) = pair()
      spare = other
      new = Watched(fd)
      try? loop.add(new!, onlyReadable: true)
    }
    try loop.add(closer, onlyReadable: true)
    try loop.add(old, onlyReadable: true)
    #expect(unsafe write(peer, "x", 1) == 1)
    #expect(unsafe write(theirs, "x", 1) == 1)
    loop.turn(longest: 5000)
    loop.turn(longest: 0)
    let added = try #require(new)
    #expect(added.happened == [] && old.happened == [])
    for fd in [theirs, peer, spare] { close(fd) }
    loop.close(closer)
    loop.close(added)
  }

  @Test func `a deadline ends a wait without end`() throws {
    let loop = try EventLoop(kernel: Kernel(), cacheOffset: 0)
    let timed = Watched(-1)
    loop.enroll(timed)
    let start = loop.now
    loop.setDeadline(timed, start + 30)
    while timed.happened.isEmpty { loop.turn(longest: -1) }
    #expect(loop.now - start >= 30)
  }
}
