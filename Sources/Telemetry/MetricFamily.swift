/// The metric families made of tallies: name, meaning, kind and label, as Prometheus shows them.
///
/// Names follow Prometheus' rules: base units, `_total` for what only grows.
enum MetricFamily: CaseIterable {
  case turns
  case clientBytesReceived, clientBytesSent
  case connectionsAccepted, connectionsRefused, proxyHeadersRefused, connectionsOpen
  case acceptPauses, idleConnectionsEnded
  case requestsCollapsed
  case tierHits
  case fillsStarted, fillsEnded, fillsInFlight
  case readersCut
  case upstreamRequests, upstreamRetries, upstreamErrors
  case upstreamBytesReceived, upstreamBytesSent
  case upstreamConnectionsOpened, upstreamConnectionsReused, upstreamConnectionsOpen, upstreamConnectionsIdle
  case queuedForConnection
  case timeouts
  case purges, entriesPurged
  case tunnelsOpened, tunnelsOpen, tunnelBytes
  case impossibleEvents, accessLogLinesDropped

  var kind: MetricKind {
    switch self {
    case .connectionsOpen, .fillsInFlight, .upstreamConnectionsOpen, .upstreamConnectionsIdle, .tunnelsOpen:
      .gauge
    case .turns, .clientBytesReceived, .clientBytesSent, .connectionsAccepted, .connectionsRefused,
      .proxyHeadersRefused, .acceptPauses, .idleConnectionsEnded, .requestsCollapsed,
      .tierHits, .fillsStarted, .fillsEnded, .readersCut, .upstreamRequests, .upstreamRetries,
      .upstreamErrors,
      .upstreamBytesReceived, .upstreamBytesSent, .upstreamConnectionsOpened, .upstreamConnectionsReused,
      .queuedForConnection, .timeouts, .purges, .entriesPurged, .impossibleEvents, .accessLogLinesDropped,
      .tunnelsOpened, .tunnelBytes:
      .counter
    }
  }

  var name: StaticString {
    switch self {
    case .turns: "larder_worker_turns_total"
    case .clientBytesReceived: "larder_client_received_bytes_total"
    case .clientBytesSent: "larder_client_sent_bytes_total"
    case .connectionsAccepted: "larder_client_connections_accepted_total"
    case .connectionsRefused: "larder_client_connections_refused_total"
    case .proxyHeadersRefused: "larder_client_proxy_headers_refused_total"
    case .connectionsOpen: "larder_client_connections"
    case .acceptPauses: "larder_accept_pauses_total"
    case .idleConnectionsEnded: "larder_client_idle_connections_ended_total"
    case .requestsCollapsed: "larder_requests_collapsed_total"
    case .tierHits: "larder_tier_hits_total"
    case .fillsStarted: "larder_fills_started_total"
    case .fillsEnded: "larder_fills_ended_total"
    case .fillsInFlight: "larder_fills_in_flight"
    case .readersCut: "larder_fill_readers_cut_total"
    case .upstreamRequests: "larder_upstream_requests_total"
    case .upstreamRetries: "larder_upstream_retries_total"
    case .upstreamErrors: "larder_upstream_errors_total"
    case .upstreamBytesReceived: "larder_upstream_received_bytes_total"
    case .upstreamBytesSent: "larder_upstream_sent_bytes_total"
    case .upstreamConnectionsOpened: "larder_upstream_connections_opened_total"
    case .upstreamConnectionsReused: "larder_upstream_connections_reused_total"
    case .upstreamConnectionsOpen: "larder_upstream_connections"
    case .upstreamConnectionsIdle: "larder_upstream_connections_idle"
    case .queuedForConnection: "larder_upstream_queued_total"
    case .timeouts: "larder_timeouts_total"
    case .purges: "larder_purges_total"
    case .entriesPurged: "larder_purged_entries_total"
    case .tunnelsOpened: "larder_tunnels_opened_total"
    case .tunnelsOpen: "larder_tunnels"
    case .tunnelBytes: "larder_tunnel_bytes_total"
    case .impossibleEvents: "larder_impossible_events_total"
    case .accessLogLinesDropped: "larder_access_log_dropped_lines_total"
    }
  }

