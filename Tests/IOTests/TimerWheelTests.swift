import Bytes
import Testing

@testable import IO

private let slot = TimerWheel.slotMilliseconds
private let horizon = slot * Milliseconds(TimerWheel.slotCount)

@Suite("Timer wheel")
struct TimerWheelTests {
  /// Tokens that come up when the clock goes from `start` to `now`.
  private func due(_ wheel: inout TimerWheel, at now: Milliseconds) -> [UInt64] {
    var due: [DueToken] = []
    wheel.advance(to: now, into: &due)
    return due.map(\.token)
  }

  @Test(arguments: [0, 1, 15, 16, 17, 999_999] as [Milliseconds])
  func `a token comes up within 16 ms of its deadline and not before it`(_ start: Milliseconds) {
    for distance in [1, 2, 15, 16, 17, 100, 1000, 60_000, horizon - 2 * slot] as [Milliseconds] {
      var wheel = TimerWheel(now: start)
      _ = wheel.insert(7, deadline: start + distance)
      #expect(due(&wheel, at: start + distance - 1) == [], "\(distance)")
      #expect(due(&wheel, at: start + distance + slot - 1) == [7], "\(distance)")
      #expect(due(&wheel, at: start + distance + 2 * horizon) == [], "\(distance)")
    }
  }

  /// By this the loop knows that a deadline has its token in the wheel already; else each request on a
  /// connection would put in another.
  @Test(arguments: [1, 15, 16, 17, 31, 32, 33, 60_000] as [Milliseconds])
  func `the tick of a deadline is that of the slot it is put in`(_ deadline: Milliseconds) {
    var wheel = TimerWheel(now: 0)
    #expect(wheel.insert(7, deadline: deadline) == TimerWheel.tick(of: deadline))
  }

  @Test func `a deadline that has passed comes up in the next slot`() {
    var wheel = TimerWheel(now: 1000)
    _ = wheel.insert(7, deadline: 10)
    #expect(due(&wheel, at: 1000 + slot) == [7])
  }

  @Test func `a deadline beyond the wheel comes up at its end, for its owner to put it in again`() {
    var wheel = TimerWheel(now: 0)
    let tick = wheel.insert(7, deadline: 10 * horizon)
    #expect(tick == Milliseconds(TimerWheel.slotCount) - 1)
    #expect(due(&wheel, at: tick * slot - 1) == [])
    #expect(due(&wheel, at: tick * slot) == [7])
  }

  @Test(arguments: [horizon - slot, horizon, horizon + slot, 3 * horizon + 5, 1000 * horizon])
  func `a jump of the clock over the whole wheel loses none, and none comes up twice`(_ jump: Milliseconds) {
    var wheel = TimerWheel(now: 0)
    var ticks: [UInt64: Milliseconds] = [:]
    for token in 1...200 as ClosedRange<UInt64> {
      ticks[token] = wheel.insert(token, deadline: Milliseconds(token) * 300)
    }
    var all: [DueToken] = []
    wheel.advance(to: jump, into: &all)
    #expect(all.map(\.token).sorted() == Array(1...200))
    // The owner knows its token by the tick it was put in with.
    for passed in all { #expect(ticks[passed.token] == passed.tick) }
    #expect(due(&wheel, at: jump + 2 * horizon) == [])
    #expect(wheel.untilNext(from: jump) == nil)
  }

  @Test func `after a jump it goes on as before`() {
    var wheel = TimerWheel(now: 0)
    let now = 5 * horizon + 3
    #expect(due(&wheel, at: now) == [])
    _ = wheel.insert(7, deadline: now + 100)
    #expect(due(&wheel, at: now + 99) == [])
    #expect(due(&wheel, at: now + 100 + slot) == [7])
  }

  @Test(arguments: [41, 42, 43, 44] as [UInt64])
  func `each token comes up once, with its tick, when its slot has passed; the next is foretold`(
    _ seed: UInt64
  ) {
    var random = Seeded(seed)
    var now = Milliseconds.random(in: 0...1_000_000, using: &random)
    var wheel = TimerWheel(now: now)
    var waiting: [UInt64: Milliseconds] = [:]
    for token in 1...4000 as ClosedRange<UInt64> {
      let far = [20, 1000, 70_000, 300_000].randomElement(using: &random)! as Milliseconds
      let deadline = now + Milliseconds.random(in: 1...far, using: &random)
      let tick = wheel.insert(token, deadline: deadline)
      #expect(tick * slot >= deadline || tick * slot >= now + horizon - 2 * slot, "seed \(seed)")
      waiting[token] = tick
      let next = wheel.untilNext(from: now)
      #expect(next == waiting.values.min()! * slot - now, "seed \(seed)")
      guard Int.random(in: 0..<4, using: &random) == 0 else { continue }
      let step = [5, 16, 400, 66_000, 500_000].randomElement(using: &random)! as Milliseconds
      now += Milliseconds.random(in: 0...step, using: &random)
      var due: [DueToken] = []
      wheel.advance(to: now, into: &due)
      let expected = waiting.filter { $0.value * slot <= now }
      #expect(due.count == expected.count, "seed \(seed)")
      for passed in due { #expect(expected[passed.token] == passed.tick, "seed \(seed)") }
      for passed in due { waiting[passed.token] = nil }
    }
  }
}
