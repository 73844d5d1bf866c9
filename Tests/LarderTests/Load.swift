import TestSupport

/// Clients that ask for one page over and over, each time on a connection of its own.
final class Load: Sendable {
  private struct State {
    var answers = 0
    var refused = 0
    var cut = 0
    var wrong: [String] = []
    var mustStop = false
  }

  private let state = Watched(State())
  private let clients: [Task<Void>]

  /// - Parameter connect: Makes a client's next connection; which one is in the number.
  init(clients: Int = 4, connect: @escaping @Sendable (Int) throws -> RawClient) {
    self.clients = (0..<clients).map { [state] client in
      Task { while Self.ask(client, connect, state) {} }
    }
  }

  convenience init(_ larder: Larder) { self.init { _ in try larder.client() } }

  var answers: Int { state.read { $0.answers } }

  func awaitAnswers(_ count: Int) throws {
    _ = try state.wait(for: "\(count) answers") { $0.answers >= count ? true : nil }
  }

  /// - Returns: Connections that were not to be had, and connections that ended before their answer had.
  func stop() -> (refused: Int, cut: Int) {
    state.update { $0.mustStop = true }
    for client in clients { try? client.value() }
    return state.read { ($0.refused, $0.cut + $0.wrong.count) }
  }

  private static func ask(
    _ number: Int, _ connect: (Int) throws -> RawClient, _ state: Watched<State>
  ) -> Bool {
    guard let client = try? connect(number) else {
      return state.update { state in
        state.refused += 1
        return !state.mustStop
      }
    }
    defer { client.close() }
    let response = try? client.fetch("/")
    return state.update { state in
      switch response {
      case nil: state.cut += 1
      case let response? where response.status == 200 && response.isWhole && response.text == "page":
        state.answers += 1
      case let response?: state.wrong.append("\(response)")
      }
      return !state.mustStop
    }
  }
}
