import Testing

@testable import Proxy

private typealias Machine = ConnectionMachine
private typealias Event = ConnectionMachine.Event
private typealias Action = ConnectionMachine.Action
private typealias Phase = ConnectionMachine.Phase

private let get = Event.headCompleted(hasBody: false, keepsAlive: true)
private let post = Event.headCompleted(hasBody: true, keepsAlive: true)
private let lastGet = Event.headCompleted(hasBody: false, keepsAlive: false)
private let ended = Event.responseEnded(keepsAlive: true)
private let endedOpenly = Event.responseEnded(keepsAlive: false)

/// Ways into each phase.
private let reading = [Event.headBegan]
private let answering = [get]
private let uploading = [post]
private let tunnelling = [get, .switched]
private let lingering = [lastGet, ended]
private let closed = [Event.failed]

/// From the events of `before`, one more event leads to an action and a phase.
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
  // Between requests.
  Row([], .headBegan, .none, .readingHead),
  Row([], get, .startExchange, .exchanging),
  Row([], post, .startExchange, .exchanging),
  Row([], .requestBodyEnded, .none, .idle),
  Row([], .refusalWritten, .linger, .lingering),
  Row([], ended, .none, .idle),
  Row([], .switched, .none, .idle),
  Row([], .peerEnded, .close, .closed),
  Row([], .timedOut, .close, .closed),
  Row([], .failed, .close, .closed),
  Row([], .drainBegan, .awaitFirstRequest, .idle),
  Row([get, ended], .drainBegan, .linger, .lingering),
  // Part of a head is here.
  Row(reading, .headBegan, .none, .readingHead),
  Row(reading, get, .startExchange, .exchanging),
  Row(reading, .requestBodyEnded, .none, .readingHead),
  Row(reading, .refusalWritten, .linger, .lingering),
  Row(reading, ended, .none, .readingHead),
  Row(reading, .switched, .none, .readingHead),
  Row(reading, .peerEnded, .close, .closed),
  Row(reading, .timedOut, .refuseSlowHead, .readingHead),
  Row(reading, .failed, .close, .closed),
  Row(reading, .drainBegan, .none, .readingHead),
  // A request is being answered.
  Row(answering, .headBegan, .none, .exchanging),
  Row(answering, get, .none, .exchanging),
  Row(answering, .requestBodyEnded, .none, .exchanging),
  Row(answering, .refusalWritten, .none, .exchanging),
  Row(answering, ended, .readNext, .idle),
  Row(answering, endedOpenly, .linger, .lingering),
  Row(answering, .switched, .none, .tunnelling),
  Row(answering, .peerEnded, .none, .exchanging),
  Row(answering, .timedOut, .abandon, .closed),
  Row(answering, .failed, .abandon, .closed),
  Row(answering, .drainBegan, .none, .exchanging),
  // The same while the request's body is still to come.
  Row(uploading, .requestBodyEnded, .none, .exchanging),
  Row(uploading, ended, .linger, .lingering),
  Row(uploading, .peerEnded, .abandon, .closed),
  Row(uploading, .timedOut, .abandon, .closed),
  Row(uploading, .failed, .abandon, .closed),
  Row(uploading + [.requestBodyEnded], ended, .readNext, .idle),
  Row(uploading + [.requestBodyEnded], .peerEnded, .none, .exchanging),
  // The server has switched protocols. Reading, time and the drain are the tunnel's.
  Row(tunnelling, .headBegan, .none, .tunnelling),
  Row(tunnelling, get, .none, .tunnelling),
  Row(tunnelling, .requestBodyEnded, .none, .tunnelling),
  Row(tunnelling, .refusalWritten, .none, .tunnelling),
  Row(tunnelling, endedOpenly, .close, .closed),
  Row(tunnelling, .switched, .none, .tunnelling),
  Row(tunnelling, .peerEnded, .none, .tunnelling),
  Row(tunnelling, .timedOut, .none, .tunnelling),
  Row(tunnelling, .failed, .abandon, .closed),
  Row(tunnelling, .drainBegan, .none, .tunnelling),
  // Our side has ended.
  Row(lingering, .headBegan, .none, .lingering),
  Row(lingering, get, .none, .lingering),
  Row(lingering, .requestBodyEnded, .none, .lingering),
  Row(lingering, .refusalWritten, .none, .lingering),
  Row(lingering, ended, .none, .lingering),
  Row(lingering, .switched, .none, .lingering),
  Row(lingering, .peerEnded, .close, .closed),
  Row(lingering, .timedOut, .close, .closed),
  Row(lingering, .failed, .close, .closed),
  Row(lingering, .drainBegan, .none, .lingering),
  // Closed.
  Row(closed, .headBegan, .none, .closed),
  Row(closed, get, .none, .closed),
  Row(closed, .requestBodyEnded, .none, .closed),
  Row(closed, .refusalWritten, .none, .closed),
  Row(closed, ended, .none, .closed),
  Row(closed, .switched, .none, .closed),
  Row(closed, .peerEnded, .none, .closed),
  Row(closed, .timedOut, .none, .closed),
  Row(closed, .failed, .none, .closed),
  Row(closed, .drainBegan, .none, .closed),
]

