import Glibc

/// A thread that runs a closure, to be joined.
@safe final class TestThread {
  private var thread = pthread_t()

  init(_ body: @escaping @Sendable () -> Void) {
    let start = unsafe Unmanaged.passRetained(Start(body)).toOpaque()
    let code = unsafe pthread_create(
      &thread, nil,
      { argument in
        unsafe Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue().body()
        return nil
      }, start)
    precondition(code == 0, "pthread_create")
  }

  func join() { pthread_join(thread, nil) }

  private final class Start {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }
}