  var help: StaticString {
    switch self {
    case .turns: "Turns of the workers' event loops."
    case .clientBytesReceived: "Bytes read from clients."
    case .clientBytesSent: "Bytes written to clients."
    case .connectionsAccepted: "Client connections accepted."
    case .connectionsRefused: "Client connections closed at once, by the limit that was reached."
    case .proxyHeadersRefused: "Client connections closed because they did not begin with a PROXY header."
    case .connectionsOpen: "Client connections open now."
    case .acceptPauses: "Times that accepting rested for want of descriptors or memory."
    case .idleConnectionsEnded: "Client connections between two requests ended to make room for others."
    case .requestsCollapsed: "Requests answered from a fill that another request had started."
    case .tierHits: "Stored responses sent, by the tier that held the body."
    case .fillsStarted: "Upstream exchanges started to answer one or more requests."
    case .fillsEnded: "Fills ended, by outcome."
    case .fillsInFlight: "Fills running now."
    case .readersCut: "Readers of a shared fill cut because they held up the others."
    case .upstreamRequests: "Requests sent to upstream servers."
    case .upstreamRetries: "Requests sent again after a failure."
    case .upstreamErrors: "Upstream exchanges that failed, by kind; time-outs are counted apart."
    case .upstreamBytesReceived: "Bytes read from upstream servers."
    case .upstreamBytesSent: "Bytes written to upstream servers."
    case .upstreamConnectionsOpened: "Connections opened to upstream servers."
    case .upstreamConnectionsReused: "Requests sent over a connection that had been idle."
    case .upstreamConnectionsOpen: "Connections to upstream servers open now, idle ones included."
    case .upstreamConnectionsIdle: "Connections to upstream servers idle now."
    case .queuedForConnection: "Requests that waited for a free connection to a server."
    case .timeouts: "Time-outs, by what was waited for."
    case .purges: "Purges, by kind."
    case .entriesPurged: "Stored responses removed or made stale by purges."
    case .tunnelsOpened: "Connections that a server has switched to another protocol."
    case .tunnelsOpen: "Tunnels open now."
    case .tunnelBytes: "Bytes read at one end of a tunnel to be written at the other, by direction."
    case .impossibleEvents: "Events that cannot happen in the state they met; each is a defect of Larder."
    case .accessLogLinesDropped: "Access log lines dropped because the log could not be written fast enough."
    }
  }

  /// The label that tells the family's series apart.
  var label: StaticString? {
    switch self {
    case .fillsEnded: "outcome"
    case .connectionsRefused: "reason"
    case .upstreamErrors, .timeouts, .purges: "kind"
    case .tunnelBytes: "direction"
    case .tierHits: "tier"
    case .turns, .clientBytesReceived, .clientBytesSent, .connectionsAccepted, .connectionsOpen,
      .acceptPauses,
      .idleConnectionsEnded,
      .proxyHeadersRefused, .requestsCollapsed, .fillsStarted, .fillsInFlight, .readersCut, .upstreamRequests,
      .upstreamRetries,
      .upstreamBytesReceived, .upstreamBytesSent, .upstreamConnectionsOpened, .upstreamConnectionsReused,
      .upstreamConnectionsOpen, .upstreamConnectionsIdle, .queuedForConnection, .entriesPurged,
      .impossibleEvents, .accessLogLinesDropped, .tunnelsOpened, .tunnelsOpen:
      nil
    }
  }
}

enum MetricKind {
  case counter, gauge, histogram, summary

  var text: StaticString {
    switch self {
    case .counter: "counter"
    case .gauge: "gauge"
    case .histogram: "histogram"
    case .summary: "summary"
    }
  }
}
