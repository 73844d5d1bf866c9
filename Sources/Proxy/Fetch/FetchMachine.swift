import Caching

/// Where a fetch (the owner of a fill) stands. Pure: events in, actions out.
struct FetchMachine: Equatable {
  enum Phase: Equatable {
    /// For a server's free connection (lifecycle L11). → connecting, ended
    case queued
    /// → awaitingHead, queued (next server), ended
    case connecting
    /// The request is being sent or is out. → readingBody, connecting (replay), ended
    case awaitingHead
    /// → ended
    case readingBody
    case ended
  }

  enum Event: Equatable {
    case acquired
    /// There is a server, but no memory or descriptor for what it would send.
    case exhausted
    case poolFull
    case poolEmpty
    case connected
    case connectFailed
    /// The connection broke before a byte of the response; `wasReused`: it had served before.
    case brokeBeforeHead(wasReused: Bool)
    case headArrived
    /// A 101 to a request that offered what it switches to.
    case switched
    case bodyEnded
    case brokeInBody
    case responseWasBad
    case timedOut
    /// Before the head, nobody waits any more; after it, what is left is not worth reading (lifecycle L13).
    case abandoned
  }

  enum Action: Equatable {
    case none
    case connect
    case wait
    case send
    /// Ask the pool for another server, or the same one again.
    case tryNext
    case publish
    case complete
    /// The connection is another's from here on.
    case handOver
    case fail(FetchFailure)
    case cancel
  }

  private(set) var phase = Phase.queued
  private(set) var attempts = 0
  /// What the last attempt came to: the answer when no other server is left.
  private var lastFailure = FetchFailure.noServer
  /// The request may be sent twice: it is idempotent and its body, if any, is still whole in our hands.
  var isReplayable: Bool
  /// It is being sent for the second time: by a replay or by a retry, which are not added up (lifecycle L11).
  private(set) var isRepeat = false
  /// Servers that may be asked for one request.
  static let attemptLimit = 3

  init(isReplayable: Bool) { self.isReplayable = isReplayable }

  mutating func handle(_ event: Event) -> Action {
    switch phase {
    case .queued: queued(event)
    case .connecting: connecting(event)
    case .awaitingHead: awaitingHead(event)
    case .readingBody: readingBody(event)
    case .ended: .none
    }
  }

  private mutating func queued(_ event: Event) -> Action {
    switch event {
    case .acquired:
      attempts += 1
      return move(to: .connecting, .connect)
    case .poolFull: return .wait
    case .poolEmpty: return move(to: .ended, .fail(lastFailure))
    case .exhausted: return move(to: .ended, .fail(.exhausted))
    case .timedOut: return move(to: .ended, .fail(.queueTimedOut))
    case .abandoned: return move(to: .ended, .cancel)
    case .connected, .connectFailed, .brokeBeforeHead, .headArrived, .switched, .bodyEnded, .brokeInBody,
      .responseWasBad:
      return .none
    }
  }

  private mutating func connecting(_ event: Event) -> Action {
    switch event {
    case .connected: return move(to: .awaitingHead, .send)
    case .connectFailed, .brokeBeforeHead: return again(or: .connectFailed)
    case .timedOut: return again(or: .connectTimedOut)
    case .exhausted: return move(to: .ended, .fail(.exhausted))
    case .abandoned: return move(to: .ended, .cancel)
    case .acquired, .poolFull, .poolEmpty, .headArrived, .switched, .bodyEnded, .brokeInBody, .responseWasBad:
      return .none
    }
  }

  private mutating func awaitingHead(_ event: Event) -> Action {
    switch event {
    case .headArrived: return move(to: .readingBody, .publish)
    case .switched: return move(to: .ended, .handOver)
    case .brokeBeforeHead(let wasReused):
      // A server may close an idle connection just as it is used: the request was then not looked at.
      guard wasReused, isReplayable, !isRepeat else { return move(to: .ended, .fail(.brokeBeforeHead)) }
      isRepeat = true
      return again(or: .brokeBeforeHead)
    case .responseWasBad: return move(to: .ended, .fail(.badResponse))
    case .timedOut: return move(to: .ended, .fail(.firstByteTimedOut))
    case .abandoned: return move(to: .ended, .cancel)
    case .acquired, .exhausted, .poolFull, .poolEmpty, .connected, .connectFailed, .bodyEnded, .brokeInBody:
      return .none
    }
  }

  private mutating func readingBody(_ event: Event) -> Action {
    switch event {
    case .bodyEnded: return move(to: .ended, .complete)
    case .brokeInBody, .responseWasBad: return move(to: .ended, .fail(.brokeInBody))
    case .timedOut: return move(to: .ended, .fail(.gapTimedOut))
    case .abandoned: return move(to: .ended, .cancel)
    case .acquired, .exhausted, .poolFull, .poolEmpty, .connected, .connectFailed, .brokeBeforeHead,
      .headArrived, .switched:
      return .none
    }
  }

  private mutating func again(or failure: FetchFailure) -> Action {
    lastFailure = failure
    return attempts < Self.attemptLimit ? move(to: .queued, .tryNext) : move(to: .ended, .fail(failure))
  }

  /// One more attempt after a failure or a 5xx, with another waiter's request (lifecycle L11), or by the
  /// policy's wish.
  mutating func retry() {
    isRepeat = true
    attempts = 0
    lastFailure = .noServer
    phase = .queued
  }

  private mutating func move(to phase: Phase, _ action: Action) -> Action {
    self.phase = phase
    return action
  }
}

/// Why a fetch brought no complete response. The raw value travels with the fill.
enum FetchFailure: UInt8, Error, CaseIterable {
  case noServer = 1
  case queueTimedOut
  case connectFailed
  case connectTimedOut
  case brokeBeforeHead
  case firstByteTimedOut
  case badResponse
  case brokeInBody
  case gapTimedOut
  case cancelled
  case policy
  /// A 5xx that was made for one client and must not be shown to those who waited for it.
  case privateError
  /// No memory or descriptor is left for it.
  case exhausted

  /// What a client is told when there is nothing better.
  var explanation: StaticString {
    switch self {
    case .noServer, .queueTimedOut: "No server is available."
    case .connectFailed, .connectTimedOut: "No server could be reached."
    case .brokeBeforeHead, .brokeInBody: "The server broke the connection."
    case .firstByteTimedOut, .gapTimedOut: "The server did not answer in time."
    case .badResponse: "The server's answer is malformed."
    case .cancelled: "The fetch was given up."
    case .policy: "The policy gave the fetch up."
    case .privateError: "The server failed."
    case .exhausted: "Too much is under way."
    }
  }

  /// The same as the decision says it.
  var decisionFailure: Failure {
    switch self {
    case .noServer: .noServer
    case .queueTimedOut: .queueTimedOut
    case .connectFailed: .connectFailed
    case .connectTimedOut: .connectTimedOut
    case .brokeBeforeHead, .brokeInBody: .reset
    case .firstByteTimedOut, .gapTimedOut: .firstByteTimedOut
    case .badResponse: .badResponse
    case .cancelled, .policy: .internalError
    case .privateError: .unshareable
    case .exhausted: .exhausted
    }
  }

  /// A server may be at fault; another try, with another waiter's request, may do better.
  var deservesRetry: Bool {
    switch self {
    case .connectFailed, .connectTimedOut, .brokeBeforeHead, .firstByteTimedOut, .badResponse: true
    case .noServer, .queueTimedOut, .brokeInBody, .gapTimedOut, .cancelled, .policy, .privateError,
      .exhausted:
      false
    }
  }
}
