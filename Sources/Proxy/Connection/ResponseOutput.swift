import Bytes

/// How far the response under way has been written.
struct ResponseOutput {
  enum Framing: Equatable {
    case none
    case length(remaining: Int)
    case chunked
    case untilClose
  }

  /// A head was given and the response's last byte is not written.
  var isActive = false
  var framing = Framing.none
  /// Head and framing bytes that go out before the next body byte.
  var lead: [UInt8] = []
  var leadSent = 0
  /// Body bytes that belong to the chunk whose size is written or in `lead`.
  var chunkRemaining = 0
  var hasSentChunk = false
  /// The source has ended, and `lead` holds what marks the end.
  var bodyEnded = false
  var keepsAlive = true
  /// The client has not taken it in time: what the kernel still holds for it is not worth keeping either.
  var isOverdue = false

  var leadCount: Int { lead.count - leadSent }

  /// The most body bytes that may follow what is in `lead`.
  var bodyAllowance: Int {
    switch framing {
    case .none: 0
    case .length(let remaining): remaining
    case .chunked: chunkRemaining
    case .untilClose: Int.max
    }
  }

  var isComplete: Bool {
    switch framing {
    case .none: true
    case .length(let remaining): remaining == 0
    case .chunked, .untilClose: bodyEnded
    }
  }

  mutating func bodySent(_ count: Int) {
    switch framing {
    case .none, .untilClose: break
    case .length(let remaining): framing = .length(remaining: remaining - count)
    case .chunked: chunkRemaining -= count
    }
  }

  mutating func leadSent(_ count: Int) {
    leadSent += count
    if leadSent == lead.count {
      lead.removeAll(keepingCapacity: true)
      leadSent = 0
    }
  }
}
