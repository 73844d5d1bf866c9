/// Time-outs and limits: flags that only differ in name, default and range.
extension Configuration {
  private static let timeRange = Quantity.millisecond...Quantity.day

  static let timeOuts: [Option<Configuration>] = [
    timeOut("head-timeout", \.headTimeoutMilliseconds, "For a request's head, from its first byte."),
    timeOut("idle-timeout", \.idleTimeoutMilliseconds, "Between two requests of a connection."),
    timeOut(
      "body-timeout", \.bodyTimeoutMilliseconds,
      "In which a client must send --min-rate's worth of a body, or take as much of a response."),
    timeOut(
      "tunnel-timeout", \.tunnelTimeoutMilliseconds,
      "Without a byte in either direction of a tunnel, such as a WebSocket."),
    timeOut("connect-timeout", \.connectTimeoutMilliseconds, "For a connection to a server."),
    timeOut(
      "first-byte-timeout", \.firstByteTimeoutMilliseconds,
      "For a response's head, from the last byte sent of the request, or the last 1xx."),
    timeOut("gap-timeout", \.gapTimeoutMilliseconds, "Without progress in a server's response."),
    timeOut(
      "upstream-idle-timeout", \.upstreamIdleTimeoutMilliseconds,
      "For an unused connection to a server, before it is closed."),
    timeOut(
      "queue-timeout", \.queueTimeoutMilliseconds,
      "For a connection when every server has as many as it may; then 503."),
    timeOut(
      "collapse-timeout", \.collapseTimeoutMilliseconds,
      "For another request's fetch of the same page; then a second fetch begins."),
    timeOut(
      "drain-timeout", \.drainTimeoutMilliseconds, "For requests in flight after SIGTERM.",
      range: 0...Quantity.day),
    timeOut(
      "drain-delay", \.drainDelayMilliseconds,
      "Of accepting connections after SIGTERM while /ready already fails.", range: 0...Quantity.day),
  ]

  static let limits: [Option<Configuration>] = [
    .count(
      OptionText(
        "max-clients", "N", in: "Limits",
        "Connections of clients, over all workers; fewer where the process may not open so many."),
      \.maxClients, 1...10_000_000),
    .optionalCount(
      OptionText(
        "max-clients-per-address", "N|off", in: "Limits",
        "Connections of one client: an IPv4 address or an IPv6 /64. Trusted proxies are not counted."),
      \.maxClientsPerAddress, 1...10_000_000),
    .optionalCount(
      OptionText(
        "max-request-rate", "N|off", in: "Limits", "Requests a second of one client; more is 429."),
      \.maxRequestRate, 1...1_000_000),
    .count(
      OptionText(
        "max-request-burst", "N", in: "Limits", "Requests of one client at once, before its rate counts."),
      \.maxRequestBurst, 1...1_000_000),
    .size(
      OptionText(
        "min-rate", "SIZE", in: "Limits",
        "Bytes a second that a client must send of a body or take of a response; 0: any progress will do."),
      \.minRateBytes, 0...1 << 30),
    .size(
      OptionText(
        "max-in-flight", "SIZE", in: "Limits",
        "Memory for what is passed through and for requests that wait; by default a quarter of --memory, at "
          + "least 16MiB. Beyond it, what is not in the cache is 503."),
      \.inFlightBytes, 1 << 20...memoryRange.upperBound),
    .size(
      OptionText("max-head", "SIZE", in: "Limits", "Head of a request or response; more is 431 or 502."),
      \.maxHeadBytes, 1 << 10...1 << 20),
    .size(
      OptionText("max-target", "SIZE", in: "Limits", "Path and query of a request; more is 414."),
      \.maxTargetBytes, 1 << 8...1 << 20),
    .count(
      OptionText(
        "max-fields", "N", in: "Limits", "Header fields of a request or response; more is 431 or 502."),
      \.maxFields, 10...10_000),
    .size(
      OptionText("max-body", "SIZE", in: "Limits", "Body of a request; more is 413."),
      \.maxBodyBytes, 0...1 << 50),
  ]

  private static func timeOut(
    _ name: String, _ field: OptionField<Configuration, Int>, _ summary: String,
    range: ClosedRange<Int> = timeRange
  ) -> Option<Configuration> {
    .duration(OptionText(name, "DURATION", in: "Time-outs", summary), field, range)
  }
}
