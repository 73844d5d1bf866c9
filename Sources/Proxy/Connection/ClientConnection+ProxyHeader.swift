import Bytes
import HTTP
import IO

/// What a proxy says before the first request about the client that it relays (lifecycle L24).
extension ClientConnection {
  /// Reads the header; what follows it stays in `input` for the first request. False: no more for now.
  ///
  /// The machine stays idle meanwhile: whoever does not get as far as the end of the header in the time for
  /// a head has asked for nothing, and gets no answer.
  func receiveProxyHeader() -> Bool {
    let scratch = unsafe worker.scratch
    guard let count = unsafe read(into: scratch, room: Worker.scratchBytes) else { return false }
    unsafe keep(UnsafePointer(scratch.assumingMemoryBound(to: UInt8.self)), count: count)
    guard let input else { return false }
    do throws(ProxyHeaderError) {
      // SAFETY: `input` holds so many bytes and is not changed before the header is parsed.
      let bytes = unsafe Span<UInt8>(_unsafeStart: input.base, count: input.count)
      guard let header = try ProxyHeader.parse(bytes) else { return true }
      awaitsProxyHeader = false
      facts = worker.facts(of: header.source, through: facts)
      if header.isEncrypted { facts.scheme = "https" }
      guard takePlace() else {
        worker.counters.add(.connectionsRefusedPerAddress)
        perform(machine.handle(.failed))
        return false
      }
      input.use(header.end)
      if input.isEmpty { dropInput() }
      return true
    } catch {
      worker.counters.add(.proxyHeadersRefused)
      perform(machine.handle(.failed))
      return false
    }
  }
}

extension Worker {
  /// What is known of the client that a PROXY header speaks of.
  ///
  /// - Parameter own: What is known of the connection on which it came.
  func facts(of source: ProxyHeader.Source, through own: ClientFacts) -> ClientFacts {
    var facts = own
    switch source {
    case .proxy: return own
    case .unknown: facts.isTrusted = false
    case .ipv4(let bits, let port):
      facts = self.facts(of: SocketAddress(ipv4: bits, port: port), role: own.role)
    case .ipv6(let high, let low, let port):
      facts = self.facts(of: SocketAddress(ipv6: high, low, port: port), role: own.role)
    }
    facts.isRelayed = true
    return facts
  }
}
