/// The flags about processes (lifecycle L29).
extension Configuration {
  static let process: [Option<Configuration>] = [
    .toggle(
      OptionText(
        "no-supervise", "", in: "Process",
        "Serve in one process, without a parent that begins another when it ends badly."),
      \.servesAlone),
    .duration(
      OptionText(
        "watchdog", "DURATION", in: "Process",
        "Without progress of a worker, before its process is ended; 0: for ever."),
      \.watchdogMilliseconds, 0...Quantity.day),
    .value(
      OptionText(
        "pid-file", "PATH|none", in: "Process",
        "File for the id of the process to signal; larder upgrade reads it."),
      \.pidFile, expected: "none or a file's path", read: ValueText.path, write: { $0 ?? "none" }),
  ]
}
