import Bytes
import CLinux
import Glibc
import IO
import Synchronization
import Testing

@Suite("Mailbox")
struct MailboxTests {
  private final class Wakes: Sendable { let count = Atomic<Int>(0) }

  private func makeBox() -> (Mailbox<Int>, Wakes) {
    let wakes = Wakes()
    return (Mailbox { wakes.count.add(1, ordering: .relaxed) }, wakes)
  }

  @Test func `mail is drained in the order in which it was posted`() {
    let (box, _) = makeBox()
    for i in 0..<1000 { box.post(i) }
    var mail: [Int] = []
    box.drain(into: &mail)
    #expect(mail == Array(0..<1000))
  }

  @Test func `a batch wakes once, and the next one wakes again`() {
    let (box, wakes) = makeBox()
    var mail: [Int] = []
    for batch in 1...3 {
      for i in 0..<10 { box.post(i) }
      #expect(wakes.count.load(ordering: .relaxed) == batch)
      box.drain(into: &mail)
      #expect(mail.count == 10)
      mail.removeAll(keepingCapacity: true)
    }
  }

  @Test func `an empty box drains to nothing`() {
    let (box, wakes) = makeBox()
    var mail: [Int] = []
    box.drain(into: &mail)
    box.drain(into: &mail)
    #expect(mail.isEmpty && wakes.count.load(ordering: .relaxed) == 0)
  }

  @Test func `its owner is not woken by its own mail`() throws {
    let (box, wakes) = makeBox()
    let owner = try startThread {
      box.adopt()
      for i in 0..<10 { box.post(i) }
    }
    pthread_join(owner, nil)
    #expect(wakes.count.load(ordering: .relaxed) == 0)
    var mail: [Int] = []
    box.drain(into: &mail)
    #expect(mail.count == 10)
    box.post(1)
    #expect(wakes.count.load(ordering: .relaxed) == 1)
  }

  /// The owner sleeps on an eventfd whenever its box is empty: a wake that is lost leaves it there.
  @Test func `two threads post, and nothing is lost, doubled or left asleep upon`() throws {
    let perThread = 50_000
    let wakeUp = eventfd(0, 0)
    let box = Mailbox<Int> { WakeUp.signal(wakeUp) }
    let sleptTooLong = Wakes()
    let inOrder = Wakes()
    let owner = try startThread {
      box.adopt()
      var next = [0, perThread]
      var mail: [Int] = []
      var count = 0
      while count < 2 * perThread {
        box.drain(into: &mail)
        guard !mail.isEmpty else {
          var watched = pollfd(fd: wakeUp, events: Int16(POLLIN), revents: 0)
          guard unsafe poll(&watched, 1, 20_000) == 1 else {
            sleptTooLong.count.add(1, ordering: .relaxed)
            return
          }
          var signals: UInt64 = 0
          _ = unsafe read(wakeUp, &signals, 8)
          continue
        }
        for item in mail {
          let thread = item / perThread
          if item == next[thread] { inOrder.count.add(1, ordering: .relaxed) }
          next[thread] = item + 1
        }
        count += mail.count
        mail.removeAll(keepingCapacity: true)
      }
    }
    let posters = try (0..<2).map { thread in
      try startThread { for i in 0..<perThread { box.post(thread * perThread + i) } }
    }
    for thread in posters + [owner] { pthread_join(thread, nil) }
    close(wakeUp)
    #expect(sleptTooLong.count.load(ordering: .relaxed) == 0)
    #expect(inOrder.count.load(ordering: .relaxed) == 2 * perThread)
  }

  @Test func `a signal ends the loop's wait and is used up by it`() throws {
    let loop = try EventLoop(kernel: Kernel(), cacheOffset: 0)
    let fd = eventfd(0, CInt(EFD_NONBLOCK))
    let wake = try WakeUp(loop: loop, adopting: fd)
    let poster = try startThread { for _ in 0..<3 { WakeUp.signal(fd) } }
    loop.turn(longest: 20_000)
    pthread_join(poster, nil)
    loop.turn(longest: 0)
    var signals: UInt64 = 0
    #expect(unsafe read(fd, &signals, 8) == -1 && errno == EAGAIN)
    loop.close(wake)
  }
}
