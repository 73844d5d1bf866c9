import Telemetry
import Caching
import IO
import Upstream

extension Configuration {
  /// The flags of `larder serve`, in the order in which help and `check --print` show them.
  public static let options = OptionTable(
    listening + upstream + caching + access + timeOuts + limits + process)

  private static let listening: [Option<Configuration>] = [
    .list(
      OptionText(
        "listen", "ADDR[,proxy]", in: "Listening",
        "Address for clients: :8080, 127.0.0.1:8080, [::1]:8080 or unix:/path. Port 0 takes any free one. "
          + "With ,proxy each connection must begin with a PROXY protocol header, version 1 or 2, whose "
          + "client address is believed: for ports that only that proxy can reach."),
      \.listen, expected: "an address such as :8080, 127.0.0.1:8080, [::1]:8080 or unix:/path", empty: nil,
      read: ValueText.listen, write: \.description),
    .value(
      OptionText(
        "admin", "ADDR|off", in: "Listening",
        "Address for the operator: /health, /ready, /metrics and POST /purge."),
      \.admin, expected: "off or an address",
      read: { (text: String) throws(Rejection) in text == "off" ? nil : try ValueText.address(text) },
      write: { $0?.description ?? "off" }),
    .value(
      OptionText(
        "admin-token", "TOKEN|none", in: "Listening",
        "Token that lets others than this machine write through the admin listener."),
      \.adminToken, expected: "none or a token of letters, digits and -._~+/=", read: ValueText.token,
      write: { $0 ?? "none" }),
    .value(
      OptionText(
        "access-log", "PATH|stdout|stderr|journal|off", in: "Listening",
        "Where a line per request goes. SIGUSR1 opens the file anew, after it was renamed."),
      \.accessLog, expected: "a file's path, stdout, stderr, journal or off", read: ValueText.accessLog,
      write: \.text),
    .value(
      OptionText(
        "access-log-format", "json|combined|FORMAT", in: "Listening",
        "What a line says: json with all there is, nginx's combined, or text with nginx's variables: "
          + "$remote_addr, $request, $status, $http_NAME, $upstream_addr, $request_time and so on, and "
          + "$decision, $key_hash, $attempts, $wait_time. After escape=json values are escaped for JSON."),
      \.accessLogFormat, expected: "json, combined or a format of nginx's variables",
      read: ValueText.logFormat,
      write: \.source),
    .count(
      OptionText("workers", "N", in: "Listening", "Threads that serve; by default one per usable core."),
      \.workers, workerRange),
  ]

  private static let upstream: [Option<Configuration>] = [
    .list(
      OptionText(
        "backend", "HOST:PORT[,proxy=v1|v2]", in: "Upstream",
        "Server of the round-robin pool, also unix:/path. Without any, the embedded demo origin stands in. "
          + "With ,proxy= each request has a connection of its own, which begins with a PROXY header."),
      \.backends, expected: "a server such as 127.0.0.1:3000, api.internal:80 or unix:/path", empty: "demo",
      read: ValueText.backend, write: \.description),
    .value(
      OptionText(
        "host-header", "VALUE", in: "Upstream",
        "Host sent to servers: preserve (the client's), backend (the server's), or this value."),
      \.hostHeader, expected: "preserve, backend, or a host with or without a port",
      read: ValueText.hostHeader,
      write: ValueText.write),
    .count(
      OptionText(
        "max-connections", "N", in: "Upstream", "Connections in use to each server; more requests queue."),
      \.maxConnections, 1...65_535),
  ]

  private static let caching: [Option<Configuration>] = [
    .size(
      OptionText(
        "memory", "SIZE", in: "Caching",
        "Memory of the cache; by default a quarter of the machine's or control group's, at most 1GiB."),
      \.memoryBytes, memoryRange),
    .value(
      OptionText(
        "disk", "PATH[,NAME=VALUE…]|none", in: "Caching",
        "Directory of the disk tier, and size=10GiB, inactive=60m (without use), levels=1:2, min-free=SIZE, "
          + "max-entries=N, min-uses=N (requests before a write). With --memory 0 all is served from it."
      ),
      \.disk, expected: "none or a directory and parts such as size=10GiB", read: DiskSetting.parse,
      write: { $0?.description ?? "none" }),
    .size(
      OptionText(
        "max-object", "SIZE", in: "Caching",
        "Longest body that is kept; by default an eighth of the memory."),
      \.maxObjectBytes, 0...memoryRange.upperBound),
    .optionalLifetime(
      OptionText(
        "default-ttl", "DURATION|none", in: "Caching",
        "How long responses that do not say so are fresh, for status 200, 203, 300, 301, 308, 404 and 410."),
      \.defaultTTLSeconds),
    .lifetime(
      OptionText(
        "grace", "DURATION", in: "Caching",
        "How long a stale response may be served while it is refreshed."),
      \.graceSeconds),
    .lifetime(
      OptionText(
        "stale-on-error", "DURATION", in: "Caching",
        "How long a stale response may be served when the servers fail."),
      \.staleOnErrorSeconds),
    .value(
      OptionText(
        "key", "TEMPLATE", in: "Caching",
        "Cache key, with nginx's variables: $scheme, $host, $request_uri, $arg_NAME, $http_NAME and so on."),
      \.key, expected: "a template of nginx's variables and text", read: ValueText.key, write: \.text),
    .toggle(
      OptionText(
        "strict", "", in: "Caching", "Follow RFC 9111 to the letter where the default profile is practical."),
      \.isStrict),
  ]

  private static let access: [Option<Configuration>] = [
    .list(
      OptionText("purge-from", "CIDR|none", in: "Access", "Network that may send PURGE."),
      \.purgeFrom, expected: "none or a network such as 10.0.0.0/8, 192.0.2.7 or fd00::/8", empty: "none",
      read: ValueText.network, write: \.description),
    .list(
      OptionText(
        "trusted-proxy", "CIDR|none", in: "Access",
        "Network of proxies whose X-Forwarded-* and Forwarded are believed."),
      \.trustedProxies, expected: "none or a network such as 10.0.0.0/8, 192.0.2.7 or fd00::/8",
      empty: "none",
      read: ValueText.network, write: \.description),
  ]
}
