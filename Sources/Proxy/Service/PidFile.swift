import Glibc

/// The file in which others find this process: `--pid-file`.
struct PidFile {
  private let path: String

  /// Writes it, if the flags name one.
  init?(_ configuration: Configuration) throws(ServiceError) {
    guard let path = configuration.pidFile else { return nil }
    self.path = path
    // 0644, without what the umask forbids.
    let file = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    let text = Array("\(getpid())\n".utf8)
    guard file >= 0, unsafe write(file, text, text.count) == text.count else {
      throw .failed(flag: "--pid-file", value: path, reason: Service.errnoText(errno))
    }
    close(file)
  }

  func remove() { _ = unsafe unlink(path) }
}
