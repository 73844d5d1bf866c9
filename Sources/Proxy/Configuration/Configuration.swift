public import Caching
public import IO
import Storage
public import Telemetry
public import Upstream

/// Everything that the flags of `larder serve` decide. A plain value: workers keep their own copy.
///
/// Defaults are those of the command line; two of them follow from the machine.
public struct Configuration: Sendable, Equatable {
  /// Where clients connect. Never empty.
  public var listen = [ListenSetting(SocketAddress(anyAddressPort: 8080))]
  /// The servers of the one pool. Empty: the demo origin stands in.
  public var backends: [BackendAddress] = []
  public var workers: Int
  /// Where the operator connects; `nil`: nowhere.
  public var admin: SocketAddress? = SocketAddress(ipv4: 0x7f00_0001, port: 8081)
  /// What the admin listener takes as `Authorization: Bearer …` (L26).
  public var adminToken: String?
  public var accessLog = AccessLogTarget.off
  public var accessLogFormat = LogFormat.json

  /// For bodies, heads, index, marks, purge records and fills together (L31).
  public var memoryBytes: Int
  /// The tier below it; `nil`: there is none.
  public var disk: DiskSetting?
  /// A response with a longer body is passed through and not kept.
  public var maxObjectBytes: Int
  /// For responses that do not say how long they are fresh (L17); `nil`: guessed from Last-Modified.
  public var defaultTTLSeconds: Int?
  /// How long beyond its freshness a response is served while it is refreshed (L16).
  public var graceSeconds = 0
  /// How long beyond its freshness a response is served when it cannot be refreshed (L16).
  public var staleOnErrorSeconds = 600
  public var key = KeySetting.standard
  /// By the letter of RFC 9111 where the default profile is practical instead.
  public var isStrict = false

  /// Who may send `PURGE` to the listeners for clients.
  public var purgeFrom = CIDR.loopback
  /// Whose `X-Forwarded-*` and `Forwarded` are believed (L24).
  public var trustedProxies: [CIDR] = []
  public var hostHeader = HostHeader.preserve

  // Time-outs of clients (L33).
  /// From the first byte of a request's head to its last.
  public var headTimeoutMilliseconds = 10_000
  /// Between two requests on a connection.
  public var idleTimeoutMilliseconds = 60_000
  /// In which a client must move the minimum below of a request's body, or of a response.
  public var bodyTimeoutMilliseconds = 30_000
  /// Of a tunnel through which nothing goes in either direction.
  public var tunnelTimeoutMilliseconds = 300_000

  // Time-outs of upstreams (L33, L11, L13).
  public var connectTimeoutMilliseconds = 3_000
  /// From the end of the request to the first byte of the response.
  public var firstByteTimeoutMilliseconds = 60_000
  /// Between two reads of a response.
  public var gapTimeoutMilliseconds = 60_000
  public var upstreamIdleTimeoutMilliseconds = 50_000
  /// For a free connection of the pool.
  public var queueTimeoutMilliseconds = 10_000
  /// For the head of another request's fill.
  public var collapseTimeoutMilliseconds = 5_000

  // The end (L30).
  public var drainTimeoutMilliseconds = 30_000
  public var drainDelayMilliseconds = 0

  // The process (L29).
  /// One process, without a parent that begins another when it ends badly.
  public var servesAlone = false
  /// Without a turn of a worker's loop, before the process is ended; 0: for ever.
  public var watchdogMilliseconds = 10_000
  /// Where the id of the process to be signalled is written; `nil`: nowhere.
  public var pidFile: String?

  // Limits.
  /// Connections to each server.
  public var maxConnections = 256
  /// Files of the disk tier that are held open. `fit` lowers it likewise.
  var openFiles = DiskOptions.mostOpenFiles
  /// Connections of clients, over all workers. `fit` lowers it to what the process's descriptors allow.
  public var maxClients = 65_536
  /// Of them, those of one IPv4 address or one IPv6 network of 64 bits; `nil`: no limit.
  public var maxClientsPerAddress: Int?
  /// Requests a second from one such address; `nil`: no limit.
  public var maxRequestRate: Int?
  /// Requests that one such address may send at once, before the rate counts.
  public var maxRequestBurst = 100
  /// Bytes a second that a client must send of a body, or take of a response; 0: any progress will do.
  public var minRateBytes = 256
  /// For what traffic under way holds and eviction cannot give back; beyond it misses are refused.
  public var inFlightBytes: Int
  public var maxHeadBytes = 64 << 10
  public var maxTargetBytes = 8 << 10
  public var maxFields = 100
  /// Longest body of a request.
  public var maxBodyBytes = 1 << 30

  public init(machine: Machine = .current()) {
    workers = min(machine.processors, Self.workerRange.upperBound)
    memoryBytes = machine.defaultCacheBytes
    maxObjectBytes = machine.defaultCacheBytes / 8
    inFlightBytes = Self.inFlightBytes(memory: machine.defaultCacheBytes)
  }

  /// A quarter of the cache's memory, at least 16 MiB.
  static func inFlightBytes(memory: Int) -> Int { max(memory / 4, 16 << 20) }

  /// The part of it that the caching rules ask for.
  public var cachingOptions: CachingOptions {
    CachingOptions(
      defaultTTL: defaultTTLSeconds.map { UInt32(clamping: $0) }, grace: UInt32(clamping: graceSeconds),
      staleOnError: UInt32(clamping: staleOnErrorSeconds), strict: isStrict)
  }

  static let workerRange = 1...256
  /// Of the way in which cache keys are made (L6): a store of another one is begun anew.
  static let keyVersion: UInt32 = 1
  static let memoryRange = 0...64 << 40
  /// Least memory of a cache without a disk, in bytes.
  static let leastMemory = 1 << 20

  /// What the store may hold in memory. With a disk, responses are gathered there until they are written, and
  /// the heads of what is open are there, whatever `--memory` says.
  var storeBytes: Int { disk == nil ? memoryBytes : max(memoryBytes, 16 << 20) }
}

/// How cache keys are made, together with how that was written.
public struct KeySetting: Sendable, Equatable {
  public let text: String
  public let template: KeyTemplate

  public static let standard = KeySetting(
    text: "$scheme$request_method$host$request_uri", template: .standard)

  public init(_ text: String) throws(KeyTemplateError) {
    self.init(text: text, template: try KeyTemplate(text))
  }

  private init(text: String, template: KeyTemplate) {
    self.text = text
    self.template = template
  }
}

/// The Host that upstreams see (L25).
public enum HostHeader: Sendable, Equatable {
  /// What the client sent.
  case preserve
  /// The server's own name and port.
  case backend
  case fixed(String)
}
