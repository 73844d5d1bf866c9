import Bytes
import CLinux
import Glibc
import HTTP
import IO

@testable import Proxy

/// A connection of a made-up protocol that carries any number of exchanges at once, each as a stream of
/// frames (lifecycle L1). A frame is [stream: 2 bytes][kind: 1][length: 3][payload]; a stream sends body
/// bytes only as far as its peer has given it credit.
final class StreamHost: Channel, ExchangeClient {
  enum Kind: UInt8 { case request, head, body, end, cut, credit }

  private final class Stream {
    let id: Int
    let exchange: Exchange
    var head: [UInt8]
    var credit = 0
    var remaining: Int?
    var isAnswered = false

    init(id: Int, exchange: Exchange, head: [UInt8]) {
      self.id = id
      self.exchange = exchange
      self.head = head
    }
  }

  private let worker: Worker
  private var input: [UInt8] = []
  private var output = ByteQueue()
  private var streams: [ObjectIdentifier: Stream] = [:]
  private var ids: [Int: Stream] = [:]
  private var lastServed = 0
  /// Bytes that may wait for the socket, over all streams.
  private static let outputLimit = 8192
  private static let frameLimit = 1000
  private(set) var mostAtOnce = 0

  init(worker: Worker, fd: CInt) throws {
    self.worker = worker
    super.init(adopting: fd)
    try worker.loop.add(self)
  }

  static func frame(_ stream: Int, _ kind: Kind, _ payload: [UInt8] = []) -> [UInt8] {
    [UInt8(stream >> 8), UInt8(stream & 255), kind.rawValue]
      + [UInt8(payload.count >> 16), UInt8(payload.count >> 8 & 255), UInt8(payload.count & 255)] + payload
  }

  /// The first whole frame of `bytes`, taken off.
  static func takeFrame(_ bytes: inout [UInt8]) -> (stream: Int, kind: Kind, payload: [UInt8])? {
    guard bytes.count >= 6, let kind = Kind(rawValue: bytes[2]) else { return nil }
    let count = Int(bytes[3]) << 16 | Int(bytes[4]) << 8 | Int(bytes[5])
    guard bytes.count >= 6 + count else { return nil }
    let frame = (Int(bytes[0]) << 8 | Int(bytes[1]), kind, Array(bytes[6..<6 + count]))
    bytes.removeFirst(6 + count)
    return frame
  }

  // MARK: Events

  override func ready(_ readiness: Readiness) {
    if readiness.contains(.readable) { read() }
    if fd >= 0 { pump() }
  }

  override func resumed() { if fd >= 0 { pump() } }

  private func read() {
    while fd >= 0 {
      let count = unsafe worker.loop.kernel.read(fd, into: worker.scratch, count: 4096)
      if count == -Int(EAGAIN) { break }
      guard count > 0 else { return close() }
      unsafe input.append(contentsOf: UnsafeRawBufferPointer(start: worker.scratch, count: count))
    }
    while fd >= 0, let frame = Self.takeFrame(&input) {
      switch frame.kind {
      case .request: begin(frame.stream, frame.payload)
      case .credit: ids[frame.stream]?.credit += Int(frame.payload[0]) << 8 | Int(frame.payload[1])
      case .head, .body, .end, .cut: break
      }
    }
  }

  private func begin(_ id: Int, _ head: [UInt8]) {
    let exchange = worker.takeExchange(client: self, facts: ClientFacts())
    let stream = Stream(id: id, exchange: exchange, head: head)
    streams[ObjectIdentifier(exchange)] = stream
    ids[id] = stream
    mostAtOnce = max(mostAtOnce, ids.count)
    let isWhole = unsafe head.withUnsafeBufferPointer {
      unsafe (try? exchange.request.parse($0.baseAddress!, count: head.count)) ?? false
    }
    guard isWhole else { return exchange.refuse(status: 400) }
    exchange.persistRequest()
    exchange.start()
  }

  private func close() {
    for stream in Array(ids.values) {
      stream.exchange.clientGone()
      worker.recycle(stream.exchange)
    }
    streams = [:]
    ids = [:]
    worker.loop.close(self)
  }

