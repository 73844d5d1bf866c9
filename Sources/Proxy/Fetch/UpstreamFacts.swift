import Upstream

/// How a response was had from a server, for the log: times in microseconds.
struct UpstreamFacts {
  /// The one asked last; `nil`: none was.
  var server: Server?
  /// Times that a server was turned to.
  var attempts = 0
  /// Of the response; 0: there was none.
  var status: UInt16 = 0
  /// In the queue for a connection.
  var queued = 0
  /// Until the last connection was there, 0 for one that was idle.
  var connect: Int?
  /// From the request sent to the response's head.
  var firstByte: Int?
}
