public import Bytes

/// The head of a fill's response, as the readers on all workers see it. The proxy subclasses it with what it
/// needs to answer from it; nothing of it changes once it is published.
open class FillHead: @unchecked Sendable {
  /// Length of the body in bytes; `nil`: not known before its end.
  public let contentLength: Int?
  /// Whether other requests may be answered with this response (L9).
  public let isJoinable: Bool
  /// Names of the fields it varies on: lower-case, sorted, joined with commas; empty: on none.
  public let varyNames: [UInt8]
  /// Hash of those fields in the request that the fill was made for.
  public let selecting: KeyHash

  public init(contentLength: Int?, isJoinable: Bool, varyNames: [UInt8], selecting: KeyHash) {
    self.contentLength = contentLength
    self.isJoinable = isJoinable
    self.varyNames = varyNames
    self.selecting = selecting
  }
}

/// What wakes a worker. Called on any thread; must neither block nor call back into the fill.
public protocol FillWaker: AnyObject, Sendable {
  /// The fill has a head, more bytes or an end for readers on this worker. The worker calls `clearPending`,
  /// and only then looks. Not called again before that.
  func fillAdvanced(_ fill: Fill)
  /// The owner, whom the window had stopped, has room again; or the last reader has gone, and the owner may
  /// not want to go on (L13). It calls `clearDrained`, and only then asks for room and for `readerCount`. Not
  /// called again before that.
  func fillDrained(_ fill: Fill)
}

public enum FillStatus: UInt8, Sendable {
  /// → streaming, failed
  case awaitingHead
  /// → complete, failed
  case streaming
  case complete
  case failed
}
