import Glibc
import IO

/// The listening sockets of a service: one for each address and worker, and the operator's.
///
/// Whoever opens them keeps them: under supervision that is the parent, whose children come and go.
struct ListeningSockets {
  private(set) var clients: [(setting: ListenSetting, descriptors: [CInt])] = []
  private(set) var admin: (address: SocketAddress, descriptor: CInt)?

  /// Opens what the flags name. The demo origin has no operator.
  init(opening configuration: Configuration, role: ListenerRole) throws(ServiceError) {
    for setting in configuration.listen {
      do throws(SystemError) {
        let (descriptors, used) = try ListeningSocket.open(setting.address, count: configuration.workers)
        clients.append((ListenSetting(used, expectsProxyHeader: setting.expectsProxyHeader), descriptors))
      } catch {
        throw .failed(flag: "--listen", value: "\(setting)", reason: error.reason)
      }
    }
    guard let address = configuration.admin, role == .proxy else { return }
    do throws(SystemError) {
      let (descriptors, used) = try ListeningSocket.open(address, count: 1)
      admin = (used, descriptors[0])
    } catch {
      throw .failed(flag: "--admin", value: "\(address)", reason: error.reason)
    }
  }

  /// What a child has from its parent, which was given the same flags.
  init(inheriting inheritance: Inheritance, _ configuration: Configuration) throws(ServiceError) {
    guard inheritance.clients.count == configuration.listen.count,
      (inheritance.admin == nil) == (configuration.admin == nil)
    else {
      throw .failed(flag: "", value: "", reason: "the parent's sockets are not those that the flags name")
    }
    clients = Array(zip(configuration.listen, inheritance.clients))
    if let address = configuration.admin, let descriptor = inheritance.admin {
      admin = (address, descriptor)
    }
  }

  /// Every address has as many sockets, one for each worker.
  var workers: Int { clients[0].descriptors.count }

  var descriptors: [CInt] { clients.flatMap(\.descriptors) + (admin.map { [$0.descriptor] } ?? []) }

  var lines: [String] {
    clients.map { "Listening on \($0.setting)" } + (admin.map { ["Admin on \($0.address)"] } ?? [])
  }

  func close() { for descriptor in descriptors { _ = Glibc.close(descriptor) } }

  /// A Unix socket's file outlives the socket.
  func removeFiles() {
    for address in clients.map(\.setting.address) + (admin.map { [$0.address] } ?? []) where address.isUnix {
      _ = unsafe unlink(String(decoding: address.path, as: UTF8.self))
    }
  }
}
