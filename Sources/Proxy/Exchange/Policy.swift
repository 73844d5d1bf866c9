import Caching
import HTTP

/// The rules of one deployment: every step of a request at which VCL has a subroutine is a call here, and
/// each answers with a closed enum. This class is the built-in behaviour; a policy overrides what it changes.
///
/// One instance belongs to one worker (lifecycle L5). The working heads are `Exchange.request` (req),
/// `Fetch.memory.request` (bereq), the argument of `fetchResponse` (beresp), and what `Exchange.editResponse`
/// hands out (resp): overlays on bytes that stay as they are.
class Policy {
  /// The request's head has been read and checked.
  func receive(_ exchange: Exchange) -> ReceiveAction {
    switch exchange.request.method {
    case .purge: .purge
    case .get, .head:
      exchange.offersUpgrade ? .pipe : exchange.requestHasBody ? .pass(.requestBody) : .hash
    default: exchange.offersUpgrade ? .pipe : .pass(.method)
    }
  }

  /// The key has been written; a policy may add to it.
  func hash(_ exchange: Exchange) -> HashAction { .lookUp }

  /// A fresh response was found.
  func hit(_ exchange: Exchange) -> HitAction { .deliver }

  /// Nothing usable was found; a shared fetch follows.
  func miss(_ exchange: Exchange) -> MissAction { .fetch }

  /// The request goes to the origin on its own.
  func pass(_ exchange: Exchange) -> PassAction { .fetch }

  /// The request is passed, and if it offers another protocol and the origin takes that, its connection
  /// becomes a tunnel. `.pass`: without the offer.
  func pipe(_ exchange: Exchange) -> PipeAction { .pipe }

  /// A purge from an allowed address, before it is carried out.
  func purge(_ exchange: Exchange) -> PurgeAction { .purge }

  /// A response of our own is about to go out.
  func synthesize(_ exchange: Exchange) -> SynthesizeAction { .deliver }

  /// The response's head is about to go out; `Exchange.editResponse` changes it for this client.
  func deliver(_ exchange: Exchange) -> DeliverAction { .deliver }

  /// A request to the origin is about to be sent.
  func fetch(_ fetch: Fetch) -> FetchAction { .fetch }

  /// The origin's head has arrived.
  func fetchResponse(_ fetch: Fetch, _ response: inout ResponseHead) -> FetchResponseAction { .deliver }

  /// The fetch has failed for good.
  func fetchError(_ fetch: Fetch) -> FetchErrorAction { .deliver }
}

/// A response of our own.
struct Synthetic: Equatable {
  var status: UInt16
  var body: String = ""
}

enum ReceiveAction: Equatable {
  case hash, pass(BypassReason), pipe, purge, synthesize(Synthetic), restart, fail
}
enum HashAction: Equatable { case lookUp, fail }
enum HitAction: Equatable { case deliver, miss, pass(BypassReason), synthesize(Synthetic), restart, fail }
enum MissAction: Equatable { case fetch, pass(BypassReason), synthesize(Synthetic), restart, fail }
enum PassAction: Equatable { case fetch, synthesize(Synthetic), restart, fail }
enum PipeAction: Equatable { case pipe, pass, synthesize(Synthetic), fail }
enum PurgeAction: Equatable { case purge, synthesize(Synthetic), restart, fail }
enum SynthesizeAction: Equatable { case deliver, restart, fail }
enum DeliverAction: Equatable { case deliver, synthesize(Synthetic), restart, fail }
enum FetchAction: Equatable { case fetch, abandon, fail }
enum FetchResponseAction: Equatable { case deliver, retry, abandon, pass, fail }
enum FetchErrorAction: Equatable { case deliver, retry, abandon, fail }
