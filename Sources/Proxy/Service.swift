public import IO

/// The running proxy.
public enum Service {
  public static func run(_ configuration: Configuration) throws(ServiceError) {
    throw .failed(flag: "", value: "", reason: "nothing serves yet")
  }
}

/// The small origin that stands in when no backend is named.
public enum DemoOrigin {
  public static func run(listen: [SocketAddress]) throws(ServiceError) {
    throw .failed(flag: "", value: "", reason: "nothing serves yet")
  }
}

/// Why serving could not begin or go on.
public enum ServiceError: Error {
  /// - flag: as it is spelled on the command line, `--listen`.
  case failed(flag: String, value: String, reason: String)
}
