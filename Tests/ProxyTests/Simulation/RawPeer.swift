import Bytes

/// One end of a connection that sends bytes, whatever they mean, and keeps what comes.
final class RawPeer: Step {
  private let network: Network
  private let end: StreamEnd
  private let output: [UInt8]
  private var sent = 0
  private var hasHalfClosed = false
  /// After its first `pausesAt` bytes nothing is sent before so many bytes have come.
  var waitsFor = 0
  var pausesAt = 0
  /// Nothing is sent before an empty line has come.
  var waitsForHead = false
  /// Ends its side when all is sent.
  var halfCloses = true
  /// Ends at once when so many bytes are sent.
  var resetsAfter = Int.max
  /// Bytes taken at a time, and the pause between; 0: all there is.
  var appetite = 0
  private var isPausing = false
  private(set) var received: [UInt8] = []
  private(set) var sawEnd = false
  private(set) var sawReset = false
  private(set) var hasLeft = false

  init(_ network: Network, end: StreamEnd, sends output: [UInt8]) {
    self.network = network
    self.end = end
    self.output = output
  }

  var isDone: Bool { hasLeft || sawReset || sawEnd && hasHalfClosed }

  /// What came behind the first empty line.
  var receivedBehindHead: ArraySlice<UInt8> {
    for at in received.indices.dropFirst(3) where received[(at - 3)...at].elementsEqual([13, 10, 13, 10]) {
      return received[(at + 1)...]
    }
    return []
  }

  func leave(abruptly: Bool) {
    guard !hasLeft else { return }
    hasLeft = true
    if abruptly { end.reset() } else { end.close() }
  }

  override func step() {
    guard !hasLeft else { return }
    read()
    if !hasLeft { write() }
    if !hasLeft, sawReset || sawEnd && hasHalfClosed { leave(abruptly: false) }
  }

  private func read() {
    guard !isPausing else { return }
    received += end.take(most: appetite > 0 ? appetite : .max)
    if appetite > 0, end.available > 0 {
      isPausing = true
      network.after(3) {
        self.isPausing = false
        self.network.activate(self)
      }
    }
    guard end.available == 0 else { return }
    if end.isDead { sawReset = true } else if end.endHasArrived { sawEnd = true }
  }

  private func write() {
    guard !waitsForHead || hasHead else { return }
    while sent < output.count {
      if sent >= resetsAfter { return leave(abruptly: true) }
      if sent == pausesAt, received.count < waitsFor { return }
      let end = sent < pausesAt ? pausesAt : min(sent + 1 + network.random.below(20_000), output.count)
      let piece = Array(output[sent..<end])
      let count = self.end.write(piece, from: 0)
      if count <= 0 { return }
      sent += count
    }
    if sent >= resetsAfter { return leave(abruptly: true) }
    if halfCloses, !hasHalfClosed {
      hasHalfClosed = true
      end.shutdownWrite()
    }
  }

  private var headWasSeen = false
  private var hasHead: Bool {
    if !headWasSeen { headWasSeen = String(decoding: received, as: UTF8.self).contains("\r\n\r\n") }
    return headWasSeen
  }
}