@Suite("Client connection machine")
struct ConnectionMachineTests {
  private func run(_ events: [Event]) -> (Machine, [Action]) {
    var machine = Machine()
    let actions = events.map { machine.handle($0) }
    return (machine, actions)
  }

  @Test func `each event in each phase has its action and its next phase`() {
    for row in rows {
      var (machine, _) = run(row.before)
      #expect(machine.handle(row.event) == row.action, "\(row)")
      #expect(machine.phase == row.phase, "\(row)")
    }
  }

  @Test func `the table has every pair of phase and event`() {
    let kinds = 10
    let pairs = Set(rows.map { "\(run($0.before).0.phase) \("\($0.event)".prefix { $0 != "(" })" })
    #expect(pairs.count == 6 * kinds)
  }

  @Test func `a client that ends its side still gets its answer, then the connection closes`() {
    let (machine, actions) = run([get, .peerEnded, ended])
    #expect(actions == [.startExchange, .none, .close])
    #expect(machine.phase == .closed)
  }

  @Test func `requests follow each other on one connection`() {
    let (machine, actions) = run([get, ended, .headBegan, post, .requestBodyEnded, ended, get, ended])
    let expected: [Action] = [
      .startExchange, .readNext, .none, .startExchange, .none, .readNext, .startExchange, .readNext,
    ]
    #expect(actions == expected)
    #expect(machine.phase == .idle)
  }

  @Test func `an answer before the request's body has come ends the connection (RFC 9112 §9.3)`() {
    let (machine, actions) = run([post, ended])
    #expect(actions == [.startExchange, .linger])
    #expect(machine.phase == .lingering)
  }

  @Test func `a slow head is refused once, and a peer that does not take the refusal is left`() {
    let (machine, actions) = run([.headBegan, .timedOut, .timedOut])
    #expect(actions == [.none, .refuseSlowHead, .close])
    #expect(machine.phase == .closed)
    #expect(run([.headBegan, .timedOut, .refusalWritten]).1.last == .linger)
  }

  @Test func `L30: a request that was begun before the drain is answered, then the connection ends`() {
    #expect(run([.headBegan, .drainBegan, get, ended]).1 == [.none, .none, .startExchange, .linger])
    #expect(run([get, .drainBegan, ended]).1 == [.startExchange, .none, .linger])
    #expect(run([post, .drainBegan, .requestBodyEnded, ended]).1.last == .linger)
  }

  @Test func `L30: a connection on which nothing was asked yet has its first request answered`() {
    let (machine, actions) = run([.drainBegan, get, ended])
    #expect(actions == [.awaitFirstRequest, .startExchange, .linger])
    #expect(machine.phase == .lingering)
    #expect(run([.drainBegan, .timedOut]).1 == [.awaitFirstRequest, .close])
  }

  private static let events: [Event] = [
    .headBegan, get, post, lastGet, .requestBodyEnded, .refusalWritten, ended, endedOpenly, .switched,
    .peerEnded,
    .timedOut, .failed, .drainBegan,
  ]

  /// What holds whatever happens. `history` ends with `event`, to which `machine` has answered `action`.
  private func check(
    _ machine: Machine, before: Machine, _ event: Event, _ action: Action, _ history: [Event], ends: Int
  ) {
    if before.phase == .closed { #expect(machine.phase == .closed && action == .none) }
    if before.phase == .lingering { #expect(machine.phase == .lingering || action == .close) }
    if history.contains(.drainBegan), before.phase != .idle { #expect(machine.phase != .idle) }
    if action == .startExchange { #expect(before.phase == .idle || before.phase == .readingHead) }
    #expect((action == .close || action == .abandon) == (machine.phase == .closed && before.phase != .closed))
    #expect((action == .linger) == (machine.phase == .lingering && before.phase != .lingering))
    if action == .abandon { #expect(before.phase == .exchanging || before.phase == .tunnelling) }
    if action == .readNext {
      #expect(event == ended && !before.bodyIsArriving && !before.hasPeerEnded && before.keepsAlive)
    }
    if event == .failed { #expect(machine.phase == .closed) }
    #expect(ends <= 1)
  }

  @Test(arguments: [1, 2, 3] as [UInt64])
  func `in any order of events it ends once, and never revives`(_ seed: UInt64) {
    var random = Seeded(seed)
    for _ in 0..<3000 {
      var machine = Machine()
      var history: [Event] = []
      var ends = 0
      for _ in 0..<16 {
        let before = machine
        let event = Self.events.randomElement(using: &random)!
        let action = machine.handle(event)
        history.append(event)
        if action == .close || action == .abandon { ends += 1 }
        check(machine, before: before, event, action, history, ends: ends)
      }
    }
  }
}
