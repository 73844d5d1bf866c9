import Bytes
import Glibc
import IO
import Telemetry

/// One direction of a tunnel. Bytes go from one socket to the other by way of the worker's memory. Only what
/// the sink does not take is kept, and while there is any the source is not read: a slow reader holds up its
/// writer, and an idle tunnel owns no buffer.
final class TunnelFlow {
  enum Direction { case toServer, toClient }

  enum Outcome {
    /// Until one of the two sockets is ready.
    case waits
    /// For its next turn.
    case hasMore
    /// The source has ended, and the sink has taken all.
    case ended
    case failed
  }

  private let worker: Worker
  private let direction: Direction
  private let source: Channel
  private let sink: Channel
  private var kept: ReceiveBuffer?
  private var sourceHasEnded = false
  var isReadable: Bool
  /// The end is to be read even after a short read.
  var endIsAnnounced: Bool
  var isWritable: Bool
  /// Bytes of the tunnel read from the source.
  private(set) var taken = 0
  /// Bytes written to the sink, those of our 101 included.
  private(set) var written = 0

  /// - Parameters:
  ///   - source: With what is known of its readiness.
  ///   - kept: What is to be written before anything is read.
  init(
    _ direction: Direction, worker: Worker, from source: Channel, isReadable: Bool, endIsAnnounced: Bool,
    to sink: Channel, isWritable: Bool, kept: ReceiveBuffer?
  ) {
    self.worker = worker
    self.direction = direction
    self.source = source
    self.isReadable = isReadable
    self.endIsAnnounced = endIsAnnounced
    self.sink = sink
    self.isWritable = isWritable
    self.kept = kept
  }

  /// Bytes that came before the tunnel was open and belong to it.
  func count(early count: Int) {
    taken += count
    worker.counters.add(direction == .toServer ? .tunnelBytesToServer : .tunnelBytesToClient, count)
  }

  var keptCount: Int { kept?.count ?? 0 }

  /// Carries what it can, at most one turn's share.
  func carry() -> Outcome {
    var left = ClientConnection.bytesPerTurn
    while true {
      if let kept {
        guard let count = unsafe write(kept.base, count: kept.count) else { return .failed }
        kept.use(count)
        guard kept.isEmpty else { return .waits }
        self.kept = nil
      }
      if sourceHasEnded { return .ended }
      guard isReadable else { return .waits }
      guard left > 0 else { return .hasMore }
      let count = unsafe worker.loop.kernel.read(source.fd, into: worker.scratch, count: Worker.scratchBytes)
      switch count {
      case 0: sourceHasEnded = true
      case 1...:
        left -= count
        guard take(count) else { return .failed }
      case -Int(EINTR): break
      case -Int(EAGAIN): isReadable = false
      default: return .failed
      }
    }
  }

  /// Passes on what was read into the worker's memory.
  private func take(_ count: Int) -> Bool {
    isReadable = count == Worker.scratchBytes || endIsAnnounced
    worker.counters.add(direction == .toServer ? .clientBytesReceived : .upstreamBytesReceived, count)
    self.count(early: count)
    let bytes = unsafe UnsafePointer(worker.scratch.assumingMemoryBound(to: UInt8.self))
    guard let sent = unsafe write(bytes, count: count) else { return false }
    if sent < count {
      let rest = worker.receiveBuffer(for: count - sent)
      unsafe rest.append(bytes + sent, count: count - sent)
      kept = rest
    }
    return true
  }

  /// How many bytes the sink took; `nil`: it is gone.
  private func write(_ bytes: UnsafePointer<UInt8>, count: Int) -> Int? {
    var sent = 0
    while isWritable, sent < count {
      var part = unsafe iovec(
        iov_base: UnsafeMutableRawPointer(mutating: bytes + sent), iov_len: count - sent)
      let result = unsafe worker.loop.kernel.write(sink.fd, &part, count: 1)
      switch result {
      case 0...: sent += result
      case -Int(EINTR): break
      case -Int(EAGAIN): isWritable = false
      default: return nil
      }
    }
    written += sent
    worker.counters.add(direction == .toServer ? .upstreamBytesSent : .clientBytesSent, sent)
    return sent
  }
}
