import Bytes
import IO
import Upstream

/// Who was granted a connection, in order.
final class Grants: Sendable {
  struct Grant: Equatable {
    var worker: Int
    var ticket: UInt64
    var server: String
  }

  private let list = Guarded<[(worker: Int, ticket: UInt64, server: Server)]>([])

  var take: Pool.Granted {
    { worker, ticket, server in self.list.withLock { $0.append((worker, ticket, server)) } }
  }

  var tickets: [UInt64] { list.withLock { $0.map(\.ticket) } }
  var workers: [Int] { list.withLock { $0.map(\.worker) } }
  var servers: [String] { list.withLock { $0.map(\.server.name) } }

  /// The server of the only grant to `ticket`, to be released.
  func server(of ticket: UInt64) -> Server? { list.withLock { $0.last { $0.ticket == ticket }?.server } }
}

let a = "127.0.0.1:1"
let b = "127.0.0.1:2"
let c = "127.0.0.1:3"

func backend(_ text: String) -> BackendAddress {
  // A test that names a backend wrongly is to fail at once.
  // swift-format-ignore: NeverUseForceTry
  try! BackendAddress.parse(text)
}

func address(_ text: String) -> SocketAddress {
  // swift-format-ignore: NeverUseForceTry
  try! SocketAddress.parse(listen: text)
}

func makePool(
  _ names: [String], limit: Int = 256, grants: Grants = Grants(),
  _ change: (inout PoolOptions) -> Void = { _ in }
) -> Pool {
  var options = PoolOptions()
  options.maxConnectionsPerServer = limit
  change(&options)
  return Pool(backends: names.map { backend($0) }, options: options, granted: grants.take)
}

extension Pool {
  /// Names of the servers of the next `count` requests, each of which is answered at once.
  func order(_ count: Int, now: Milliseconds = 0) -> [String] {
    (0..<count).map { _ in
      guard case .server(let server) = acquire(now: now) else { return "-" }
      release(server)
      return server.name
    }
  }

  func server(_ name: String, now: Milliseconds = 0) -> Server {
    for _ in 0..<100 {
      if let server = pick(now: now), server.name == name { return server }
    }
    fatalError("no server \(name)")
  }

  func state(_ name: String) -> ServerSnapshot.State? {
    snapshot().servers.first { $0.name == name }?.state
  }

  func inUse(_ name: String) -> Int? { snapshot().servers.first { $0.name == name }?.inUse }

  /// Takes `server` out by three connect failures.
  func takeOut(_ server: Server, now: Milliseconds) {
    for _ in 0..<3 { report(server, .connectFailed, now: now) }
  }
}

/// What `acquire` gave, for comparison.
func outcome(_ acquired: Pool.Acquired) -> String {
  switch acquired {
  case .server(let server): server.name
  case .full: "full"
  case .none: "none"
  }
}
