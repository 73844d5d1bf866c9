import Glibc
import Testing

@testable import Proxy

private typealias Order = Supervision.Order
private typealias Ending = Supervision.Ending

private let crash = Ending.killed(by: SIGSEGV, name: "SIGSEGV")

/// One child, 7, that serves since 0.
private func serving() -> Supervision {
  var supervision = Supervision()
  supervision.began(7, as: .starting)
  _ = supervision.serves(7, now: 0)
  return supervision
}

/// As above, and 8 is a candidate.
private func upgrading() -> Supervision {
  var supervision = serving()
  _ = supervision.askedToUpgrade()
  supervision.began(8, as: .candidate)
  return supervision
}

private func log(_ order: Order?) -> String? { if case .log(let text)? = order { text } else { nil } }

@Suite("Supervision, L29")
struct SupervisionTests {
  @Test func `the first child that serves is announced, the next ones are logged`() {
    var supervision = Supervision()
    supervision.began(7, as: .starting)
    #expect(supervision.serves(7, now: 0) == [.announce])
    _ = supervision.ended(7, crash, now: 1)
    supervision.began(8, as: .starting)
    #expect(supervision.serves(8, now: 2) == [.log("child 8 serves")])
  }

  @Test func `a first child that does not come up ends the parent with its status`() {
    for (ending, status) in [(Ending.exited(1), Int32(1)), (.exited(2), 2), (crash, 128 + SIGSEGV)] {
      var supervision = Supervision()
      supervision.began(7, as: .starting)
      #expect(supervision.ended(7, ending, now: 0).last == .end(status: status))
    }
    var supervision = Supervision()
    #expect(supervision.couldNotStart("no memory", as: .starting).last == .end(status: 1))
  }

  @Test func `L29 the first restart is at once, further ones pause 1 s doubling to 30 s`() {
    var supervision = serving()
    var child: pid_t = 7
    for seconds: Int64 in [0, 1, 2, 4, 8, 16, 30, 30, 30] {
      let orders = supervision.ended(child, crash, now: 10)
      #expect(orders.last == .start(afterMilliseconds: seconds * 1000))
      #expect(log(orders.first)?.contains("child \(child) was ended by SIGSEGV") == true)
      #expect(supervision.lacksChild)
      child += 1
      supervision.began(child, as: .starting)
      #expect(!supervision.lacksChild)
    }
  }

  @Test func `a child that served for a minute begins the pauses anew`() {
    var supervision = serving()
    _ = supervision.ended(7, crash, now: 10)
    supervision.began(8, as: .starting)
    _ = supervision.serves(8, now: 20)
    #expect(supervision.ended(8, crash, now: 60_019).last == .start(afterMilliseconds: 1000))
    supervision.began(9, as: .starting)
    _ = supervision.serves(9, now: 70_000)
    #expect(supervision.ended(9, crash, now: 130_000).last == .start(afterMilliseconds: 0))
  }

  @Test func `a child that cannot be begun again is tried again`() {
    var supervision = serving()
    _ = supervision.ended(7, crash, now: 10)
    #expect(supervision.couldNotStart("no memory", as: .starting).last == .start(afterMilliseconds: 1000))
  }

  @Test func `a child that ends without being asked is replaced, whatever its status`() {
    var supervision = serving()
    #expect(supervision.ended(7, .exited(0), now: 10).last == .start(afterMilliseconds: 0))
  }

  @Test func `a silent child is killed`() {
    var supervision = serving()
    #expect(supervision.isSilent(7).last == .send(SIGKILL, to: 7))
  }

  // MARK: The end

