import Testing

@testable import Proxy

private typealias Event = TunnelMachine.Event

private struct Row: Sendable {
  var before: [TunnelMachine.Event]
  var event: TunnelMachine.Event
  var action: TunnelMachine.Action
  var phase: TunnelMachine.Phase

  init(
    _ before: [TunnelMachine.Event], _ event: TunnelMachine.Event, _ action: TunnelMachine.Action,
    _ phase: TunnelMachine.Phase
  ) {
    self.before = before
    self.event = event
    self.action = action
    self.phase = phase
  }
}

private let rows: [Row] = [
  Row([], .clientEnded, .endServerSide, .clientEnded),
  Row([], .serverEnded, .endClientSide, .serverEnded),
  Row([], .failed, .reset, .closed),
  Row([], .timedOut, .reset, .closed),
  Row([.clientEnded], .clientEnded, .none, .clientEnded),
  Row([.clientEnded], .serverEnded, .close, .closed),
  Row([.clientEnded], .failed, .reset, .closed),
  Row([.clientEnded], .timedOut, .reset, .closed),
  Row([.serverEnded], .clientEnded, .close, .closed),
  Row([.serverEnded], .serverEnded, .none, .serverEnded),
  Row([.serverEnded], .failed, .reset, .closed),
  Row([.serverEnded], .timedOut, .reset, .closed),
  Row([.failed], .clientEnded, .none, .closed),
  Row([.failed], .serverEnded, .none, .closed),
  Row([.failed], .failed, .none, .closed),
  Row([.failed], .timedOut, .none, .closed),
]

@Suite("Tunnel machine")
struct TunnelMachineTests {
  @Test func `each event in each phase has its action and its next phase`() {
    for row in rows {
      var machine = TunnelMachine()
      for event in row.before { _ = machine.handle(event) }
      #expect(machine.handle(row.event) == row.action, "\(row)")
      #expect(machine.phase == row.phase, "\(row)")
    }
    #expect(Set(rows.map { "\($0.before) \($0.event)" }).count == 4 * 4)
  }
}
