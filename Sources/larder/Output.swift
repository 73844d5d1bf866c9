import Glibc

/// Text for people, written at once: `print` would hold it back until the program ends.
enum Output: CInt {
  case standard = 1
  case error = 2

  /// Gives up without a word when nobody reads any more.
  func write(_ text: String) {
    let bytes = Array(text.utf8)
    var done = 0
    while done < bytes.count {
      // SAFETY: the kernel reads at most the rest of `bytes`.
      let written = unsafe bytes.withUnsafeBytes {
        unsafe Glibc.write(rawValue, $0.baseAddress! + done, $0.count - done)
      }
      if written < 0, errno == EINTR { continue }
      guard written > 0 else { return }
      done += written
    }
  }
}
