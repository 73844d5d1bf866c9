public import Glibc

/// Starts a thread that runs `body`, which is made here and runs there.
public func startThread(_ body: sending @escaping () -> Void) throws(SystemError) -> pthread_t {
  let start = unsafe Unmanaged.passRetained(ThreadStart(body))
  var thread = pthread_t()
  let code = unsafe pthread_create(
    &thread, nil,
    { argument in
      // SAFETY: `argument` is the retained start of the one thread that runs this.
      unsafe Unmanaged<ThreadStart>.fromOpaque(argument!).takeRetainedValue().body()
      return nil
    }, start.toOpaque())
  guard code == 0 else {
    unsafe start.release()
    throw SystemError(call: "pthread_create", code: code)
  }
  return thread
}

private final class ThreadStart {
  let body: () -> Void
  init(_ body: sending @escaping () -> Void) { self.body = body }
}