  // MARK: ExchangeClient

  var localAddress: SocketAddress? { nil }

  func sendHead(of exchange: Exchange) {
    guard let stream = streams[ObjectIdentifier(exchange)] else { return }
    let outgoing = exchange.outgoing
    var head: [UInt8] = []
    if let stored = unsafe outgoing.storedHead {
      unsafe head.append(contentsOf: UnsafeBufferPointer(start: stored, count: outgoing.storedCount))
    }
    unsafe head.append(contentsOf: UnsafeBufferPointer(start: worker.tail.base, count: worker.tail.count))
    output.append(Self.frame(stream.id, .head, head))
    stream.isAnswered = true
    stream.remaining = outgoing.sendsBody ? outgoing.bodyLength : 0
    worker.loop.resumeLater(self)
  }

  func bodyProgressed(of exchange: Exchange) { worker.loop.resumeLater(self) }

  func sendInterim(_ bytes: [UInt8], of exchange: Exchange) {}

  func wantsRequestBody(of exchange: Exchange) {}

  func becomeTunnel(
    of exchange: Exchange, to server: UpstreamConnection, _ early: UnsafePointer<UInt8>, count: Int
  ) {
    worker.close(server)
    cut(exchange)
  }

  func cut(_ exchange: Exchange) {
    guard let stream = streams[ObjectIdentifier(exchange)] else { return }
    finish(stream, .cut)
  }

  // MARK: Output

  /// Gives each stream a frame in turn, while the socket takes them.
  private func pump() {
    guard flush() else { return }
    var isBusy = true
    while isBusy, fd >= 0 {
      isBusy = false
      for id in ids.keys.sorted() where output.count < Self.outputLimit {
        if let stream = ids[id], stream.isAnswered, sendSome(of: stream) { isBusy = true }
      }
      guard flush() else { return }
    }
  }

  /// False: nothing can be sent of this stream now.
  private func sendSome(of stream: Stream) -> Bool {
    if stream.remaining == 0 {
      finish(stream, .end)
      return true
    }
    let most = min(stream.credit, Self.frameLimit, stream.remaining ?? .max)
    guard most > 0 else { return false }
    var part = unsafe iovec()
    switch unsafe stream.exchange.body.parts(
      into: &part, capacity: 1, most: most, copying: stream.exchange.worker.fileBytes)
    {
    case .bytes(let count, _):
      let bytes = unsafe [UInt8](UnsafeRawBufferPointer(start: part.iov_base, count: count))
      output.append(Self.frame(stream.id, .body, bytes))
      stream.credit -= count
      stream.remaining = stream.remaining.map { $0 - count }
      stream.exchange.bytesSent += count
      stream.exchange.bodyConsumed(count)
    case .pending: return false
    case .ended: finish(stream, stream.remaining == nil ? .end : .cut)
    case .failed: finish(stream, .cut)
    }
    return true
  }

  private func finish(_ stream: Stream, _ kind: Kind) {
    output.append(Self.frame(stream.id, kind))
    streams[ObjectIdentifier(stream.exchange)] = nil
    ids[stream.id] = nil
    if kind == .end { stream.exchange.responseEnded() } else { stream.exchange.clientGone() }
    worker.recycle(stream.exchange)
  }

  /// False: the socket is full or gone.
  private func flush() -> Bool {
    while !output.isEmpty {
      let bytes = output.takeAll(most: 4096)
      let written = unsafe bytes.withUnsafeBytes {
        var part = unsafe iovec(
          iov_base: UnsafeMutableRawPointer(mutating: $0.baseAddress!), iov_len: bytes.count)
        return unsafe worker.loop.kernel.write(fd, &part, count: 1)
      }
      if written < bytes.count {
        let rest = ByteQueue()
        rest.append(Array(bytes[max(written, 0)...]))
        output.move(output.count, to: rest)
        output = rest
      }
      if written < 0, written != -Int(EAGAIN) { close() }
      if written < bytes.count { return false }
    }
    return true
  }
}
