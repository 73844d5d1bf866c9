import Glibc

/// System calls that are to fail: of each kind the n-th, with an error that Linux may give.
struct Faults {
  enum Call: Int, CaseIterable {
    case read, write, accept, connect, watch, makePoll

    /// Errors that such a call may bring while nothing is wrong with the caller.
    var errors: [CInt] {
      switch self {
      case .read: [ECONNRESET, EAGAIN, EINTR, ETIMEDOUT]
      case .write: [EPIPE, EAGAIN, EINTR]
      case .accept: [EMFILE, ECONNABORTED, EINTR, ENFILE]
      case .connect: [EMFILE, ENETUNREACH, EADDRNOTAVAIL]
      case .watch: [ENOMEM, ENOSPC]
      case .makePoll: [EMFILE]
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
