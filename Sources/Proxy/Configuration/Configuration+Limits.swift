/// Time-outs and limits: flags that only differ in name, default and range.
extension Configuration {
  private static let timeRange = Quantity.millisecond...Quantity.day

  static let timeOuts: [Option<Configuration>] = [
    timeOut("head-timeout", \.headTimeoutMilliseconds, "For a request's head, from its first byte."),
    timeOut("idle-timeout", \.idleTimeoutMilliseconds, "Between two requests of a connection."),
    timeOut(
      "body-timeout", \.bodyTimeoutMilliseconds,
      "Without progress in a request's body, or in a response that the client takes."),
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
      OptionText("max-clients", "N", in: "Limits", "Connections of clients, over all workers."),
      \.maxClients, 1...10_000_000),
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
