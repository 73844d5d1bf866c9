/// Where an exchange stands, and what it does about what happens to it. Pure: facts in, orders out.
enum ExchangePhase: Equatable {
  /// Its head is being read. → deciding, finished
  case receiving
  /// Looking up, all in one go. → waiting, delivering, finished
  case deciding
  /// For a fill's head. → deciding, delivering, finished
  case waiting
  /// The head is given; the body is pulled. → finished, deciding (restart)
  case delivering
  case finished
}

/// What a waiter knows when a fill's head is there (lifecycle L9).
struct HeadVerdict: Equatable {
  /// The fill was made for this exchange alone, or this exchange started it.
  var isOwn: Bool
  /// The response may be shared with those who wait.
  var isShareable: Bool
  /// The selecting fields of this request are those of the fill's.
  var variantMatches: Bool
  /// The request has `Authorization` or `Cookie` and the response does not allow its reuse.
  var credentialsForbid: Bool
  /// A 304 that confirmed the entry which this exchange, or the fill's starter, found stale.
  var isConfirmation: Bool
  /// A 5xx.
  var isServerError: Bool
  /// There is a stale response that may be served in the place of an error.
  var hasServableStale: Bool
}

enum HeadOrder: Equatable {
  /// Read the fill.
  case deliver
  /// Serve the confirmed entry.
  case deliverConfirmed
  case deliverStale
  /// Look up again: another variant, or a fill that cannot be shared with this request only.
  case lookUpAgain
  /// Fetch without the others: they cannot share.
  case fetchAlone
  /// A server error that is not to be handed to others: say it ourselves.
  case refuse
}

extension HeadVerdict {
  /// Lifecycle L9, L11 and L16.
  var order: HeadOrder {
    if isConfirmation { return .deliverConfirmed }
    if isServerError, hasServableStale { return .deliverStale }
    if isOwn { return .deliver }
    if isServerError { return isShareable ? .deliver : .refuse }
    if !isShareable { return .fetchAlone }
    if !variantMatches { return .lookUpAgain }
    return credentialsForbid ? .fetchAlone : .deliver
  }
}
