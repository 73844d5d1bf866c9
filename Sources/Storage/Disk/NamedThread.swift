import CLinux
import Glibc

/// Starts a thread of the disk tier; `nil`: there can be none.
///
/// - Parameter name: At most 15 bytes, for ps and perf.
func startNamedThread(_ name: StaticString, _ body: @escaping @Sendable () -> Void) -> pthread_t? {
  let start = unsafe Unmanaged.passRetained(NamedThreadStart(name, body))
  var thread = pthread_t()
  let code = unsafe pthread_create(
    &thread, nil,
    { argument in
      // SAFETY: the reference retained above, taken back once.
      unsafe Unmanaged<NamedThreadStart>.fromOpaque(argument!).takeRetainedValue().run()
      return nil
    }, start.toOpaque())
  if code != 0 { unsafe start.release() }
  return code == 0 ? thread : nil
}

private final class NamedThreadStart: Sendable {
  private let name: StaticString
  private let body: @Sendable () -> Void

  init(_ name: StaticString, _ body: @escaping @Sendable () -> Void) {
    self.name = name
    self.body = body
  }

  func run() {
    unsafe name.utf8Start.withMemoryRebound(to: CChar.self, capacity: name.utf8CodeUnitCount + 1) {
      unsafe linux_name_thread($0)
    }
    body()
  }
}
