extension ServiceError {
  /// One line that names the flag, the value and what went wrong.
  public var message: String {
    switch self {
    case .failed(let flag, let value, let reason):
      let subject = [flag, value.isEmpty ? "" : quoted(value)].filter { !$0.isEmpty }.joined(separator: " ")
      return subject.isEmpty ? reason : "\(subject): \(reason)"
    }
  }
}
