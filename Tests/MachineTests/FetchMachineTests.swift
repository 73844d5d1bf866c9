import Testing

@testable import Proxy

private typealias Event = FetchMachine.Event
private typealias Action = FetchMachine.Action
private typealias Phase = FetchMachine.Phase

private let brokeFresh = Event.brokeBeforeHead(wasReused: false)
private let brokeReused = Event.brokeBeforeHead(wasReused: true)

/// Ways into each phase.
private let connecting = [Event.acquired]
private let awaiting = [Event.acquired, .connected]
private let reading = [Event.acquired, .connected, .headArrived]
private let ended = [Event.abandoned]

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

/// Of a request that may be sent twice.
private let rows: [Row] = [
  Row([], .acquired, .connect, .connecting),
  Row([], .poolFull, .wait, .queued),
  Row([], .poolEmpty, .fail(.noServer), .ended),
  // No other server is left: what the last one did is the answer.
  Row(connecting + [.connectFailed], .poolEmpty, .fail(.connectFailed), .ended),
  Row(connecting + [.timedOut], .poolEmpty, .fail(.connectTimedOut), .ended),
  Row([], .connected, .none, .queued),
  Row([], .connectFailed, .none, .queued),
  Row([], brokeFresh, .none, .queued),
  Row([], .headArrived, .none, .queued),
  Row([], .switched, .none, .queued),
  Row([], .bodyEnded, .none, .queued),
  Row([], .brokeInBody, .none, .queued),
  Row([], .responseWasBad, .none, .queued),
  Row([], .timedOut, .fail(.queueTimedOut), .ended),
  Row([], .abandoned, .cancel, .ended),
  Row(connecting, .acquired, .none, .connecting),
  Row(connecting, .poolFull, .none, .connecting),
  Row(connecting, .poolEmpty, .none, .connecting),
  Row(connecting, .connected, .send, .awaitingHead),
  Row(connecting, .connectFailed, .tryNext, .queued),
  Row(connecting, brokeFresh, .tryNext, .queued),
  Row(connecting, .headArrived, .none, .connecting),
  Row(connecting, .switched, .none, .connecting),
  Row(connecting, .bodyEnded, .none, .connecting),
  Row(connecting, .brokeInBody, .none, .connecting),
  Row(connecting, .responseWasBad, .none, .connecting),
  Row(connecting, .timedOut, .tryNext, .queued),
  Row(connecting, .abandoned, .cancel, .ended),
  Row(awaiting, .acquired, .none, .awaitingHead),
  Row(awaiting, .poolFull, .none, .awaitingHead),
  Row(awaiting, .poolEmpty, .none, .awaitingHead),
  Row(awaiting, .connected, .none, .awaitingHead),
  Row(awaiting, .connectFailed, .none, .awaitingHead),
  Row(awaiting, brokeFresh, .fail(.brokeBeforeHead), .ended),
  Row(awaiting, brokeReused, .tryNext, .queued),
  Row(awaiting, .headArrived, .publish, .readingBody),
  Row(awaiting, .switched, .handOver, .ended),
  Row(awaiting, .bodyEnded, .none, .awaitingHead),
  Row(awaiting, .brokeInBody, .none, .awaitingHead),
  Row(awaiting, .responseWasBad, .fail(.badResponse), .ended),
  Row(awaiting, .timedOut, .fail(.firstByteTimedOut), .ended),
  Row(awaiting, .abandoned, .cancel, .ended),
  Row(reading, .acquired, .none, .readingBody),
  Row(reading, .poolFull, .none, .readingBody),
  Row(reading, .poolEmpty, .none, .readingBody),
  Row(reading, .connected, .none, .readingBody),
  Row(reading, .connectFailed, .none, .readingBody),
  Row(reading, brokeReused, .none, .readingBody),
  Row(reading, .headArrived, .none, .readingBody),
  Row(reading, .switched, .none, .readingBody),
  Row(reading, .bodyEnded, .complete, .ended),
  Row(reading, .brokeInBody, .fail(.brokeInBody), .ended),
  Row(reading, .responseWasBad, .fail(.brokeInBody), .ended),
  Row(reading, .timedOut, .fail(.gapTimedOut), .ended),
  Row(reading, .abandoned, .cancel, .ended),
]

private let everyEvent: [Event] = [
  .acquired, .poolFull, .poolEmpty, .connected, .connectFailed, brokeFresh, brokeReused, .headArrived,
  .switched,
  .bodyEnded, .brokeInBody, .responseWasBad, .timedOut, .abandoned,
]

