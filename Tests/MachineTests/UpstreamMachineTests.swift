import Testing

@testable import Proxy

private typealias Event = UpstreamMachine.Event
private typealias Action = UpstreamMachine.Action
private typealias Phase = UpstreamMachine.Phase

private let endedKept = Event.responseEnded(keepsAlive: true)
private let endedLast = Event.responseEnded(keepsAlive: false)

private let idle = [Event.connected]
private let awaiting = [Event.connected, .assigned]
private let reading = [Event.connected, .assigned, .headArrived]
private let tunnelling = [Event.connected, .assigned, .switched]
private let closed = [Event.connectFailed]

private struct Row: Sendable {
  var before: [Event]
  var event: Event
  var action: Action
  var phase: Phase

  init(_ before: [Event], _ event: Event, _ action: Action, _ phase: Phase) {
    self.before = before
    self.event = event
    self.action = action
    self.phase = phase
  }
}

private let rows: [Row] = [
  Row([], .connected, .reportConnected, .idle),
  Row([], .connectFailed, .reportConnectFailed, .closed),
  Row([], .assigned, .none, .connecting),
  Row([], .headArrived, .none, .connecting),
  Row([], .switched, .none, .connecting),
  Row([], endedKept, .none, .connecting),
  Row([], .bytesWhileIdle, .none, .connecting),
  Row([], .peerEnded, .reportConnectFailed, .closed),
  Row([], .idleTimedOut, .none, .connecting),
  Row(idle, .connected, .none, .idle),
  Row(idle, .connectFailed, .none, .idle),
  Row(idle, .assigned, .none, .awaitingHead),
  Row(idle, .headArrived, .none, .idle),
  Row(idle, .switched, .none, .idle),
  Row(idle, endedKept, .none, .idle),
  Row(idle, .bytesWhileIdle, .close, .closed),
  Row(idle, .peerEnded, .close, .closed),
  Row(idle, .idleTimedOut, .close, .closed),
  Row(awaiting, .connected, .none, .awaitingHead),
  Row(awaiting, .connectFailed, .none, .awaitingHead),
  Row(awaiting, .assigned, .none, .awaitingHead),
  Row(awaiting, .headArrived, .none, .readingBody),
  Row(awaiting, .switched, .none, .tunnelling),
  Row(awaiting, endedKept, .none, .awaitingHead),
  Row(awaiting, .bytesWhileIdle, .none, .awaitingHead),
  Row(awaiting, .peerEnded, .reportBroken, .closed),
  Row(awaiting, .idleTimedOut, .none, .awaitingHead),
  Row(reading, .connected, .none, .readingBody),
  Row(reading, .connectFailed, .none, .readingBody),
  Row(reading, .assigned, .none, .readingBody),
  Row(reading, .headArrived, .none, .readingBody),
  Row(reading, .switched, .none, .readingBody),
  Row(reading, endedKept, .none, .idle),
  Row(reading, endedLast, .none, .closed),
  Row(reading, .bytesWhileIdle, .none, .readingBody),
  Row(reading, .peerEnded, .reportCut, .closed),
  Row(reading, .idleTimedOut, .none, .readingBody),
  Row(tunnelling, .connected, .none, .tunnelling),
  Row(tunnelling, .connectFailed, .none, .tunnelling),
  Row(tunnelling, .assigned, .none, .tunnelling),
  Row(tunnelling, .headArrived, .none, .tunnelling),
  Row(tunnelling, .switched, .none, .tunnelling),
  Row(tunnelling, endedKept, .none, .tunnelling),
  Row(tunnelling, .bytesWhileIdle, .none, .tunnelling),
  Row(tunnelling, .peerEnded, .none, .tunnelling),
  Row(tunnelling, .idleTimedOut, .none, .tunnelling),
  Row(closed, .connected, .none, .closed),
  Row(closed, .connectFailed, .none, .closed),
  Row(closed, .assigned, .none, .closed),
  Row(closed, .headArrived, .none, .closed),
  Row(closed, .switched, .none, .closed),
  Row(closed, endedKept, .none, .closed),
  Row(closed, .bytesWhileIdle, .none, .closed),
  Row(closed, .peerEnded, .none, .closed),
  Row(closed, .idleTimedOut, .none, .closed),
]

@Suite("Upstream connection machine")
struct UpstreamMachineTests {
  private func run(_ events: [Event]) -> (UpstreamMachine, [Action]) {
    var machine = UpstreamMachine()
    let actions = events.map { machine.handle($0) }
    return (machine, actions)
  }

  @Test func `each event in each phase has its action and its next phase`() {
    for row in rows {
      var (machine, _) = run(row.before)
      #expect(machine.handle(row.event) == row.action, "\(row)")
      #expect(machine.phase == row.phase, "\(row)")
    }
    let pairs = Set(rows.map { "\(run($0.before).0.phase) \("\($0.event)".prefix { $0 != "(" })" })
    #expect(pairs.count == 6 * 9)
  }

  @Test func `a connection serves request after request until a response does not keep it alive`() {
    let once: [Event] = [.assigned, .headArrived, endedKept]
    #expect(run([.connected] + once + once).0.phase == .idle)
    #expect(run([.connected] + once + [.assigned, .headArrived, endedLast]).0.phase == .closed)
  }

  @Test func `a server that speaks or ends while it is not asked is not asked again`() {
    for event in [Event.bytesWhileIdle, .peerEnded] {
      var (machine, _) = run(reading + [endedKept])
      #expect(machine.handle(event) == .close)
      #expect(machine.handle(.assigned) == .none)
      #expect(machine.phase == .closed)
    }
  }

  @Test(arguments: [21, 22, 23] as [UInt64])
  func `in any order of events it reports one end, of the right kind`(_ seed: UInt64) {
    let events: [Event] = [
      .connected, .connectFailed, .assigned, .headArrived, .switched, endedKept, endedLast, .bytesWhileIdle,
      .peerEnded, .idleTimedOut,
    ]
    var random = Seeded(seed)
    for _ in 0..<3000 {
      var machine = UpstreamMachine()
      var ends = 0
      for _ in 0..<20 {
        let before = machine.phase
        let event = events.randomElement(using: &random)!
        let action = machine.handle(event)
        if before == .closed { #expect(action == .none && machine.phase == .closed) }
        if machine.phase == .idle, before != .idle {
          #expect(event == .connected || event == endedKept)
        }
        switch action {
        case .none: break
        case .reportConnected: #expect(before == .connecting)
        case .reportConnectFailed:
          ends += 1
          #expect(before == .connecting)
        case .reportBroken:
          ends += 1
          #expect(before == .awaitingHead)
        case .reportCut:
          ends += 1
          #expect(before == .readingBody)
        case .close:
          ends += 1
          #expect(before == .idle)
        }
      }
      #expect(ends <= 1)
    }
  }
}
