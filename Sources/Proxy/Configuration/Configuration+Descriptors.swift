import Storage

extension Configuration {
  /// Lowers `maxClients` to what the process may have open, so that clients never take the descriptors that
  /// their own requests need next. Of those that are left besides our own, servers get as many as they may
  /// have connections, in use and idle, but not more than half.
  ///
  /// - Parameter descriptors: Of RLIMIT_NOFILE.
  /// - Returns: Whether it was lowered.
  mutating func fit(descriptors: Int) -> Bool {
    // Poll, mailbox and listeners of each worker; standard streams, signals, log, memory, operator, resolver,
    // and as many again for the demo origin.
    let own = workers * (2 + listen.count) + 24
    var left = max(4, descriptors - own)
    if disk != nil {
      // A quarter for open files, and some for those under way.
      openFiles = min(DiskOptions.mostOpenFiles, left / 4)
      left -= min(openFiles + 8, left / 2)
    }
    let upstream = max(1, backends.count) * (maxConnections + workers * Worker.idlePerServer)
    let most = left - min(upstream, left / 2)
    guard maxClients > most else { return false }
    maxClients = most
    return true
  }
}