@Suite("Fetch machine")
struct FetchMachineTests {
  private func run(_ events: [Event], isReplayable: Bool = true) -> (FetchMachine, [Action]) {
    var machine = FetchMachine(isReplayable: isReplayable)
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
    #expect(pairs.count == 4 * 13)
  }

  @Test func `after its end nothing happens`() {
    for event in everyEvent {
      var (machine, _) = run(ended)
      #expect(machine.handle(event) == .none, "\(event)")
      #expect(machine.phase == .ended)
    }
  }

  @Test func `three servers are asked before connecting fails`() {
    let (machine, actions) = run([
      .acquired, .connectFailed, .acquired, .timedOut, .acquired, .connectFailed,
    ])
    #expect(actions == [.connect, .tryNext, .connect, .tryNext, .connect, .fail(.connectFailed)])
    #expect(machine.phase == .ended)
    #expect(
      run([.acquired, .timedOut, .acquired, .timedOut, .acquired, .timedOut]).1.last
        == .fail(.connectTimedOut))
  }

  @Test func `R8 an idle connection that closes as it is used costs one replay`() {
    let once: [Event] = [.acquired, .connected, brokeReused]
    let (machine, actions) = run(once + once)
    #expect(actions == [.connect, .send, .tryNext, .connect, .send, .fail(.brokeBeforeHead)])
    #expect(machine.phase == .ended && machine.isRepeat)
  }

  @Test func `L11: a retry begins from the queue, with all its attempts, and is not replayed`() {
    var (machine, _) = run([.acquired, .connected, brokeFresh])
    #expect(!machine.isRepeat)
    machine.retry()
    #expect(machine.phase == .queued && machine.isRepeat)
    var repeated = machine
    #expect([Event.acquired, .connected].map { repeated.handle($0) } == [.connect, .send])
    #expect(repeated.handle(brokeReused) == .fail(.brokeBeforeHead))
    #expect(machine.attempts == 0)
    #expect(machine.handle(.acquired) == .connect)
  }

  @Test func `a new server is asked by a POST only while none has had its request`() {
    #expect(run([.acquired, .connectFailed], isReplayable: false).1 == [.connect, .tryNext])
    let (machine, actions) = run([.acquired, .connected, brokeReused], isReplayable: false)
    #expect(actions == [.connect, .send, .fail(.brokeBeforeHead)])
    #expect(machine.phase == .ended)
  }

  @Test(arguments: [11, 12, 13] as [UInt64])
  func `in any order of events it ends once, and a request that is not replayable is sent once`(
    _ seed: UInt64
  ) {
    var random = Seeded(seed)
    for round in 0..<3000 {
      let isReplayable = round % 2 == 0
      var machine = FetchMachine(isReplayable: isReplayable)
      var actions: [Action] = []
      for _ in 0..<20 {
        let before = machine
        let action = machine.handle(everyEvent.randomElement(using: &random)!)
        if before.phase == .ended { #expect(action == .none && machine == before) }
        if action == .publish { #expect(before.phase == .awaitingHead) }
        if action == .complete { #expect(before.phase == .readingBody) }
        actions.append(action)
      }
      let ends = actions.count {
        if case .fail = $0 { true } else { [.complete, .handOver, .cancel].contains($0) }
      }
      #expect(ends <= 1)
      #expect((ends == 1) == (machine.phase == .ended))
      #expect(actions.count { $0 == .publish } <= 1)
      #expect(actions.count { $0 == .connect } <= FetchMachine.attemptLimit)
      #expect(actions.count { $0 == .send } <= (isReplayable ? 2 : 1))
    }
  }

  @Test func `each failure has a number of its own that survives the fill`() {
    for failure in FetchFailure.allCases { #expect(FetchFailure(rawValue: failure.rawValue) == failure) }
    #expect(Set(FetchFailure.allCases.map(\.rawValue)).count == FetchFailure.allCases.count)
    #expect(FetchFailure(rawValue: 0) == nil)
  }

  @Test
  func `L11: another waiter's try follows what a server may be to blame for, and nothing after the head`() {
    let retried = FetchFailure.allCases.filter(\.deservesRetry)
    #expect(
      Set(retried) == [
        .connectFailed, .connectTimedOut, .brokeBeforeHead, .firstByteTimedOut, .badResponse,
      ])
  }
}
