import Bytes
import CLinux
import Caching
import Glibc
import IO
import Synchronization
import Telemetry
import Upstream

/// The running proxy.
public enum Service {
  public static let version = "0.1.0"

  /// Serves until SIGTERM or SIGINT, then drains; a second signal ends it at once. By default this process is
  /// then the parent, and a child serves (lifecycle L29).
  ///
  /// - Returns: The exit status. Where it is not 0, why has been said.
  public static func run(_ configuration: Configuration) throws(ServiceError) -> Int32 {
    _ = signal(SIGPIPE, SIG_IGN)
    _ = linux_raise_descriptor_limit()
    if let inheritance = try Inheritance.take() {
      unsafe linux_name_thread("larder")
      try serve(configuration, inheritance)
    } else if configuration.servesAlone {
      let pidFile = try PidFile(configuration)
      try serve(configuration, role: .proxy)
      pidFile?.remove()
    } else {
      return try Supervisor(configuration).run()
    }
    return 0
  }

  /// Serves as a child, until its parent says otherwise.
  private static func serve(_ configuration: Configuration, _ inheritance: Inheritance) throws(ServiceError) {
    let signals = try SignalQueue()
    let sockets = try ListeningSockets(inheriting: inheritance, configuration)
    var configuration = configuration
    configuration.workers = sockets.workers
    try serve(
      configuration, role: .proxy, ProcessOrders(signals, isChild: true), sockets, pulse: inheritance.pulse)
  }

  /// Serves as the only process.
  static func serve(_ configuration: Configuration, role: ListenerRole) throws(ServiceError) {
    let signals = try SignalQueue()
    let sockets = try ListeningSockets(opening: configuration, role: role)
    try serve(configuration, role: role, ProcessOrders(signals, isChild: false), sockets, pulse: nil)
    sockets.removeFiles()
  }

  private static func serve(
    _ configuration: Configuration, role: ListenerRole, _ orders: ProcessOrders, _ sockets: ListeningSockets,
    pulse: CInt?
  ) throws(ServiceError) {
    var configuration = configuration
    let descriptors = Int(clamping: linux_raise_descriptor_limit())
    if role == .proxy, configuration.fit(descriptors: descriptors) {
      say("Clients limited to \(configuration.maxClients): this process may open \(descriptors) descriptors")
    }
    var demo: Crew?
    if role == .proxy, configuration.backends.isEmpty {
      let (crew, address) = try startDemoOrigin()
      demo = crew
      configuration.backends = [BackendAddress(fixed: address)]
      say("No --backend: serving the demo origin on \(address)")
    }
    let crew = try Crew(configuration, role: role, sockets: sockets, pulse: pulse)
    let resolver = Resolver(
      pools: [crew.deployment.pool],
      changed: { backend, failure in say("--backend \(backend): \(failure?.text ?? "resolved again")") })
    resolver.resolveAll()
    do throws(SystemError) {
      try resolver.start()
    } catch {
      throw .failed(flag: "", value: "", reason: error.reason)
    }
    try crew.start()
    if pulse == nil { for line in sockets.lines { say(line) } }
    crew.runUntilEnd(orders)
    resolver.stop()
    demo?.end()
  }

  private static func startDemoOrigin() throws(ServiceError) -> (Crew, SocketAddress) {
    var configuration = Configuration()
    configuration.listen = [ListenSetting(SocketAddress(ipv4: 0x7f00_0001, port: 0))]
    configuration.admin = nil
    configuration.workers = 1
    configuration.memoryBytes = DemoOrigin.smallMemory
    let sockets = try ListeningSockets(opening: configuration, role: .demoOrigin)
    let crew = try Crew(configuration, role: .demoOrigin, sockets: sockets)
    try crew.start()
    return (crew, sockets.clients[0].setting.address)
  }

  /// One line on standard output, at once.
  static func say(_ text: String) { write("\(text)\n", to: 1) }

  /// One line on standard error, at once: what an operator should read.
  static func warn(_ text: String) { write("larder: \(text)\n", to: 2) }

  private static func write(_ line: String, to descriptor: CInt) {
    let bytes = Array(line.utf8)
    _ = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
  }

  static func errnoText(_ code: CInt) -> String { unsafe String(cString: strerror(code)) }
}

/// Why serving could not begin or go on.
public enum ServiceError: Error, Equatable {
  /// - flag: as it is spelled on the command line, `--listen`.
  case failed(flag: String, value: String, reason: String)
}
