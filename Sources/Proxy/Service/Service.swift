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

  /// Serves until SIGTERM or SIGINT, then drains. A second signal ends the process at once.
  public static func run(_ configuration: Configuration) throws(ServiceError) {
    try serve(configuration, role: .proxy)
  }

  static func serve(_ configuration: Configuration, role: ListenerRole) throws(ServiceError) {
    _ = signal(SIGPIPE, SIG_IGN)
    _ = linux_raise_descriptor_limit()
    // Before the first thread, so that all of them inherit the mask.
    let signals = linux_termination_signals()
    guard signals >= 0 else { throw .failed(flag: "", value: "", reason: "signalfd: \(errnoText(errno))") }
    var configuration = configuration
    var demo: Crew?
    if role == .proxy, configuration.backends.isEmpty {
      let (crew, address) = try startDemoOrigin()
      demo = crew
      configuration.backends = [BackendAddress(fixed: address)]
      say("No --backend: serving the demo origin on \(address)")
    }
    let crew = try Crew(configuration, role: role)
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
    for line in crew.addressLines { say(line) }
    crew.superviseUntilEnd(signals: signals)
    resolver.stop()
    demo?.end()
    crew.removeSockets()
    _ = close(signals)
  }

  private static func startDemoOrigin() throws(ServiceError) -> (Crew, SocketAddress) {
    var configuration = Configuration()
    configuration.listen = [ListenSetting(SocketAddress(ipv4: 0x7f00_0001, port: 0))]
    configuration.admin = nil
    configuration.workers = 1
    configuration.memoryBytes = DemoOrigin.smallMemory
    let crew = try Crew(configuration, role: .demoOrigin)
    try crew.start()
    return (crew, crew.addresses[0])
  }

  /// One line on standard output, at once.
  static func say(_ text: String) {
    let line = Array("\(text)\n".utf8)
    _ = unsafe line.withUnsafeBytes { unsafe write(1, $0.baseAddress, $0.count) }
  }

  static func errnoText(_ code: CInt) -> String { unsafe String(cString: strerror(code)) }
}

/// Why serving could not begin or go on.
public enum ServiceError: Error, Equatable {
  /// - flag: as it is spelled on the command line, `--listen`.
  case failed(flag: String, value: String, reason: String)
}
