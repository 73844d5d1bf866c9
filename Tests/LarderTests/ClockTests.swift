import Foundation
import Testing
import TestSupport

@Suite("A wall clock that jumps, R7")
struct ClockTests {
  private static let threeDays = 3 * 86_400

  private static func script(_ exchange: OriginExchange) throws {
    let isLive = exchange.target.hasPrefix("/live")
    try exchange.respond(200, ["Cache-Control": isLive ? "no-store" : "max-age=600"], exchange.target)
  }

  /// Asks for old pages, new ones and such as are not stored, until told to stop. Returns how many.
  private static func load(_ larder: Larder, _ number: Int, until isOver: Gate) throws -> Int {
    let client = try larder.client(timeout: 3)
    var count = 0
    while !isOver.isOpen {
      let fresh = "/new/\(number)/\(count)"
      for (target, wanted) in [("/hot", "HIT"), (fresh, "MISS"), (fresh, "HIT"), ("/live/\(number)", "")] {
        let response = try client.fetch(target)
        #expect(response.status == 200 && response.isWhole && response.text == target)
        #expect(wanted == "" || response.cacheStatus == wanted, "\(response)")
        #expect((0...30).contains(response.age ?? 0), "\(response)")
      }
      count += 1
    }
    return count
  }

  @Test func `R7 jumps of three days under load: no stall, no wrong freshness, no wrong Age, right dates`()
    throws
  {
    let clock = try JumpingClock()
    let origin = try MisbehavingOrigin { try Self.script($0) }
    try withLarder(before: [origin], environment: clock.environment) { larder in
      _ = try larder.fetch("/hot")
      let isOver = Gate("the end")
      let load = (0..<3).map { number in Task { try Self.load(larder, number, until: isOver) } }
      for jump in [Self.threeDays, 0, -Self.threeDays, Self.threeDays, 0] {
        try clock.jump(to: jump)
        // Our own answers are dated by the wall clock: this is how we know that it has jumped.
        try eventually("the jump to \(jump)") {
          let refusal = try larder.fetch("/", host: "bad host").fields["Date"] ?? ""
          let seconds = try Self.seconds(refusal)
          return abs(seconds - (Int(time(nil)) + jump)) < 60
        }
        pause(milliseconds: 100)
      }
      isOver.open()
      for task in load {
        let count = try task.value()
        #expect(count > 0)
      }
      #expect(origin.count("/hot") == 1)
    }
  }

  @Test(arguments: [threeDays, -threeDays])
  func `R7 a jump brings no time-out nearer and puts none off`(_ jump: Int) throws {
    let clock = try JumpingClock()
    let origin = try MisbehavingOrigin { exchange in
      try clock.jump(to: jump)
      try exchange.awaitPeerClose()
    }
    try withLarder(["--first-byte-timeout", "400ms"], before: [origin], environment: clock.environment) {
      larder in
      let start = ContinuousClock.now
      let status = try larder.fetch("/").status
      #expect(status == 504)
      #expect(ContinuousClock.now - start >= .milliseconds(380))
    }
  }

  private static func seconds(_ date: String) throws -> Int {
    let format = DateFormatter()
    format.locale = Locale(identifier: "en_US_POSIX")
    format.timeZone = TimeZone(identifier: "GMT")
    format.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
    return Int(try #require(format.date(from: date)).timeIntervalSince1970)
  }
}