  @Test func `the first signal drains, on descriptors that only children have; the last child ends it`() {
    var supervision = upgrading()
    #expect(
      supervision.askedToStop() == [.closeListeners, .send(SIGTERM, to: 7), .send(SIGTERM, to: 8)])
    #expect(supervision.ended(7, .exited(0), now: 1) == [])
    #expect(supervision.ended(8, .exited(0), now: 2) == [.end(status: 0)])
  }

  @Test func `a second signal kills and ends with 1`() {
    var supervision = serving()
    _ = supervision.askedToStop()
    #expect(supervision.askedToStop() == [.send(SIGKILL, to: 7), .end(status: 1)])
  }

  @Test func `a child that ends badly while it drains gives the status, and is not replaced`() {
    var supervision = serving()
    _ = supervision.askedToStop()
    #expect(!supervision.lacksChild)
    #expect(supervision.ended(7, crash, now: 1).last == .end(status: 128 + SIGSEGV))
  }

  @Test func `a signal while no child is there ends with 1`() {
    var supervision = serving()
    _ = supervision.ended(7, crash, now: 1)
    #expect(supervision.askedToStop() == [.closeListeners, .end(status: 1)])
  }

  @Test func `a child that comes up after the signal is not announced`() {
    var supervision = Supervision()
    supervision.began(7, as: .starting)
    _ = supervision.askedToStop()
    #expect(supervision.serves(7, now: 1) == [])
  }

  // MARK: Upgrade

  @Test func `the old child is told only when the new one serves`() {
    var supervision = serving()
    #expect(supervision.askedToUpgrade() == [.startCandidate])
    supervision.began(8, as: .candidate)
    let orders = supervision.serves(8, now: 10)
    #expect(orders.prefix(2) == [.adoptProgram(of: 8), .send(SIGUSR2, to: 7)])
    #expect(supervision.stages == [7: .leaving, 8: .serving])
    #expect(supervision.ended(7, .exited(0), now: 11) == [])
  }

  @Test func `a candidate that ends changes nothing`() {
    var supervision = upgrading()
    #expect(
      supervision.ended(8, .exited(1), now: 10)
        == [.log("no upgrade: child 8 ended with status 1; child 7 goes on")])
    #expect(supervision.stages == [7: .serving])
    #expect(supervision.askedToUpgrade() == [.startCandidate])
  }

  @Test func `a program that cannot be begun changes nothing`() {
    var supervision = serving()
    #expect(
      supervision.couldNotStart("gone", as: .candidate) == [.log("no upgrade: gone; child 7 goes on")])
  }

  @Test func `one upgrade at a time, none before the first child serves, none at the end`() {
    var supervision = Supervision()
    supervision.began(7, as: .starting)
    #expect(log(supervision.askedToUpgrade().first)?.hasPrefix("no upgrade") == true)
    supervision = upgrading()
    #expect(log(supervision.askedToUpgrade().first)?.hasPrefix("no upgrade") == true)
    _ = supervision.askedToStop()
    #expect(log(supervision.askedToUpgrade().first)?.hasPrefix("no upgrade") == true)
  }

  @Test func `a child that crashes during an upgrade is replaced by the candidate`() {
    var supervision = upgrading()
    #expect(supervision.ended(7, crash, now: 1).last == .start(afterMilliseconds: 0))
    #expect(supervision.lacksChild)
    #expect(supervision.serves(8, now: 2).first == .adoptProgram(of: 8))
    #expect(!supervision.lacksChild)
  }

  @Test func `a candidate also takes the place of a child that is still starting`() {
    var supervision = upgrading()
    _ = supervision.ended(7, crash, now: 1)
    supervision.began(9, as: .starting)
    #expect(supervision.serves(8, now: 2).contains(.send(SIGUSR2, to: 9)))
    #expect(supervision.serves(9, now: 3) == [])
  }

  @Test func `an old child that ends badly after an upgrade is logged, not replaced`() {
    var supervision = upgrading()
    _ = supervision.serves(8, now: 10)
    #expect(supervision.ended(7, crash, now: 11) == [.log("child 7 was ended by SIGSEGV")])
  }

  @Test func `reopening logs is for all children`() {
    #expect(upgrading().askedToReopenLogs() == [.send(SIGUSR1, to: 7), .send(SIGUSR1, to: 8)])
  }

  // MARK: What the kernel tells

  @Test func `wait statuses are read as POSIX has them`() {
    #expect(Ending(waitStatus: 0) == .exited(0))
    #expect(Ending(waitStatus: 3 << 8) == .exited(3))
    #expect(Ending(waitStatus: SIGSEGV | 0x80) == crash)  // with the mark of a core dump
    #expect(Ending(waitStatus: SIGKILL) == .killed(by: SIGKILL, name: "SIGKILL"))
  }
}

@Suite("Watchdog, L29")
struct WatchdogTests {
  @Test func `a worker that did not turn is woken, and given up four looks later`() {
    var watchdog = Watchdog(workers: 2)
    #expect(watchdog.look(at: [5, 5]).quiet == [])
    var findings = [watchdog.look(at: [5, 6])]
    for turns in 7...9 { findings.append(watchdog.look(at: [5, turns])) }
    #expect(findings.map(\.quiet) == [[0], [0], [0], [0]])
    #expect(findings.map(\.hanging) == [nil, nil, nil, nil])
    #expect(watchdog.look(at: [5, 10]).hanging == 0)
  }

  @Test func `a worker that turns when it is woken is well for ever`() {
    var watchdog = Watchdog(workers: 1)
    for turns in 0..<100 { #expect(watchdog.look(at: [turns / 2]).hanging == nil) }
  }

  @Test func `a worker that has ended is not missed`() {
    var watchdog = Watchdog(workers: 1)
    for _ in 0..<10 {
      let (quiet, hanging) = watchdog.look(at: [nil])
      #expect(quiet == [] && hanging == nil)
    }
  }
}

@Suite("What a child has from its parent")
struct InheritanceTests {
  @Test(arguments: ["4711 5 8 6,7", "1 3 - 4", "4711 5 8 6,7 9,10 11,12"])
  func `the text is read as it was written`(_ text: String) {
    #expect(Inheritance(text)?.text == text)
  }

  @Test(arguments: [
    "", "1", "1 2 3", "1 2 x 4", "x 2 - 4", "1 2 - 4,", "1 2 - 4 ", "1 2 - 4,5 6", "1 2  - 4",
  ])
  func `anything else is refused`(_ text: String) { #expect(Inheritance(text) == nil) }
}
