/// What a client's HTTP/1.1 connection does next. Pure: events in, actions out; no descriptor, no clock.
struct ConnectionMachine: Equatable {
  enum Phase: Equatable {
    /// Between requests, nothing of the next one is here. → readingHead, exchanging, lingering, closed
    case idle
    /// Part of a head is here. → exchanging, lingering, closed
    case readingHead
    /// A request is being answered. → idle, lingering, tunnelling, closed
    case exchanging
    /// The server has switched protocols: bytes are carried to and fro. → closed
    case tunnelling
    /// Our side has ended; what the peer still sends is read and dropped. → closed
    case lingering
    case closed
  }

  enum Event: Equatable {
    case headBegan
    /// A whole head; `keepsAlive` by its version and `Connection`.
    case headCompleted(hasBody: Bool, keepsAlive: Bool)
    case requestBodyEnded
    /// A response of ours that ends the connection has been written in answer to something that is no
    /// request.
    case refusalWritten
    /// The last byte of a response is written; `keepsAlive`: its framing allows another.
    case responseEnded(keepsAlive: Bool)
    /// A 101 is the answer.
    case switched
    /// The peer sends no more; it may still read.
    case peerEnded
    case timedOut
    /// A read or write failed: the peer is gone. Or it never spoke our protocol: there is nobody to answer.
    case failed
    case drainBegan
  }

  enum Action: Equatable {
    case none
    case startExchange
    case readNext
    /// Give the peer two seconds to ask.
    case awaitFirstRequest
    /// Answer 408 and end; only once.
    case refuseSlowHead
    /// End our side, then read until the peer ends or two seconds have passed.
    case linger
    case close
    /// The exchange loses its client.
    case abandon
  }

  private(set) var phase = Phase.idle
  /// Bytes of the request's body are still to come.
  private(set) var bodyIsArriving = false
  private(set) var keepsAlive = true
  private(set) var hasPeerEnded = false
  private(set) var isDraining = false
  /// No request has been read yet.
  private(set) var isNew = true
  private var hasRefusedSlowHead = false

  mutating func handle(_ event: Event) -> Action {
    switch event {
    case .drainBegan: return drainBegan()
    case .failed: return ended()
    case .peerEnded: hasPeerEnded = true
    case .headBegan, .headCompleted, .requestBodyEnded, .refusalWritten, .responseEnded, .switched, .timedOut:
      break
    }
    return switch phase {
    case .idle: idle(event)
    case .readingHead: readingHead(event)
    case .exchanging: exchanging(event)
    case .tunnelling: tunnelling(event)
    case .lingering: lingering(event)
    case .closed: .none
    }
  }

  private mutating func idle(_ event: Event) -> Action {
    switch event {
    case .headBegan: return move(to: .readingHead, .none)
    case .headCompleted(let hasBody, let keepsAlive): return begin(hasBody, keepsAlive)
    case .refusalWritten: return finish()
    case .peerEnded, .timedOut: return move(to: .closed, .close)
    case .requestBodyEnded, .responseEnded, .switched, .failed, .drainBegan: return .none
    }
  }

  private mutating func readingHead(_ event: Event) -> Action {
    switch event {
    case .headBegan: return .none
    case .headCompleted(let hasBody, let keepsAlive): return begin(hasBody, keepsAlive)
    case .refusalWritten: return finish()
    case .peerEnded: return move(to: .closed, .close)
    case .timedOut:
      // The second time it is the peer that does not take our 408.
      guard !hasRefusedSlowHead else { return move(to: .closed, .close) }
      hasRefusedSlowHead = true
      return .refuseSlowHead
    case .requestBodyEnded, .responseEnded, .switched, .failed, .drainBegan: return .none
    }
  }

  private mutating func exchanging(_ event: Event) -> Action {
    switch event {
    case .requestBodyEnded:
      bodyIsArriving = false
      return .none
    case .responseEnded(let framingKeepsAlive):
      keepsAlive = keepsAlive && framingKeepsAlive
      return finish()
    case .peerEnded:
      // A client may end its side and still read the answer, unless it ends in the middle of its request.
      return bodyIsArriving ? move(to: .closed, .abandon) : .none
    case .switched: return move(to: .tunnelling, .none)
    case .timedOut: return move(to: .closed, .abandon)
    case .headBegan, .headCompleted, .refusalWritten, .failed, .drainBegan: return .none
    }
  }

  /// The tunnel reads and writes; it ends as a response does, or fails.
  private mutating func tunnelling(_ event: Event) -> Action {
    switch event {
    case .responseEnded: return move(to: .closed, .close)
    case .headBegan, .headCompleted, .requestBodyEnded, .refusalWritten, .switched, .peerEnded, .timedOut,
      .failed, .drainBegan:
      return .none
    }
  }

  private mutating func lingering(_ event: Event) -> Action {
    switch event {
    case .peerEnded, .timedOut: return move(to: .closed, .close)
    case .headBegan, .headCompleted, .requestBodyEnded, .refusalWritten, .responseEnded, .switched, .failed,
      .drainBegan:
      return .none
    }
  }

  private mutating func begin(_ hasBody: Bool, _ keepsAlive: Bool) -> Action {
    isNew = false
    bodyIsArriving = hasBody
    self.keepsAlive = keepsAlive && !isDraining
    return move(to: .exchanging, .startExchange)
  }

  /// A response is out. A body left unread cannot be told from the next request: the connection ends.
  private mutating func finish() -> Action {
    if phase == .exchanging, keepsAlive, !bodyIsArriving, !isDraining, !hasPeerEnded {
      return move(to: .idle, .readNext)
    }
    return hasPeerEnded ? move(to: .closed, .close) : move(to: .lingering, .linger)
  }

  /// Whoever has connected is about to ask: its first request is awaited, others are on their own (L30).
  private mutating func drainBegan() -> Action {
    isDraining = true
    keepsAlive = false
    guard phase == .idle else { return .none }
    return isNew ? .awaitFirstRequest : move(to: .lingering, .linger)
  }

  private mutating func ended() -> Action {
    switch phase {
    case .exchanging, .tunnelling: move(to: .closed, .abandon)
    case .idle, .readingHead, .lingering: move(to: .closed, .close)
    case .closed: .none
    }
  }

  private mutating func move(to phase: Phase, _ action: Action) -> Action {
    self.phase = phase
    return action
  }
}
