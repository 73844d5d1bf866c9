/// Everything a worker counts one by one. Each is a series of one metric family; no `default` in the mapping,
/// so that a new case must be given its name to compile.
public enum Tally: Int, CaseIterable, Sendable {
  /// Of the worker's event loop; the watchdog reads them (L29).
  case turns
  case clientBytesReceived, clientBytesSent
  case connectionsAccepted, proxyHeadersRefused
  /// More clients than there may be, or than one address may have; no memory or descriptor to watch it.
  case connectionsRefused, connectionsRefusedPerAddress, connectionsRefusedForWant
  /// Accepting rested for want of descriptors or memory.
  case acceptPauses
  /// Connections between two requests that were ended to make room.
  case idleConnectionsEnded
  /// Gauge.
  case connectionsOpen
  case upstreamRequests, upstreamRetries
  case upstreamBytesReceived, upstreamBytesSent
  case upstreamConnectionsOpened, upstreamConnectionsReused
  /// Gauges.
  case upstreamConnectionsOpen, upstreamConnectionsIdle
  case connectFailed, resetBeforeFirstByte, resetInBody, badResponse
  case fillsStarted
  /// How a fill ended; exactly one for each that started.
  case fillsStored, fillsNotStored, fillsNotModified, fillsFenced, fillsFailed, fillsCancelled, fillsSwitched
  /// Gauge.
  case fillsInFlight
  /// Requests that read a fill which another request had started.
  case requestsCollapsed
  /// Stored responses sent, by where their bodies lay.
  case memoryHits, diskHits
  case headTimeouts, idleTimeouts, bodyTimeouts, sendTimeouts
  case connectTimeouts, firstByteTimeouts, gapTimeouts, upstreamIdleTimeouts
  case queueTimeouts, collapseTimeouts, drainTimeouts, tunnelTimeouts, diskTimeouts
  case tunnelsOpened, tunnelBytesToServer, tunnelBytesToClient
  /// Gauge.
  case tunnelsOpen
  case hardPurges, softPurges, unsafeMethodPurges, entriesPurged
  /// Requests that had to wait for a free connection to a server (L11).
  case queuedForConnection
  /// Readers cut because they held up the others of a fill (L12).
  case readersCut
  /// Pairs of state and event that cannot happen, and did (L29).
  case impossibleEvents
  case accessLogLinesDropped

  @usableFromInline static var count: Int { Tally.accessLogLinesDropped.rawValue + 1 }
}

extension Tally {
  /// The family this belongs to, and the value of that family's label, if it has one.
  var series: (family: MetricFamily, label: StaticString?) {
    switch self {
    case .turns: (.turns, nil)
    case .clientBytesReceived: (.clientBytesReceived, nil)
    case .clientBytesSent: (.clientBytesSent, nil)
    case .connectionsAccepted: (.connectionsAccepted, nil)
    case .connectionsRefused: (.connectionsRefused, "max_clients")
    case .connectionsRefusedPerAddress: (.connectionsRefused, "max_clients_per_address")
    case .connectionsRefusedForWant: (.connectionsRefused, "resources")
    case .acceptPauses: (.acceptPauses, nil)
    case .idleConnectionsEnded: (.idleConnectionsEnded, nil)
    case .proxyHeadersRefused: (.proxyHeadersRefused, nil)
    case .connectionsOpen: (.connectionsOpen, nil)
    case .upstreamRequests: (.upstreamRequests, nil)
    case .upstreamRetries: (.upstreamRetries, nil)
    case .upstreamBytesReceived: (.upstreamBytesReceived, nil)
    case .upstreamBytesSent: (.upstreamBytesSent, nil)
    case .upstreamConnectionsOpened: (.upstreamConnectionsOpened, nil)
    case .upstreamConnectionsReused: (.upstreamConnectionsReused, nil)
    case .upstreamConnectionsOpen: (.upstreamConnectionsOpen, nil)
    case .upstreamConnectionsIdle: (.upstreamConnectionsIdle, nil)
    case .connectFailed: (.upstreamErrors, "connect")
    case .resetBeforeFirstByte: (.upstreamErrors, "reset_before_first_byte")
    case .resetInBody: (.upstreamErrors, "reset_in_body")
    case .badResponse: (.upstreamErrors, "bad_response")
    case .fillsStarted: (.fillsStarted, nil)
    case .fillsInFlight: (.fillsInFlight, nil)
    case .requestsCollapsed: (.requestsCollapsed, nil)
    case .memoryHits: (.tierHits, "memory")
    case .diskHits: (.tierHits, "disk")
    case .entriesPurged: (.entriesPurged, nil)
    case .queuedForConnection: (.queuedForConnection, nil)
    case .readersCut: (.readersCut, nil)
    case .impossibleEvents: (.impossibleEvents, nil)
    case .accessLogLinesDropped: (.accessLogLinesDropped, nil)
    case .fillsStored: (.fillsEnded, "stored")
    case .fillsNotStored: (.fillsEnded, "not_stored")
    case .fillsNotModified: (.fillsEnded, "not_modified")
    case .fillsFenced: (.fillsEnded, "fenced")
    case .fillsFailed: (.fillsEnded, "failed")
    case .fillsCancelled: (.fillsEnded, "cancelled")
    case .fillsSwitched: (.fillsEnded, "switched")
    case .headTimeouts, .idleTimeouts, .bodyTimeouts, .sendTimeouts, .connectTimeouts, .firstByteTimeouts,
      .gapTimeouts, .upstreamIdleTimeouts, .queueTimeouts, .collapseTimeouts, .drainTimeouts, .tunnelTimeouts,
      .diskTimeouts:
      (.timeouts, timeoutKind)
    case .tunnelsOpened: (.tunnelsOpened, nil)
    case .tunnelBytesToServer: (.tunnelBytes, "to_server")
    case .tunnelBytesToClient: (.tunnelBytes, "to_client")
    case .tunnelsOpen: (.tunnelsOpen, nil)
    case .hardPurges: (.purges, "hard")
    case .softPurges: (.purges, "soft")
    case .unsafeMethodPurges: (.purges, "unsafe_method")
    }
  }

  private var timeoutKind: StaticString? {
    switch self {
    case .headTimeouts: "head"
    case .idleTimeouts: "idle"
    case .bodyTimeouts: "body"
    case .sendTimeouts: "send"
    case .connectTimeouts: "connect"
    case .firstByteTimeouts: "first_byte"
    case .gapTimeouts: "gap"
    case .upstreamIdleTimeouts: "upstream_idle"
    case .queueTimeouts: "queue"
    case .collapseTimeouts: "collapse"
    case .drainTimeouts: "drain"
    case .tunnelTimeouts: "tunnel"
    case .diskTimeouts: "disk"
    default: nil
    }
  }
}
