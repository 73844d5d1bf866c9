/// What a tunnel does next. Pure: events in, actions out.
struct TunnelMachine: Equatable {
  enum Phase: Equatable {
    /// → clientEnded, serverEnded, closed
    case open
    /// The client sends no more, and the server knows. → closed
    case clientEnded
    /// → closed
    case serverEnded
    case closed
  }

  enum Event: Equatable {
    /// The client has ended its side, and all it sent is with the server.
    case clientEnded
    case serverEnded
    /// A read or write failed: one of the two is gone.
    case failed
    /// Nothing has gone either way for too long.
    case timedOut
  }

  enum Action: Equatable {
    case none
    /// End our side toward the one, go on carrying to the other.
    case endServerSide, endClientSide
    case close
    /// Both with a reset: neither may take what it has for all there was to come.
    case reset
  }

  private(set) var phase = Phase.open

  mutating func handle(_ event: Event) -> Action {
    switch phase {
    case .open: open(event)
    case .clientEnded: clientEnded(event)
    case .serverEnded: serverEnded(event)
    case .closed: .none
    }
  }

  private mutating func open(_ event: Event) -> Action {
    switch event {
    case .clientEnded: move(to: .clientEnded, .endServerSide)
    case .serverEnded: move(to: .serverEnded, .endClientSide)
    case .failed, .timedOut: move(to: .closed, .reset)
    }
  }

  private mutating func clientEnded(_ event: Event) -> Action {
    switch event {
    case .clientEnded: .none
    case .serverEnded: move(to: .closed, .close)
    case .failed, .timedOut: move(to: .closed, .reset)
    }
  }

  private mutating func serverEnded(_ event: Event) -> Action {
    switch event {
    case .clientEnded: move(to: .closed, .close)
    case .serverEnded: .none
    case .failed, .timedOut: move(to: .closed, .reset)
    }
  }

  private mutating func move(to phase: Phase, _ action: Action) -> Action {
    self.phase = phase
    return action
  }
}
