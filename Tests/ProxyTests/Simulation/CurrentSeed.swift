import Glibc

/// Says which seed was running when a trap ends the process.
enum CurrentSeed {
  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    unsafe pthread_key_create(&key, nil)
    for number in [SIGILL, SIGTRAP, SIGSEGV, SIGABRT] { unsafe previous[Int(number)] = signal(number, died) }
    return key
  }()

  private nonisolated(unsafe) static var previous = [Int: __sighandler_t?]()

  static func announce(_ seed: UInt64) {
    unsafe pthread_setspecific(key, UnsafeRawPointer(bitPattern: UInt(seed)))
  }

  static func forget() { announce(0) }

  fileprivate static func print(_ number: CInt) {
    var text = "LARDER_SEED="
    text += String(UInt(bitPattern: unsafe pthread_getspecific(key)))
    text += " was running\n"
    unsafe Array(text.utf8).withUnsafeBytes { _ = unsafe write(2, $0.baseAddress, $0.count) }
    _ = unsafe signal(number, previous[Int(number)] ?? SIG_DFL)
    raise(number)
  }
}

private func died(_ number: CInt) { CurrentSeed.print(number) }

func environment(_ name: String) -> String? {
  guard let value = unsafe getenv(name) else { return nil }
  return unsafe String(cString: value)
}
