import CLinux
import Glibc

/// What a child has from its parent: descriptors, by number, in one variable of the environment.
struct Inheritance: Equatable {
  static let variable = "LARDER_CHILD"

  let parent: pid_t
  /// An eventfd that the child writes to when it serves, and then as long as it is well.
  let pulse: CInt
  let admin: CInt?
  /// Listening descriptors, by address and worker.
  let clients: [[CInt]]

  init(parent: pid_t, pulse: CInt, sockets: ListeningSockets) {
    self.parent = parent
    self.pulse = pulse
    admin = sockets.admin?.descriptor
    clients = sockets.clients.map(\.descriptors)
  }

  /// Such as `4711 5 8 6,7`: parent, pulse, admin, and a list for each address.
  var text: String {
    let lists = clients.map { $0.map { "\($0)" }.joined(separator: ",") }
    return (["\(parent)", "\(pulse)", admin.map { "\($0)" } ?? "-"] + lists).joined(separator: " ")
  }

  init?(_ text: String) {
    let words = text.split(separator: " ", omittingEmptySubsequences: false)
    guard words.count >= 4, let parent = pid_t(words[0]), let pulse = CInt(words[1]),
      words[2] == "-" || CInt(words[2]) != nil
    else { return nil }
    self.parent = parent
    self.pulse = pulse
    admin = CInt(words[2])
    var clients: [[CInt]] = []
    for word in words[3...] {
      let list = word.split(separator: ",", omittingEmptySubsequences: false)
      let descriptors = list.compactMap { CInt($0) }
      guard descriptors.count == list.count else { return nil }
      clients.append(descriptors)
    }
    guard clients.allSatisfy({ $0.count == clients[0].count }) else { return nil }
    self.clients = clients
  }

  /// Takes what is there out of the environment, and ties this process's life to the parent's.
  ///
  /// - Returns: `nil` in a process that no Larder has started.
  static func take() throws(ServiceError) -> Inheritance? {
    guard let value = unsafe getenv(variable) else { return nil }
    let text = unsafe String(cString: value)
    unsafe unsetenv(variable)
    guard let inheritance = Inheritance(text), inheritance.isOpen else {
      throw .failed(flag: "", value: "", reason: "\(variable) is for children of larder serve only")
    }
    // The parent may have ended before the kernel was told.
    guard linux_end_with_parent() == 0, getppid() == inheritance.parent else {
      throw .failed(flag: "", value: "", reason: "the parent has ended")
    }
    return inheritance
  }

  /// Marks all descriptors as not for children of ours. False: one is not open.
  private var isOpen: Bool {
    (clients.joined() + [pulse] + (admin.map { [$0] } ?? [])).allSatisfy { descriptor in
      fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0
    }
  }
}
