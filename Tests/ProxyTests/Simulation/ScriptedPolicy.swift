import HTTP

@testable import Proxy

/// A policy whose answers a test chooses, and that notes which steps were taken.
final class ScriptedPolicy: Policy {
  var steps: [String] = []
  var onReceive: (Exchange) -> ReceiveAction? = { _ in nil }
  var onHash: HashAction?
  var onHit: (Exchange) -> HitAction? = { _ in nil }
  var onMiss: (Exchange) -> MissAction? = { _ in nil }
  var onPass: (Exchange) -> PassAction? = { _ in nil }
  var onPurge: PurgeAction?
  var onSynthesize: (Exchange) -> SynthesizeAction? = { _ in nil }
  var onDeliver: (Exchange) -> DeliverAction? = { _ in nil }
  var onFetch: (Fetch) -> FetchAction? = { _ in nil }
  var onFetchResponse: (Fetch) -> FetchResponseAction? = { _ in nil }
  var onFetchError: (Fetch) -> FetchErrorAction? = { _ in nil }

  private func took<T>(_ step: String, _ action: T) -> T {
    steps.append(step)
    return action
  }

  override func receive(_ exchange: Exchange) -> ReceiveAction {
    took("receive", onReceive(exchange) ?? super.receive(exchange))
  }

  override func hash(_ exchange: Exchange) -> HashAction { took("hash", onHash ?? super.hash(exchange)) }

  override func hit(_ exchange: Exchange) -> HitAction { took("hit", onHit(exchange) ?? super.hit(exchange)) }

  override func miss(_ exchange: Exchange) -> MissAction {
    took("miss", onMiss(exchange) ?? super.miss(exchange))
  }

  override func pass(_ exchange: Exchange) -> PassAction {
    took("pass", onPass(exchange) ?? super.pass(exchange))
  }

  override func pipe(_ exchange: Exchange) -> PipeAction { took("pipe", super.pipe(exchange)) }

  override func purge(_ exchange: Exchange) -> PurgeAction { took("purge", onPurge ?? super.purge(exchange)) }

  override func synthesize(_ exchange: Exchange) -> SynthesizeAction {
    took("synthesize", onSynthesize(exchange) ?? super.synthesize(exchange))
  }

  override func deliver(_ exchange: Exchange) -> DeliverAction {
    took("deliver", onDeliver(exchange) ?? super.deliver(exchange))
  }

  override func fetch(_ fetch: Fetch) -> FetchAction { took("fetch", onFetch(fetch) ?? super.fetch(fetch)) }

  /// Changes `beresp`.
  var editsFetchResponse: ((inout ResponseHead) -> Void)?

  override func fetchResponse(_ fetch: Fetch, _ response: inout ResponseHead) -> FetchResponseAction {
    editsFetchResponse?(&response)
    return took("fetchResponse", onFetchResponse(fetch) ?? super.fetchResponse(fetch, &response))
  }

  override func fetchError(_ fetch: Fetch) -> FetchErrorAction {
    took("fetchError", onFetchError(fetch) ?? super.fetchError(fetch))
  }
}
