/// What a log format may ask for. The raw values are the names: nginx's where nginx has one, ours below.
public enum LogVariable: String, CaseIterable, Sendable {
  // Who asks
  case remoteAddress = "remote_addr"
  case remotePort = "remote_port"
  /// Of `Authorization: Basic`.
  case remoteUser = "remote_user"
  // When
  case localTime = "time_local"
  case isoTime = "time_iso8601"
  // What was asked for
  case request
  case method = "request_method"
  case scheme
  /// Lower-case and without a port.
  case host
  case requestURI = "request_uri"
  /// Path without the query, as received.
  case path = "uri"
  case arguments = "args"
  case queryString = "query_string"
  case serverProtocol = "server_protocol"
  /// `$http_NAME`.
  case requestField = "http_"
  // What was answered
  case status
  case bodyBytesSent = "body_bytes_sent"
  case bytesSent = "bytes_sent"
  /// `OK` when the response was sent whole.
  case completion = "request_completion"
  /// `$sent_http_NAME`.
  case responseField = "sent_http_"
  case cacheStatus = "upstream_cache_status"
  // How it went upstream
  case upstreamAddress = "upstream_addr"
  case upstreamStatus = "upstream_status"
  case connectTime = "upstream_connect_time"
  case firstByteTime = "upstream_header_time"
  case requestTime = "request_time"
  case requestID = "request_id"
  // Ours
  /// The decision with its reason.
  case decision
  case keyHash = "key_hash"
  case attempts
  /// For another request's head, or in the queue for a connection.
  case waitTime = "wait_time"

  /// The name continues with that of a field.
  public var takesName: Bool { self == .requestField || self == .responseField }

  /// The peer decides how long its value is. The others have at most 512 bytes.
  var isUnbounded: Bool {
    switch self {
    case .remoteUser, .request, .method, .host, .requestURI, .path, .arguments, .queryString, .requestField,
      .responseField:
      true
    case .remoteAddress, .remotePort, .localTime, .isoTime, .scheme, .serverProtocol, .status, .bodyBytesSent,
      .bytesSent, .completion, .cacheStatus, .upstreamAddress, .upstreamStatus, .connectTime, .firstByteTime,
      .requestTime, .requestID, .decision, .keyHash, .attempts, .waitTime:
      false
    }
  }
}
