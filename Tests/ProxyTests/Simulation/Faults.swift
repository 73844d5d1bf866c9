import Glibc

/// System calls that are to fail: of each kind the n-th, with an error that Linux may give.
struct Faults {
  enum Call: Int, CaseIterable {
    case read, write, sendFile, accept, connect, connectOutcome, watch, makePoll

    /// Errors that such a call may bring while nothing is wrong with the caller. Those that mean the same for
    /// us stand together.
    var errors: [[CInt]] {
      switch self {
      case .read: [[EAGAIN], [EINTR], [ECONNRESET, ETIMEDOUT, EHOSTUNREACH], [ENOMEM]]
      case .write: [[EAGAIN], [EINTR], [EPIPE, ECONNRESET, ETIMEDOUT], [ENOBUFS, ENOMEM]]
      case .sendFile: [[EAGAIN], [EINTR], [EPIPE, ECONNRESET], [EIO, ENOMEM]]
      case .accept: [[EINTR], [ECONNABORTED], [EMFILE, ENFILE, EPROTO, EPERM, ENOBUFS, ENOMEM]]
      case .connect: [[EMFILE, ENFILE, EADDRNOTAVAIL, ENOBUFS], [ENETUNREACH, ECONNREFUSED, EACCES]]
      case .connectOutcome: [[ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH]]
      case .watch: [[ENOMEM, ENOSPC]]
      case .makePoll: [[EMFILE, ENFILE, ENOMEM]]
      }
    }
  }

  private var counts = [Int](repeating: 0, count: Call.allCases.count)
  private var planned: [Int: CInt] = [:]

  static func key(_ call: Call, _ n: Int) -> Int { call.rawValue << 32 | n }

  /// The `n`-th call from the start of the run, 1 being the first, fails with `code`.
  mutating func plan(_ call: Call, _ n: Int, _ code: CInt) { planned[Faults.key(call, n)] = code }

  func count(of call: Call) -> Int { counts[call.rawValue] }

  mutating func next(_ call: Call) -> CInt? {
    counts[call.rawValue] += 1
    return planned.isEmpty ? nil : planned[Faults.key(call, counts[call.rawValue])]
  }
}
